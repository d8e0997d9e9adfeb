"""One run of stop-idle: gather → judge → plan → apply → report."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from farmhand.command import Result, Run
from farmhand.db import FarmDb, format_url, read_clock
from farmhand.errors import ExitCode, Locked, Unavailable
from farmhand.metrics import push_to_graphite
from farmhand.output import print_json
from farmhand.recorded import Record, recorded
from farmhand.state import exclusive, make_writable
from watch_pending import gather
from watch_pending.aws import Aws
from watch_pending.buildermap import compile_buildermap
from watch_pending.cloud import open_aws, read_regions
from watch_pending.config import WatchPending
from watch_pending.demand import group_demands, needed_machines
from watch_pending.ec2 import find_instances
from watch_pending.ec2_stops import find_impaired
from watch_pending.models import UP_STATES, Cloud, Instance, Snapshot
from watch_pending.pending import Shape, detect_shape, read_pending, read_workers
from watch_pending.settings import WatchPendingSettings
from watch_pending.sources import SourcesRead, keep_fetched, read_sources
from watch_pending.stop_idle import queries
from watch_pending.stop_idle.activity import read_workload
from watch_pending.stop_idle.apply import work_off
from watch_pending.stop_idle.judge import judge_all
from watch_pending.stop_idle.models import (
    Fate,
    Judgement,
    Reason,
    Sight,
    Stop,
    StopOutcome,
)
from watch_pending.stop_idle.plan import next_step, plan_stops
from watch_pending.stop_idle.report import make_stop_samples, print_stops, stops_to_json
from watch_pending.stop_idle.stopper import Stopper

log = logging.getLogger("watch-pending")
CLOCKS_AGREE_S = 60
# Longer than any one step of a run takes; who was killed keeps its rows no longer.
LEASE_S = 90


@dataclass(frozen=True, kw_only=True, slots=True)
class Only:
    """Which machines a run may begin to stop; empty means all. What is on its way goes on."""

    types: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()

    def means(self, instance: Instance) -> bool:
        """Whether it may stop this one."""
        return (not self.types or instance.instance_type in self.types) and (
            not self.regions or instance.region in self.regions
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What a run has read, and where from."""

    sight: Sight
    stops: tuple[Stop, ...]
    scheduler: gather.SchedulerDb
    shape: Shape
    aws: Aws
    seen: gather.Scheduler
    cloud: Cloud
    launched: Mapping[str, datetime]
    read: SourcesRead


def stop_once(run: Run, settings: WatchPendingSettings, only: Only) -> Result:
    """Stop what is of no more use, or only show it."""
    if run.dry_run:
        database = settings.open_database(reading=True)
        look = _look(run, settings, database)
        planned = _plan(settings, look, only)
        outcomes = [_preview(stop, look.sight, settings.farm) for stop in look.stops]
        _report(run, settings, look.sight, planned, outcomes)
        return _summarize(look, planned, outcomes)
    make_writable(settings.state_directory)
    with exclusive(settings.state_directory, "watch-pending-stop-idle"):
        database = settings.open_database(reading=False)
        with recorded(database, run) as record:
            record.result = _stop(run, settings, database, record, only)
    push_to_graphite(settings.graphite, record.result.samples)
    return record.result


def _stop(
    run: Run,
    settings: WatchPendingSettings,
    database: FarmDb,
    record: Record,
    only: Only,
) -> Result:
    look = _look(run, settings, database)
    keep_fetched(settings, look.read)
    gather.write_sightings(database, settings.farm, settings.watch, look.seen, look.cloud)
    hold = queries.Hold(run_id=record.run_id, owner=run.host, lease_s=LEASE_S)
    planned = _plan(settings, look, only)
    new = [each for each in planned if isinstance(each.verdict, Reason)]
    with database.begin() as connection:
        generation = look.sight.snapshot.generation
        won = not new or queries.write_stops(connection, new, generation=generation, hold=hold)
        stops = queries.take_stops(connection, hold)
        urls = queries.read_master_urls(connection)
    stopper = Stopper(
        run=run,
        farm=settings.farm,
        config=settings.watch,
        database=database,
        scheduler=look.scheduler,
        shape=look.shape,
        aws=look.aws,
        hold=hold,
        urls=urls,
        launched=look.launched,
    )
    try:
        outcomes = work_off(stopper, stops, look.sight)
    finally:
        with database.begin() as connection:
            queries.give_back(connection, hold.owner)
    _report(run, settings, look.sight, planned, outcomes)
    if not won:
        raise Locked("another run planned at the same time; this one stops nothing new")
    return _summarize(look, planned, outcomes)


