"""Remedies, one by one: what is to go is looked at again right before, and only then ended."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from farmhand.errors import Unavailable
from watch_pending import gather
from watch_pending.cloud import read_regions
from watch_pending.ec2_sanity import delete_volume, find_these, find_these_volumes
from watch_pending.ec2_stops import terminate_instances
from watch_pending.models import Instance
from watch_pending.sanity.fixer import Fixer
from watch_pending.sanity.gather import find_missing
from watch_pending.sanity.models import Fate, FixOutcome, Remedy, Step
from watch_pending.sanity.remedy import find_instance, is_still_so, why_in_use, why_kept
from watch_pending.sanity.unpause import unpause
from watch_pending.stop_idle.models import Workload
from watch_pending.stop_idle.queries import read_stops

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

Said = tuple[str, Fate, str]
"""A finding's id, what became of it, and why."""


def fix_all(fixer: Fixer, remedies: Sequence[Remedy]) -> list[FixOutcome]:
    """Do what is safe, and say of each what became of it; one failure stops nothing else."""
    by_step: defaultdict[Step, list[Remedy]] = defaultdict(list)
    for remedy in remedies:
        if remedy.step is not None:
            by_step[remedy.step].append(remedy)
    return [
        *_close_rows(fixer, by_step[Step.CLOSE_ROW]),
        *_terminate(fixer, by_step[Step.TERMINATE]),
        *_delete_volumes(fixer, by_step[Step.DELETE_VOLUME]),
        *unpause(fixer, by_step[Step.UNPAUSE]),
    ]


def _close_rows(fixer: Fixer, remedies: Sequence[Remedy]) -> list[FixOutcome]:
    """Write down what was seen, as every run that starts or stops machines does."""
    if not remedies:
        return []
    settings, look = fixer.settings, fixer.look
    gather.write_sightings(fixer.database, settings.farm, settings.watch, look.seen, look.cloud)
    journal = gather.read_journal(fixer.database, settings.farm, settings.watch)
    left = {(m.region, m.name) for m in find_missing(journal, look.cloud)}
    return [
        FixOutcome(remedy=each, fate=Fate.LEFT, why="another run has seen it meanwhile")
        if (each.finding.region, each.finding.name) in left
        else FixOutcome(remedy=each, fate=Fate.FIXED, why="its row is closed")
        for each in remedies
    ]


def _terminate(fixer: Fixer, remedies: Sequence[Remedy]) -> list[FixOutcome]:
    """Terminate machines of which nobody has taken hold since they were judged."""
    if not remedies:
        return []
    try:
        workload = fixer.look_at_workers()
        with fixer.database.begin() as connection:
            stopping = {stop.instance_id for stop in read_stops(connection)}
    except Unavailable as err:
        return [FixOutcome(remedy=each, fate=Fate.FAILED, why=str(err)) for each in remedies]
    before = {each.finding.id: find_instance(fixer.sight, each.finding.id) for each in remedies}

    def end(client: "EC2Client", region: str, ids: Sequence[str]) -> Sequence[Said]:
        after = {each.instance_id: each for each in find_these(client, region, ids)}
        said: list[Said] = []
        for instance_id in ids:
            why = _why_not_now(before[instance_id], after.get(instance_id), workload)
            why = "stop-idle is about to end it" if instance_id in stopping else why
            if why:
                said.append((instance_id, Fate.LEFT, why))
        spared = {instance_id for instance_id, _, _ in said}
        going = [instance_id for instance_id in ids if instance_id not in spared]
        for instance_id, err in terminate_instances(client, going).items():
            fate, why = (Fate.FAILED, str(err)) if err else (Fate.FIXED, "terminated")
            said.append((instance_id, fate, why))
        return said

    return _in_regions(fixer, remedies, end)


def _why_not_now(before: Instance | None, after: Instance | None, workload: Workload) -> str | None:
    if before is None or after is None or not is_still_so(before, after):
        return "it has changed meanwhile"
    return why_in_use(after, workload)


def _delete_volumes(fixer: Fixer, remedies: Sequence[Remedy]) -> list[FixOutcome]:
    """Delete volumes that are still attached to nothing."""
    farm = fixer.settings.farm

    def delete(client: "EC2Client", region: str, ids: Sequence[str]) -> Sequence[Said]:
        found = {each.volume_id: each for each in find_these_volumes(client, region, farm, ids)}
        said: list[Said] = []
        for volume_id in ids:
            if why := why_kept(found.get(volume_id), farm):
                said.append((volume_id, Fate.LEFT, why))
            elif err := delete_volume(client, volume_id):
                said.append((volume_id, Fate.FAILED, str(err)))
            else:
                said.append((volume_id, Fate.FIXED, "deleted"))
        return said

    return _in_regions(fixer, remedies, delete)


def _in_regions(
    fixer: Fixer,
    remedies: Sequence[Remedy],
    act: Callable[["EC2Client", str, Sequence[str]], Sequence[Said]],
) -> list[FixOutcome]:
    """Act in all regions at once; what a region has not answered in time has failed."""
    by_region: defaultdict[str, list[str]] = defaultdict(list)
    for remedy in remedies:
        by_region[remedy.finding.region or ""].append(remedy.finding.id)
    if not by_region:
        return []
    answers = read_regions(
        fixer.run,
        fixer.look.aws,
        by_region,
        lambda client, region: [("said", partial(act, client, region, by_region[region]))],
    )
    said: Mapping[str, tuple[Fate, str]] = {
        each: (fate, why) for each, fate, why in answers.found.get("said", ())
    }
    return [
        FixOutcome(remedy=each, fate=fate, why=why)
        for each in remedies
        for fate, why in [
            said.get(each.finding.id)
            or (Fate.FAILED, answers.lost.get(each.finding.region or "", "no answer"))
        ]
    ]
