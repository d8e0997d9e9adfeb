"""The names of machines that share one call: in its tags, and read back from an instance's; pure.

EC2 gives all machines of a call the same tags, and each its launch index. So the list of names
rides in the tags from the first moment, and says who a machine is before it bears its own name.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import count, takewhile
from typing import Any

from watch_pending.request import LAUNCH_TAG, fqdn

NAMES_TAG = "farmhand:names-"
DOMAIN_TAG = "farmhand:domain"
MOST_CHARACTERS = 256


def pack_names(names: Iterable[str]) -> list[str]:
    """Pack names, in their order, into the values of as few tags as hold them.

    >>> pack_names(["bld-001", "bld-002"])
    ['bld-001,bld-002']
    """
    values: list[str] = []
    for name in names:
        if values and len(values[-1]) + 1 + len(name) <= MOST_CHARACTERS:
            values[-1] += f",{name}"
        else:
            values.append(name)
    return values


def read_names(tags: Mapping[str, str]) -> tuple[str, ...]:
    """Read the list of names from an instance's tags; empty for one that had a call of its own.

    >>> read_names({"farmhand:names-1": "c", "farmhand:names-0": "a,b"})
    ('a', 'b', 'c')
    """
    keys = takewhile(tags.__contains__, (f"{NAMES_TAG}{number}" for number in count()))
    return tuple(name for key in keys for name in tags[key].split(","))


def own_tags(name: str, domain: str) -> dict[str, str]:
    """Format the tags that a machine of a group gets after its launch."""
    return {"Name": name, "FQDN": fqdn(name, domain)}


def member_token(token: str, index: int) -> str:
    """Format the identity of one machine of a group, from its call's and its launch index.

    >>> member_token("4f", 2)
    '4f-2'
    """
    return f"{token}-{index}"


def read_identity(tags: Mapping[str, str], index: int) -> dict[str, Any]:
    """Read who an instance is: the fields `token`, `name` and `lacks` of an Instance."""
    token, names = tags.get(LAUNCH_TAG), read_names(tags)
    if index >= len(names):
        return {"token": token, "name": tags.get("Name", ""), "lacks": ()}
    wanted = own_tags(names[index], tags.get(DOMAIN_TAG, ""))
    return {
        "token": token and member_token(token, index),
        "name": names[index],
        "lacks": tuple((key, value) for key, value in wanted.items() if tags.get(key) != value),
    }


def widen(request: Mapping[str, Any], names: Sequence[str], domain: str) -> dict[str, Any]:
    """Make of the arguments for one machine those for a group, of which EC2 gives what it has."""
    listed = {f"{NAMES_TAG}{number}": value for number, value in enumerate(pack_names(names))}
    if domain:
        listed[DOMAIN_TAG] = domain
    more = [{"Key": key, "Value": value} for key, value in listed.items()]
    specifications = []
    for item in request["TagSpecifications"]:
        shared = [tag for tag in item["Tags"] if tag["Key"] not in {"Name", "FQDN"}]
        instance = item["ResourceType"] == "instance"
        specifications.append({**item, "Tags": [*shared, *more] if instance else shared})
    return {**request, "MaxCount": len(names), "TagSpecifications": specifications}
