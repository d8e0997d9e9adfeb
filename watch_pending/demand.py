"""Pending requests and machines → how many machines are needed; pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from watch_pending.buildermap import Rule, match_builder
from watch_pending.config import WatchPending
from watch_pending.models import (
    LIVE_STATES,
    UP_STATES,
    Capacity,
    Demand,
    Instance,
    PendingRequests,
    Snapshot,
    WorkerStatus,
)
from watch_pending.source_models import Jacuzzis

FRESH = timedelta(minutes=20)
FRESH_IN_JACUZZI = timedelta(minutes=10)


def group_demands(
    pending: Iterable[PendingRequests],
    rules: Iterable[Rule],
    jacuzzis: Jacuzzis,
) -> tuple[tuple[Demand, ...], dict[str, int]]:
    """Group requests by (instance type, worker set), most urgent first.

    Returns the demands and the requests of builders that no rule matches: builder → requests.
    Builders that share a set of workers add up. Order: priority, then age, then name; at the end
    those whose workers nobody can tell.
    """
    rules = tuple(rules)
    grouped: dict[tuple[str, frozenset[str] | None, bool], list[PendingRequests]] = {}
    unmatched: dict[str, int] = {}
    for requests in pending:
        rule = match_builder(rules, requests.builder)
        if rule is None:
            unmatched[requests.builder] = unmatched.get(requests.builder, 0) + requests.requests
            continue
        workers = jacuzzis.by_builder.get(requests.builder)
        held = bool(jacuzzis.why_unknown(requests.builder))
        grouped.setdefault((rule.instance_type, workers, held), []).append(requests)
    demands = [
        Demand(
            instance_type=instance_type,
            workers=workers,
            pending=sum(item.requests for item in requests),
            priority=max(item.priority for item in requests),
            oldest=min(item.oldest for item in requests),
            builders=tuple(sorted({item.builder for item in requests})),
            held=_why_held([item.builder for item in requests], jacuzzis) if held else "",
        )
        for (instance_type, workers, held), requests in grouped.items()
    ]
    demands.sort(key=_urgency)
    return tuple(demands), dict(sorted(unmatched.items()))


def _why_held(builders: Iterable[str], jacuzzis: Jacuzzis) -> str:
    reasons = sorted({jacuzzis.why_unknown(builder) for builder in builders})
    more = f"; and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    return f"{reasons[0]}{more}"


def _urgency(demand: Demand) -> tuple[bool, int, datetime, str, bool, tuple[str, ...]]:
    return (
        bool(demand.held),
        -demand.priority,
        demand.oldest,
        demand.instance_type,
        demand.workers is not None,
        tuple(sorted(demand.workers or ())),
    )


def own_instances(snapshot: Snapshot) -> tuple[Instance, ...]:
    """List the live instances of this farm; all others are another's business."""
    return tuple(
        instance
        for instance in snapshot.instances
        if instance.farm == snapshot.farm and instance.state in LIVE_STATES
    )


def staying_instances(snapshot: Snapshot) -> tuple[Instance, ...]:
    """List this farm's instances that are up, and not on their way out."""
    return tuple(
        instance
        for instance in own_instances(snapshot)
        if instance.state in UP_STATES and instance.instance_id not in snapshot.stopping
    )


def names_in_use(snapshot: Snapshot) -> frozenset[str]:
    """Collect the names that must not be given again, whoever bears them and wherever.

    A paused worker's name counts: Buildbot would keep the new machine paused. So do those of
    machines on their way out, hardware's, and those of the workers that are disabled in the farm
    database.
    """
    workers = (snapshot.workers or {}).values()
    return frozenset(
        {instance.name for instance in snapshot.instances if instance.state != "terminated"}
        | {launch.name for launch in snapshot.open_launches}
        | set(snapshot.stopping.values())
        | {worker.name for worker in workers if worker.connected or worker.paused}
        | {worker.name for worker in snapshot.inventory if not (worker.enabled and worker.market)}
    )


def serves(name: str, demand: Demand, allocated: frozenset[str]) -> bool:
    """Whether a worker of the right instance type may run the demand's jobs.

    `allocated` are the workers of all jacuzzis: a job without one never takes them. Where nobody
    can tell, any may.
    """
    if demand.held:
        return True
    return name not in allocated if demand.workers is None else name in demand.workers


def measure_capacity(
    demands: Sequence[Demand], snapshot: Snapshot, config: WatchPending, now: datetime
) -> tuple[Capacity, ...]:
    """Count, for each demand, the machines that will take one of its jobs by themselves.

    A machine that several demands could use counts for one of those that need it, so that the
    fewest new ones are needed; the most urgent demand chooses first.
    """
    idle = _idle_machines(snapshot)
    usable = _usable_machines(demands, snapshot, config, now)
    owners = _share_machines([demand.pending for demand in demands], usable)
    capacities = []
    for index, demand in enumerate(demands):
        mine = {name for name in usable[index] if owners.get(name, index) == index}
        counted_idle = len(mine & idle.get(demand.instance_type, set()))
        capacities.append(Capacity(idle=counted_idle, in_flight=len(mine) - counted_idle))
    return tuple(capacities)


def needed_machines(
    demands: Sequence[Demand], snapshot: Snapshot, config: WatchPending, now: datetime
) -> frozenset[str]:
    """Name the machines that the jobs which wait will take: one a job, as far as there are any."""
    usable = _usable_machines(demands, snapshot, config, now)
    return frozenset(_share_machines([demand.pending for demand in demands], usable))


