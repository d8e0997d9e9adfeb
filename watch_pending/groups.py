"""Planned launches → calls of RunInstances, and which machines are to be named after it; pure.

- every launch is in exactly one call, and the launches of a call stand in the order planned;
- the launches of a call differ in name only;
- a call bears no more names than a list of names may have, and than its tags have room for.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from watch_pending.config_machines import Place
from watch_pending.demand import own_instances
from watch_pending.models import Launch, Outcome, Snapshot
from watch_pending.name_tags import pack_names

# Names that a list can hold, in a tag and in a shell's.
PLAIN = re.compile(r"[\w.-]+", re.ASCII)
MOST_NAMES = 100
MOST_TAGS = 50
# Name, FQDN, type, state, farm, launch and domain.
TAGS_OF_ITS_OWN = 7


def count_free_tags(place: Place) -> int:
    """Count the tags that a machine launched there has left for the list of names."""
    return MOST_TAGS - TAGS_OF_ITS_OWN - len(place.tags)


def group_launches(
    launches: Sequence[Launch],
    tokens: Mapping[str, int],
    free_tags: Mapping[tuple[str, str], int],
) -> list[tuple[Launch, ...]]:
    """Say which launches share a call: none in a region that has a token for each of its own.

    `tokens`: region → calls that may start now. `free_tags`: (instance type, region) → tags for
    names, for the types whose machines can find their names in a list.
    """
    planned = Counter(launch.offer.region for launch in launches)
    calls: list[list[Launch]] = []
    filling: dict[object, list[Launch]] = {}
    for launch in launches:
        region = launch.offer.region
        free = free_tags.get((launch.instance_type, region), 0)
        if planned[region] <= tokens.get(region, 0) or not PLAIN.fullmatch(launch.name):
            free = 0
        call = filling.get(what_is_shared(launch))
        if call is None or not _fits([*call, launch], free):
            calls.append(call := [])
            if free:
                filling[what_is_shared(launch)] = call
        call.append(launch)
    return [tuple(call) for call in calls]


def what_is_shared(launch: Launch) -> object:
    """Return all of a launch that the request of its call has, but for names."""
    offer = launch.offer
    return (
        launch.instance_type,
        launch.subnet,
        offer.ami,
        offer.region,
        offer.availability_zone,
        offer.ec2_type,
        offer.market,
        offer.max_price_usd_per_hour,
    )


def _fits(call: Sequence[Launch], free_tags: int) -> bool:
    names = [launch.name for launch in call]
    return len(names) <= MOST_NAMES and len(pack_names(names)) <= free_tags


@dataclass(frozen=True, kw_only=True, slots=True)
class Naming:
    """Tags that a machine of a group is to bear: its name."""

    instance_id: str
    region: str
    tags: tuple[tuple[str, str], ...]


def plan_naming(snapshot: Snapshot, outcomes: Iterable[Outcome]) -> tuple[Naming, ...]:
    """List whose name is to be written: of groups just launched, and what others left undone."""
    left = [
        Naming(instance_id=each.instance_id, region=each.region, tags=each.lacks)
        for each in own_instances(snapshot)
        if each.lacks
    ]
    launched = [
        Naming(instance_id=each.instance_id, region=each.launch.offer.region, tags=each.lacks)
        for each in outcomes
        if each.lacks and each.instance_id
    ]
    return (*left, *launched)
