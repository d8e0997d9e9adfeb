"""Plan → outcomes: AMIs are deregistered, then their snapshots deleted; regions in parallel."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from farmhand.command import Run
from watch_pending.amis.models import Fate, Pruned, PruneOutcome, PrunePlan
from watch_pending.aws import Aws, Ec2Error
from watch_pending.ec2_images import delete_snapshot, deregister_image, mark_snapshots

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

log = logging.getLogger("watch-pending")
REGIONS_AT_ONCE = 16


def prune_all(run: Run, aws: Aws, farm: str, plan: PrunePlan) -> tuple[PruneOutcome, ...]:
    """Do what was planned; what fails stops nothing else.

    Each AMI's snapshots are tagged before it goes: a run that is killed in between leaves what the
    next one finds.
    """
    regions = sorted({each.image.region for each in plan.prune} | {o.region for o in plan.orphans})
    clients = {region: aws.reader(region) for region in regions}

    def prune_region(region: str) -> list[PruneOutcome]:
        outcomes = []
        for outcome in _prune_region(run, clients[region], farm, plan):
            level = logging.ERROR if outcome.fate is Fate.FAILED else logging.INFO
            what = outcome.snapshot or "itself"
            why = f": {outcome.why}" if outcome.why else ""
            log.log(level, "%s %s: %s %s%s", region, outcome.ami, what, outcome.fate, why)
            outcomes.append(outcome)
        return outcomes

    with ThreadPoolExecutor(max_workers=REGIONS_AT_ONCE) as pool:
        return tuple(outcome for found in pool.map(prune_region, regions) for outcome in found)


def _prune_region(
    run: Run, client: "EC2Client", farm: str, plan: PrunePlan
) -> Iterator[PruneOutcome]:
    region = client.meta.region_name
    for orphan in (each for each in plan.orphans if each.region == region):
        yield _delete(run, client, orphan.snapshot, orphan.pruned_ami or "", None)
    for item in (each for each in plan.prune if each.image.region == region):
        yield from _prune(run, client, farm, item)


def _prune(run: Run, client: "EC2Client", farm: str, item: Pruned) -> Iterator[PruneOutcome]:
    image = item.image

    def deregister() -> None:
        if item.snapshots:
            mark_snapshots(client, item.snapshots, farm=farm, ami=image.ami)
        deregister_image(client, image.ami)

    fate, why = _attempt(run, deregister, Fate.DEREGISTERED)
    yield PruneOutcome(
        region=image.region,
        ami=image.ami,
        instance_type=image.instance_type,
        fate=fate,
        why=why,
    )
    if fate is Fate.DEREGISTERED:
        for snapshot in item.snapshots:
            yield _delete(run, client, snapshot, image.ami, image.instance_type)


def _delete(
    run: Run, client: "EC2Client", snapshot: str, ami: str, instance_type: str | None
) -> PruneOutcome:
    fate, why = _attempt(run, lambda: delete_snapshot(client, snapshot), Fate.DELETED)
    return PruneOutcome(
        region=client.meta.region_name,
        ami=ami,
        instance_type=instance_type,
        fate=fate,
        snapshot=snapshot,
        why=why,
    )


def _attempt(run: Run, step: Callable[[], None], done: Fate) -> tuple[Fate, str]:
    if run.remaining_s() == 0:
        return Fate.NOT_TRIED, "the deadline was reached before its turn came"
    try:
        step()
    except Ec2Error as err:
        return Fate.FAILED, str(err)
    return done, ""
