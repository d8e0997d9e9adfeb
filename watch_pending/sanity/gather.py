"""All that sanity's judgement rests on: EC2, the scheduler database, and the farm database."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from farmhand.command import Run
from farmhand.db import FarmDb, format_url
from farmhand.errors import Unavailable
from watch_pending import gather
from watch_pending.aws import Aws
from watch_pending.backoff_queries import read_backoffs
from watch_pending.cloud import Answers, open_aws, read_regions
from watch_pending.ec2 import find_instances
from watch_pending.ec2_sanity import find_volumes
from watch_pending.ec2_stops import find_impaired
from watch_pending.models import UP_STATES, Cloud, Instance, OpenLaunch, Snapshot, WorkerStatus
from watch_pending.pending import detect_shape
from watch_pending.queries import KEPT_S
from watch_pending.sanity import queries
from watch_pending.sanity.judge import REGIONAL
from watch_pending.sanity.models import Key, Sight
from watch_pending.settings import WatchPendingSettings
from watch_pending.sources import read_sources
from watch_pending.stop_idle.activity import read_workload
from watch_pending.stop_idle.models import Workload

log = logging.getLogger("watch-pending")
SCHEDULER = "scheduler database"


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What a run has read, and where from; `lost` is what did not answer: what → why."""

    sight: Sight
    aws: Aws
    cloud: Cloud
    seen: gather.Scheduler
    scheduler: gather.SchedulerDb
    lost: Mapping[str, str]


def look(run: Run, settings: WatchPendingSettings, database: FarmDb) -> Look:
    """Read all of it, as far as it answers; raises Unavailable where nothing could be decided."""
    log.info(
        "config %s, farm %s, farm database %s",
        settings.path,
        settings.farm,
        format_url(database.url),
    )
    journal = gather.read_journal(database, settings.farm, settings.watch)
    with database.begin() as connection:
        memory = queries.read_memory(connection)
    aws = open_aws(settings.originals)
    known_regions = gather.regions_of(journal) | _regions_in(memory)
    answers = _read_fleet(run, settings, aws, known_regions)
    cloud = Cloud(
        instances=tuple(answers.found.get("instances", ())),
        listed=_complete(answers, "instances"),
        lost=answers.lost,
    )
    scheduler = gather.open_scheduler(run, settings.watch)
    lost = dict(answers.lost)
    workload = None
    try:
        workload = look_at_workers(scheduler, cloud.instances, settings.farm)
    except Unavailable as err:
        if not cloud.listed:
            raise Unavailable(f"neither EC2 nor the scheduler database answered: {err}") from err
        log.error("%s", err)
        lost[SCHEDULER] = str(err)
    seen = gather.Scheduler(pending=(), workers=statuses_of(workload))
    read = read_sources(run, settings, database, seen.pending)
    snapshot = read.add_to(gather.assemble(settings.farm, seen, journal, cloud))
    sight = Sight(
        snapshot=snapshot,
        now=run.now,
        shown=frozenset(instance.instance_id for instance in cloud.instances),
        listed=cloud.listed,
        checked=_complete(answers, "impaired"),
        measured=_complete(answers, "volumes"),
        lost=answers.lost,
        workload=workload,
        missing=find_missing(journal, cloud),
        volumes=tuple(answers.found.get("volumes", ())),
        impaired=dict(answers.found.get("impaired", ())),
        memory=memory,
        **_read_rows(database, snapshot),
    )
    return Look(sight=sight, aws=aws, cloud=cloud, seen=seen, scheduler=scheduler, lost=lost)


def look_at_workers(
    scheduler: gather.SchedulerDb, instances: Iterable[Instance], farm: str
) -> Workload:
    """Read what all workers do; raises Unavailable when the scheduler database does not answer."""
    launched = {i.name: i.launched_at for i in instances if i.farm == farm and i.state in UP_STATES}
    with scheduler.connect() as connection:
        return read_workload(connection, detect_shape(connection), launched)


def _read_fleet(
    run: Run, settings: WatchPendingSettings, aws: Aws, known_regions: Iterable[str]
) -> Answers:
    regions = tuple(dict.fromkeys([*settings.watch.region_priorities, *sorted(known_regions)]))
    return read_regions(
        run,
        aws,
        regions,
        lambda client, region: (
            ("instances", partial(find_instances, client, region)),
            ("impaired", partial(find_impaired, client, region)),
            ("volumes", partial(find_volumes, client, region, settings.farm)),
        ),
    )


def _complete(answers: Answers, what: str) -> frozenset[str]:
    return frozenset(region for region, kind in answers.complete if kind == what)


def _regions_in(memory: Iterable[Key]) -> frozenset[str]:
    """Collect the regions of what was found, where nothing is configured any more perhaps."""
    return frozenset(subject.partition("/")[0] for kind, subject in memory if kind in REGIONAL)


def statuses_of(workload: Workload | None) -> dict[str, WorkerStatus] | None:
    """Say of each worker what a plan asks; None where nobody can tell."""
    if workload is None or workload.workers is None:
        return None
    return {
        name: WorkerStatus(
            name=name,
            connected=each.connected,
            building=each.building,
            paused=each.paused,
            graceful=each.graceful,
        )
        for name, each in workload.workers.items()
    }


def find_missing(journal: gather.Journal, cloud: Cloud) -> tuple[Instance | OpenLaunch, ...]:
    """Find what the journal has and EC2 should show, and does not: not lately, nor now; pure."""
    shown = {instance.instance_id for instance in cloud.instances}
    tokens = {instance.token for instance in cloud.instances}
    return (
        *(
            known
            for key, (known, recently) in journal.known.items()
            if not recently and known.region in cloud.listed and key not in shown
        ),
        *(
            launch
            for launch, recently in journal.open_launches
            if not recently and launch.region in cloud.listed and launch.token not in tokens
        ),
    )


def _read_rows(database: FarmDb, snapshot: Snapshot) -> dict[str, Any]:
    """Read what else the farm database says of these machines: fields of a Sight."""
    ours = [i for i in snapshot.instances if i.farm == snapshot.farm]
    tokens = [machine.token for machine in (*ours, *snapshot.open_launches) if machine.token]
    with database.begin() as connection:
        prices = queries.read_launch_prices(connection, tokens, [i.instance_id for i in ours])
        return {
            "journal": frozenset(prices),
            "journal_s": KEPT_S,
            "paid": {key: price for key, price in prices.items() if price is not None},
            "stuck": queries.read_stuck(connection),
            "bad_settings": tuple(each for each in read_backoffs(connection) if each.until is None),
            "stopped_names": queries.read_stopped_names(connection),
        }