def _usable_machines(
    demands: Sequence[Demand], snapshot: Snapshot, config: WatchPending, now: datetime
) -> list[list[str]]:
    """List each demand's machines, the idle ones first."""
    allocated = snapshot.sources.jacuzzis.allocated
    idle = _idle_machines(snapshot)
    in_flight = _machines_in_flight(snapshot, config, now)
    return [
        list(
            dict.fromkeys(
                name
                for machines in (idle, in_flight)
                for name in sorted(machines.get(demand.instance_type, ()))
                if serves(name, demand, allocated)
            )
        )
        for demand in demands
    ]


def _share_machines(pending: Sequence[int], usable: Sequence[Sequence[str]]) -> dict[str, int]:
    """Give machines to the demands that can use them: machine → index of the demand.

    Where a demand is left short, others move to machines it has no use for (augmenting paths), so
    that no other sharing serves more jobs.

    >>> _share_machines([1, 1], [["w1", "w2"], ["w1"]])
    {'w1': 1, 'w2': 0}
    """
    owners: dict[str, int] = {}

    def find_one_more(index: int, asked: set[int]) -> bool:
        asked.add(index)
        for name in usable[index]:
            owner = owners.get(name)
            if owner is None or (owner not in asked and find_one_more(owner, asked)):
                owners[name] = index
                return True
        return False

    for index, wanted in enumerate(pending):
        free = [name for name in usable[index] if name not in owners][:wanted]
        owners |= dict.fromkeys(free, index)
        for _ in range(wanted - len(free)):
            if not find_one_more(index, set()):
                break
    return owners


def _idle_machines(snapshot: Snapshot) -> dict[str, set[str]]:
    """Instance type → names of workers, in the cloud or not, that would be given a build now."""
    workers = snapshot.workers or {}
    hardware = [
        (worker.name, worker.instance_type)
        for worker in snapshot.inventory
        if worker.enabled and worker.instance_type and not worker.market
    ]
    instances = [(i.name, i.instance_type) for i in staying_instances(snapshot)]
    idle: dict[str, set[str]] = {}
    for name, instance_type in (*hardware, *instances):
        if name in workers and is_idle(workers[name]):
            idle.setdefault(instance_type, set()).add(name)
    return idle


def _machines_in_flight(
    snapshot: Snapshot, config: WatchPending, now: datetime
) -> dict[str, set[str]]:
    """Instance type → names of machines that will be connected soon."""
    workers = snapshot.workers or {}
    in_flight: dict[str, set[str]] = {}
    for launch in snapshot.open_launches:
        if launch.begun_at is not None and not boots(launch.begun_at, config, now):
            continue
        in_flight.setdefault(launch.instance_type, set()).add(launch.name)
    for instance in staying_instances(snapshot):
        worker = workers.get(instance.name)
        if is_in_flight(instance, worker, config, now):
            in_flight.setdefault(instance.instance_type, set()).add(instance.name)
    return in_flight


def is_idle(worker: WorkerStatus) -> bool:
    """Whether Buildbot would give the worker a build now."""
    return worker.connected and not worker.building and not worker.draining


def is_in_flight(
    instance: Instance, worker: WorkerStatus | None, config: WatchPending, now: datetime
) -> bool:
    """Whether an instance will take a job soon: it boots, or is between two rounds.

    A worker that ends its round is still connected for a moment, and graceful; so it is for a
    moment when it comes back.
    """
    if worker is not None and worker.paused:
        return False
    if worker is not None and worker.connected:
        return worker.graceful and not worker.building
    if boots(instance.launched_at, config, now):
        return True
    return instance.connected_recently


def boots(since: datetime, config: WatchPending, now: datetime) -> bool:
    """Whether a machine started then may still be on its way."""
    return now - since < timedelta(seconds=config.boot_deadline_s)


def count_need(demand: Demand, capacity: Capacity) -> int:
    """Machines to start: pending − idle − in flight, never below zero."""
    return max(0, demand.pending - capacity.idle - capacity.in_flight)


def count_original_need(
    demand: Demand, snapshot: Snapshot, config: WatchPending, now: datetime
) -> int:
    """Machines to start by the original's freshness rule: pending − fresh − old ÷ 10.

    Fresh is younger than 20 minutes; 10 in a jacuzzi, where old machines give no discount.
    """
    allocated = snapshot.sources.jacuzzis.allocated
    mine = [
        instance
        for instance in own_instances(snapshot)
        if instance.instance_type == demand.instance_type
        and instance.state in UP_STATES
        and serves(instance.name, demand, allocated)
    ]
    limit = FRESH if demand.workers is None else FRESH_IN_JACUZZI
    fresh = sum(now - instance.launched_at < limit for instance in mine)
    old = len(mine) - fresh if demand.workers is None else 0
    unseen = sum(
        launch.instance_type == demand.instance_type and serves(launch.name, demand, allocated)
        for launch in snapshot.open_launches
    )
    return reduce_by_freshness(demand.pending, fresh=fresh + unseen, old=old)


def reduce_by_freshness(need: int, *, fresh: int, old: int) -> int:
    """Apply the original's rule.

    >>> reduce_by_freshness(100, fresh=10, old=30)
    87
    """
    return max(0, need - fresh - old // 10)
