"""All that status shows: the farm database, the scheduler database, and a glance at EC2."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from farmhand.boundary import DEADLINE_GRACE_S
from farmhand.command import Run
from farmhand.db import FarmDb
from farmhand.errors import Unavailable
from farmhand.queries import read_verb_runs
from watch_pending import gather
from watch_pending.aws import GLANCE_TIMEOUT_S
from watch_pending.backoff_queries import read_backoffs
from watch_pending.cloud import open_aws, read_regions
from watch_pending.ec2 import find_instances
from watch_pending.models import UP_STATES, Cloud, PendingRequests
from watch_pending.pending import detect_shape, read_pending
from watch_pending.sanity.gather import statuses_of
from watch_pending.sanity.queries import read_launch_prices
from watch_pending.settings import WatchPendingSettings
from watch_pending.sources import read_sources
from watch_pending.status.models import Life, RunRow, Sight
from watch_pending.status.queries import read_lives
from watch_pending.stop_idle.activity import read_workload
from watch_pending.stop_idle.models import Workload

SCHEDULER = "scheduler database"
VERBS = ("run", "stop-idle", "sanity")
DEADLINE_S = 240.0  # of a run that is told no other


def look(run: Run, settings: WatchPendingSettings) -> Sight:
    """Read all of it, as far as it answers soon; raises Unavailable for the farm database."""
    database = settings.open_database(reading=True)
    try:
        return _look(run, settings, database)
    finally:
        database.engine.dispose()


def _look(run: Run, settings: WatchPendingSettings, database: FarmDb) -> Sight:
    farm = settings.farm
    journal = gather.read_journal(database, farm, settings.watch)
    midnight = run.now.replace(hour=0, minute=0, second=0, microsecond=0)
    with database.begin() as connection:
        back_offs = read_backoffs(connection)
        runs = read_runs(read_verb_runs(connection, "watch-pending"), run.now)
        lives = read_lives(connection, farm, midnight)
    cloud = _glance(run, settings, gather.regions_of(journal))
    lost = dict(cloud.lost)
    pending: tuple[PendingRequests, ...] = ()
    workload = None
    try:
        pending, workload = _look_at_jobs(run, settings, cloud)
    except Unavailable as err:
        lost[SCHEDULER] = str(err)
    seen = gather.Scheduler(pending=pending, workers=statuses_of(workload))
    read = read_sources(run, settings, database, (), most_s=GLANCE_TIMEOUT_S)
    snapshot = read.add_to(gather.assemble(farm, seen, journal, cloud))
    lives = join_lives(lives, cloud, farm)
    machines = [*(life.instance for life in lives), *snapshot.open_launches, *snapshot.instances]
    tokens = {machine.token for machine in machines if machine.token}
    with database.begin() as connection:
        prices = read_launch_prices(connection, sorted(tokens), ())
    return Sight(
        snapshot=snapshot,
        now=run.now,
        workload=workload,
        lives=lives,
        paid={key: price for key, price in prices.items() if price is not None},
        back_offs=back_offs,
        runs=runs,
        lost=lost,
    )


def _glance(run: Run, settings: WatchPendingSettings, known_regions: Iterable[str]) -> Cloud:
    """Ask EC2 for the instances; what does not answer at once is shown as it was last seen."""
    regions = tuple(dict.fromkeys([*settings.watch.region_priorities, *sorted(known_regions)]))
    try:
        aws = open_aws(settings.originals)
    except Unavailable as err:
        return Cloud(lost=dict.fromkeys(regions, str(err)))
    answers = read_regions(
        run,
        aws,
        regions,
        lambda _, region: [("instances", partial(find_instances, aws.glancer(region), region))],
        GLANCE_TIMEOUT_S,
    )
    return Cloud(
        instances=tuple(answers.found.get("instances", ())),
        listed=frozenset(region for region, _ in answers.complete),
        lost=answers.lost,
    )


def _look_at_jobs(
    run: Run, settings: WatchPendingSettings, cloud: Cloud
) -> tuple[tuple[PendingRequests, ...], Workload]:
    launched = {
        i.name: i.launched_at
        for i in cloud.instances
        if i.farm == settings.farm and i.state in UP_STATES
    }
    scheduler = gather.open_scheduler(run, settings.watch)
    try:
        with scheduler.connect() as connection:
            shape = detect_shape(connection)
            window = gather.window_of(run, settings.watch)
            pending = read_pending(connection, shape, window)
            return pending, read_workload(connection, shape, launched)
    finally:
        scheduler.engine.dispose()


def join_lives(lives: Iterable[Life], cloud: Cloud, farm: str) -> tuple[Life, ...]:
    """Let EC2 have the last word on who lives, where it answered; pure."""
    shown = {i.instance_id: i for i in cloud.instances if i.farm == farm}
    joined = {life.instance.instance_id: life for life in lives}
    for key, instance in shown.items():
        if key not in joined and instance.state in UP_STATES:
            joined[key] = Life(instance=instance, ended_at=None)
        elif key in joined and joined[key].ended_at is None and instance.state not in UP_STATES:
            joined[key] = replace(joined[key], ended_at=instance.stopped_at)
    return tuple(joined.values())


def read_runs(rows: Sequence[Mapping[str, Any]], now: datetime) -> tuple[RunRow, ...]:
    """Sum up rows of `runs`, oldest first, by verb; pure."""
    found = {verb: RunRow(verb=verb) for verb in VERBS}
    for row in rows:
        verb, started = row["verb"], row["started_at"]
        before = found.get(verb, RunRow(verb=verb))
        young = (now - started).total_seconds() < DEADLINE_S + DEADLINE_GRACE_S
        if row["finished_at"] is None and young:
            found[verb] = replace(before, at_work_since=started)
        else:
            found[verb] = RunRow(
                verb=verb,
                started_at=started,
                exit_code=row["exit_code"],
                why=_why(row["summary"] or {}),
            )
    return tuple(found.values())


def _why(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """Collect what a run says it could not do: its error, else its errors and reasons."""
    if "error" in summary:
        return (str(summary["error"]),)
    return tuple(map(str, [*summary.get("errors", ()), *summary.get("why_not", ())]))
