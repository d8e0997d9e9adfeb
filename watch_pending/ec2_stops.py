"""EC2's side of stopping: which instances fail its checks, and the end of those that are to go."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from watch_pending.aws_errors import Meaning
from watch_pending.ec2 import PAGE, Ec2Error, calling

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
    for start in range(0, len(ids), TERMINATED_AT_ONCE):
        results |= _terminate(client, list(ids[start : start + TERMINATED_AT_ONCE]))
    return results


def _terminate(client: "EC2Client", ids: list[str]) -> dict[str, Ec2Error | None]:
    try:
        with calling("TerminateInstances", client.meta.region_name):
            client.terminate_instances(InstanceIds=ids)
    except Ec2Error as err:
        if len(ids) == 1:
            return {ids[0]: None if err.code in GONE else err}
        if err.meaning is not Meaning.BAD_SETTINGS:  # nothing that one of the ids is to blame for
            return dict.fromkeys(ids, err)
        named = [each for each in INSTANCE_ID.findall(str(err)) if each in set(ids)]
        middle = len(ids) // 2
        parts = [named, [each for each in ids if each not in set(named)]]
        if not all(parts):
            parts = [ids[:middle], ids[middle:]]
        return {key: why for part in parts for key, why in _terminate(client, part).items()}
    return dict.fromkeys(ids, None)
