"""Everything a decision rests on: scheduler database, farm database, and what EC2 said."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sqlalchemy.engine import URL, Connection, Engine

from farmhand.command import Run
from farmhand.db import FarmDb, make_engine, parse_url, reaching
from watch_pending import backoff_queries, instance_queries, queries
from watch_pending.backoff_models import Backoff, Failures
from watch_pending.config import WatchPending
from watch_pending.models import (
    Cloud,
    Instance,
    InventoryWorker,
    OpenLaunch,
    PendingRequests,
    Snapshot,
    WorkerStatus,
)
from watch_pending.pending import (
    Window,
    detect_shape,
    read_builder_names,
    read_pending,
    read_workers,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scheduler:
    """What the scheduler database says."""

    pending: tuple[PendingRequests, ...]
    workers: Mapping[str, WorkerStatus] | None
    builders: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Journal:
    """What the farm database says.

    `known` is what was seen before: id → (instance, recently); `open_launches` (launch, recently).
    `stopping`: instance id → name.
    """

    generation: int
    open_launches: tuple[tuple[OpenLaunch, bool], ...]
    known: Mapping[str, tuple[Instance, bool]]
    inventory: tuple[InventoryWorker, ...]
    stopping: Mapping[str, str]
    backoffs: tuple[Backoff, ...]
    bootstraps: tuple[Failures, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SchedulerDb:
    """Buildbot's database; a connection for each look, so that none sees what has passed."""

    engine: Engine
    url: URL

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Open it for reading; raises Unavailable when it does not answer."""
        with reaching("scheduler database", self.url), self.engine.connect() as connection:
            yield connection


def open_scheduler(run: Run, config: WatchPending) -> SchedulerDb:
    """Say where the scheduler database is; nothing is asked of it yet."""
    url = parse_url(config.scheduler_db.get_secret_value(), "watch_pending.scheduler_db")
    timeout_s = min(config.scheduler_timeout_s, run.deadline_s)
    return SchedulerDb(engine=make_engine(url, timeout_s=timeout_s, read_only=True), url=url)


def read_scheduler(run: Run, config: WatchPending, *, with_builders: bool = False) -> Scheduler:
    """Read what waits and who could take it.

    Raises Unavailable when the database does not answer, BadInput when it is not Buildbot's.
    """
    database = open_scheduler(run, config)
    with database.connect() as connection:
        shape = detect_shape(connection)
        scheduler = Scheduler(
            pending=read_pending(connection, shape, window_of(run, config)),
            workers=read_workers(connection, shape),
            builders=read_builder_names(connection, shape) if with_builders else (),
        )
    database.engine.dispose()
    log.debug("scheduler database: %s, %d builders wait", shape, len(scheduler.pending))
    return scheduler


def window_of(run: Run, config: WatchPending) -> Window:
    """Say which requests count, by their age."""
    return Window(
        now=run.now, min_age_s=config.min_pending_age_s, max_age_s=config.max_pending_age_s
    )


def read_journal(database: FarmDb, farm: str, config: WatchPending) -> Journal:
    """Read the farm database, the generation first: a plan is void if it has moved since."""
    with database.begin() as connection:
        return Journal(
            generation=queries.read_generation(connection),
            open_launches=queries.read_open_launches(connection),
            known=instance_queries.read_known_instances(connection, farm, config.round_gap_s),
            inventory=queries.read_inventory(connection),
            stopping=queries.read_stopping(connection),
            backoffs=backoff_queries.read_backoffs(connection),
            bootstraps=backoff_queries.read_failures(connection, config.boot_deadline_s),
        )


def regions_of(journal: Journal) -> frozenset[str]:
    """Collect the regions in which machines of ours live, as far as the journal knows."""
    return frozenset(
        {known.region for known, _ in journal.known.values()}
        | {launch.region for launch, _ in journal.open_launches}
    )


def assemble(farm: str, scheduler: Scheduler, journal: Journal, cloud: Cloud) -> Snapshot:
    """Put together what was read; pure.

    An instance that was seen a short while ago, or whose region is lost, still counts: EC2's
    answers may lag. So does a launch, until its instance is seen.
    """
    shown = {instance.instance_id for instance in cloud.instances}
    instances = [_with_connection(instance, journal) for instance in cloud.instances]
    instances += [
        known
        for key, (known, recently) in journal.known.items()
        if key not in shown and (recently or known.region not in cloud.listed)
    ]
    tokens = {instance.token for instance in instances}
    return Snapshot(
        farm=farm,
        generation=journal.generation,
        pending=scheduler.pending,
        workers=scheduler.workers,
        inventory=journal.inventory,
        instances=tuple(instances),
        open_launches=tuple(
            launch
            for launch, recently in journal.open_launches
            if launch.token not in tokens and (recently or launch.region not in cloud.listed)
        ),
        spot_prices=cloud.spot_prices,
        subnets=cloud.subnets,
        images=cloud.images,
        lost_regions=cloud.lost,
        unresolved=cloud.unresolved,
        stopping=journal.stopping,
        backoffs=journal.backoffs,
        bootstraps=journal.bootstraps,
    )


def _with_connection(instance: Instance, journal: Journal) -> Instance:
    """Add what the journal knows of an instance's connection."""
    if instance.instance_id not in journal.known:
        return instance
    known, _ = journal.known[instance.instance_id]
    return replace(
        instance,
        last_connected_at=known.last_connected_at,
        connected_since=known.connected_since,
        connected_recently=known.connected_recently,
    )


def write_sightings(
    database: FarmDb, farm: str, config: WatchPending, scheduler: Scheduler, cloud: Cloud
) -> None:
    """Write down what was seen: the farm's own instances, who is connected, what has expired."""
    with database.begin() as connection:
        instance_queries.write_sightings(connection, [i for i in cloud.instances if i.farm == farm])
        instance_queries.write_connected(connection, connected_names(scheduler), config.round_gap_s)
        expired = queries.expire(connection, regions=cloud.listed)
        queries.prune(connection)
    if expired:
        log.warning(
            "%d launches expired: no instance was seen within 5 minutes, or their run ended before "
            "the call",
            expired,
        )


def connected_names(scheduler: Scheduler) -> list[str]:
    """List the workers that are connected now."""
    return [worker.name for worker in (scheduler.workers or {}).values() if worker.connected]