def _look(run: Run, settings: WatchPendingSettings, database: FarmDb) -> Look:
    """Read all that a decision rests on; raises Unavailable when no region answers."""
    where = format_url(database.url)
    log.info("config %s, farm %s, farm database %s", settings.path, settings.farm, where)
    watch = settings.watch
    journal = gather.read_journal(database, settings.farm, watch)
    with database.begin() as connection:
        farm_clock = read_clock(connection)
        stops = queries.read_stops(connection)
    aws = open_aws(settings.originals)
    regions = gather.regions_of(journal) | {stop.region for stop in stops}
    cloud, impaired = _read_fleet(run, settings, aws, regions)
    launched = _find_launches(cloud, settings.farm)
    scheduler_db = gather.open_scheduler(run, watch)
    with scheduler_db.connect() as connection:
        shape = detect_shape(connection)
        workload = read_workload(connection, shape, launched)
        seen = gather.Scheduler(
            pending=read_pending(connection, shape, gather.window_of(run, watch)),
            workers=read_workers(connection, shape),
        )
    read = read_sources(run, settings, database, seen.pending)
    snapshot = read.add_to(gather.assemble(settings.farm, seen, journal, cloud))
    now = min(run.now, workload.clock, farm_clock)
    _warn_of_clocks(run, {"scheduler database": workload.clock, "farm database": farm_clock})
    sight = Sight(
        snapshot=snapshot,
        workload=workload,
        now=now,
        listed=cloud.listed,
        shown=frozenset(instance.instance_id for instance in cloud.instances),
        needed=_find_needed(snapshot, watch, now),
        impaired=impaired,
        known=frozenset(journal.known),
        disabled=frozenset(worker.name for worker in snapshot.inventory if not worker.enabled),
    )
    return Look(
        sight=sight,
        stops=stops,
        launched=launched,
        scheduler=scheduler_db,
        shape=shape,
        aws=aws,
        seen=seen,
        cloud=cloud,
        read=read,
    )


def _find_launches(cloud: Cloud, farm: str) -> dict[str, datetime]:
    """Find when each worker's machine was launched."""
    return {
        instance.name: instance.launched_at
        for instance in cloud.instances
        if instance.farm == farm and instance.state in UP_STATES
    }


def _find_needed(snapshot: Snapshot, watch: WatchPending, now: datetime) -> frozenset[str]:
    """Name the machines that will take the jobs which wait."""
    rules = compile_buildermap(watch.buildermap)
    demands, _ = group_demands(snapshot.pending, rules, snapshot.sources.jacuzzis)
    return needed_machines(demands, snapshot, watch, now)


def _read_fleet(
    run: Run, settings: WatchPendingSettings, aws: Aws, known_regions: Iterable[str]
) -> tuple[Cloud, dict[str, str]]:
    """Read the instances of all regions, and which of them EC2 itself finds ill."""
    regions = tuple(dict.fromkeys([*settings.regions, *known_regions]))
    answers = read_regions(
        run,
        aws,
        regions,
        lambda client, region: (
            ("instances", partial(find_instances, client, region)),
            ("impaired", partial(find_impaired, client, region)),
        ),
    )
    listed = frozenset(region for region, what in answers.complete if what == "instances")
    if not listed:
        raise Unavailable(f"EC2 answered in no region: {answers.lost[regions[0]]}")
    cloud = Cloud(instances=tuple(answers.found["instances"]), listed=listed, lost=answers.lost)
    return cloud, dict(answers.found.get("impaired", ()))


def _warn_of_clocks(run: Run, clocks: Mapping[str, datetime]) -> None:
    for name, clock in clocks.items():
        apart_s = abs((clock - run.now).total_seconds())
        if apart_s > CLOCKS_AGREE_S:
            log.warning(
                "the clocks of this host and of the %s are %.0f s apart: the earlier one counts",
                name,
                apart_s,
            )


def _plan(settings: WatchPendingSettings, look: Look, only: Only) -> tuple[Judgement, ...]:
    draining = Counter(stop.instance_type for stop in look.stops if stop.reason is Reason.TOO_OLD)
    judgements = judge_all(look.sight, settings.watch)
    planned = plan_stops(judgements, settings.watch.stop_idle, draining)
    return tuple(each for each in planned if only.means(each.instance))


def _preview(stop: Stop, sight: Sight, farm: str) -> StopOutcome:
    """Say what a run would do next with a machine that is on its way out."""
    step, why = next_step(stop, sight, farm)
    return StopOutcome(stop=stop, fate=Fate.WAITING, why=f"{step.value}: {why}")


def _report(
    run: Run,
    settings: WatchPendingSettings,
    sight: Sight,
    planned: Sequence[Judgement],
    outcomes: Sequence[StopOutcome],
) -> None:
    for each in outcomes:
        level = logging.ERROR if each.fate is Fate.FAILED else logging.INFO
        log.log(level, "%s (%s) %s: %s", each.stop.name, each.stop.instance_id, each.fate, each.why)
    if run.json:
        print_json(stops_to_json(settings.farm, sight, planned, outcomes))
    elif run.speaks:
        print_stops(planned, outcomes, dry_run=run.dry_run)


def _summarize(look: Look, planned: Sequence[Judgement], outcomes: Sequence[StopOutcome]) -> Result:
    fates = Counter(each.fate for each in outcomes)
    lost, sources = look.sight.snapshot.lost_regions, look.sight.snapshot.sources
    away = {**lost, **{each.source: each.why for each in sources.troubles}}
    errors = [each.why for each in outcomes if each.fate is Fate.FAILED]
    return Result(
        exit_code=ExitCode.PARTIAL if errors or lost or sources.held else ExitCode.OK,
        summary={
            "machines": len(planned),
            **{fate.value: fates[fate] for fate in Fate},
            "api_calls": dict(sorted(look.aws.calls.items())),
            "errors": list(dict.fromkeys([*errors, *(f"{r}: {why}" for r, why in away.items())])),
        },
        samples=tuple(make_stop_samples(planned, outcomes, look.aws.calls)),
    )
