"""EC2's side of stopping: which instances fail its checks, and the end of those that are to go."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from farmhand.chunks import chunked
from watch_pending.aws import Ec2Error, calling
from watch_pending.aws_errors import Meaning
from watch_pending.ec2 import PAGE

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

TERMINATED_AT_ONCE = 1000
INSTANCE_ID = re.compile(r"\bi-[0-9a-f]+\b")
IMPAIRED = "impaired"
GONE = {"InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed"}


def find_impaired(client: "EC2Client", region: str) -> tuple[tuple[str, str], ...]:
    """Find the instances that fail EC2's own checks: (id, which checks).

    The filter saves pages; what comes back is looked at again, for not every EC2 heeds it.
    """
    with calling("DescribeInstanceStatus", region):
        pages = client.get_paginator("describe_instance_status").paginate(
            Filters=[{"Name": "instance-state-name", "Values": ["running"]}],
            PaginationConfig={"PageSize": PAGE},
        )
        found = []
        for page in pages:
            for item in page["InstanceStatuses"]:
                checks = {
                    "system": item.get("SystemStatus", {}).get("Status"),
                    "instance": item.get("InstanceStatus", {}).get("Status"),
                }
                failed = [name for name, status in checks.items() if status == IMPAIRED]
                if failed and item.get("InstanceState", {}).get("Name") == "running":
                    found.append((item["InstanceId"], f"{' and '.join(failed)} check"))
        return tuple(found)


def terminate_instances(client: "EC2Client", ids: Sequence[str]) -> dict[str, Ec2Error | None]:
    """Terminate instances, a thousand a call; returns id → what is against it, or None.

    EC2 refuses a whole call for one id that it does not know, or that is protected: what it names
    is asked for by itself, and where it names nothing, each half.
    """
    results: dict[str, Ec2Error | None] = {}
    calls = [list(chunk) for chunk in chunked(ids, TERMINATED_AT_ONCE)]
    while calls:
        call = calls.pop()
        err = _terminate(client, call)
        parts = _split(call, err) if err else ()
        if parts:
            calls += parts
        else:
            results |= dict.fromkeys(call, None if err and err.code in GONE else err)
    return results


def _terminate(client: "EC2Client", ids: list[str]) -> Ec2Error | None:
    try:
        with calling("TerminateInstances", client.meta.region_name):
            client.terminate_instances(InstanceIds=ids)
    except Ec2Error as err:
        return err
    return None


def _split(ids: list[str], err: Ec2Error) -> tuple[list[str], ...]:
    """Cut a refused call into parts that may do better; none where it would change nothing."""
    named = set(INSTANCE_ID.findall(str(err))) & set(ids)
    if 0 < len(named) < len(ids):
        return sorted(named), [each for each in ids if each not in named]
    if len(ids) == 1 or err.meaning is not Meaning.BAD_SETTINGS:
        return ()
    middle = len(ids) // 2
    return ids[:middle], ids[middle:]
