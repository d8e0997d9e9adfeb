"""What was read → what the farm is doing, by instance type; pure."""

import math
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from watch_pending.backoff_models import Backoff
from watch_pending.buildermap import compile_buildermap
from watch_pending.config import WatchPending
from watch_pending.config_machines import Market
from watch_pending.demand import boots, group_demands, is_idle, is_in_flight, own_instances
from watch_pending.models import UP_STATES, Demand, Instance, Machine, WorkerStatus
from watch_pending.prices import paid_usd_per_hour
from watch_pending.source_models import Jacuzzis
from watch_pending.status.models import Life, Sight, Status, TypeRow

IDLE, BUSY, BOOTING, OTHER = "idle", "busy", "booting", "other"


def summarize(sight: Sight, config: WatchPending) -> Status:
    """Sum up what was read; types in the configuration's order, then those that it has not."""
    rules = compile_buildermap(config.buildermap)
    demands, unmatched = group_demands(sight.snapshot.pending, rules, Jacuzzis())
    known = sight.workload is not None
    names = dict.fromkeys(
        [
            *config.instance_types,
            *sorted(i.instance_type for i in own_instances(sight.snapshot)),
        ]
    )
    load = sight.workload
    tells = load is not None and load.workers is not None
    return Status(
        farm=sight.snapshot.farm,
        now=sight.now,
        types=tuple(_sum_type(name, demands, sight, config) for name in names),
        unmatched=sum(unmatched.values()) if known else None,
        back_offs=tuple(sorted(sight.back_offs, key=_latest_end)),
        runs=sight.runs,
        masters_alive=tuple(sorted(load.masters_alive)) if load and tells else None,
        masters_away=tuple(sorted(load.masters_away)) if load and tells else (),
        lost=sight.lost,
    )


def _latest_end(backoff: Backoff) -> tuple[bool, float, str]:
    """Put those without an end first, and those that end last before the others."""
    end = backoff.until.timestamp() if backoff.until else 0.0
    return (backoff.until is not None, -end, backoff.scope)


def _sum_type(
    instance_type: str, demands: Iterable[Demand], sight: Sight, config: WatchPending
) -> TypeRow:
    mine = [demand for demand in demands if demand.instance_type == instance_type]
    oldest = min((demand.oldest for demand in mine), default=None)
    instances = [i for i in own_instances(sight.snapshot) if i.instance_type == instance_type]
    launches = [
        each for each in sight.snapshot.open_launches if each.instance_type == instance_type
    ]
    doing = Counter(what_it_does(instance, sight, config) for instance in instances)
    doing[BOOTING] += len(launches)
    _add_hardware(doing, instance_type, sight)
    known = sight.workload is not None
    tells = sight.snapshot.workers is not None
    machines: list[Machine] = [*instances, *launches]
    up: list[Machine] = [*(i for i in instances if i.state in UP_STATES), *launches]
    prices = [paid_usd_per_hour(machine, sight.paid, config) for machine in up]
    limits = {Market.SPOT: config.spot.limits, Market.ON_DEMAND: config.on_demand.limits}
    live = Counter(machine.market for machine in machines)
    return TypeRow(
        instance_type=instance_type,
        pending=sum(demand.pending for demand in mine) if known else None,
        oldest_wait_s=(sight.now - oldest).total_seconds() if oldest else None,
        idle=doing[IDLE] if tells else None,
        busy=doing[BUSY] if tells else None,
        booting=doing[BOOTING],
        other=doing[OTHER] if tells else None,
        live={market.value: live[market] for market in Market},
        limits={m.value: limits[m].get("global", {}).get(instance_type, 0) for m in Market},
        usd_per_hour=math.fsum(price for price in prices if price is not None),
        usd_today=usd_since_midnight(
            [life for life in sight.lives if life.instance.instance_type == instance_type],
            sight,
            config,
        ),
        unpriced=prices.count(None),
    )


def what_it_does(instance: Instance, sight: Sight, config: WatchPending) -> str:
    """Say what a machine does: idle, busy, booting (or between two rounds), or something else."""
    workers = sight.snapshot.workers
    worker = (workers or {}).get(instance.name)
    if worker and worker.building:
        return BUSY
    leaves = instance.instance_id in sight.snapshot.stopping
    if instance.state not in UP_STATES or leaves:
        return OTHER
    if worker and is_idle(worker):
        return IDLE
    if workers is None:
        return BOOTING if boots(instance.launched_at, config, sight.now) else OTHER
    return BOOTING if is_in_flight(instance, worker, config, sight.now) else OTHER


def _add_hardware(doing: Counter[str], instance_type: str, sight: Sight) -> None:
    """Count the workers that are no instances, of which Buildbot alone says what they do."""
    for worker in sight.snapshot.inventory:
        if worker.enabled and not worker.market and worker.instance_type == instance_type:
            status: WorkerStatus | None = (sight.snapshot.workers or {}).get(worker.name)
            if status and status.building:
                doing[BUSY] += 1
            elif status and is_idle(status):
                doing[IDLE] += 1


def usd_since_midnight(lives: Iterable[Life], sight: Sight, config: WatchPending) -> float:
    """Sum up what machines have cost since midnight UTC, by their prices and lifetimes."""
    midnight = sight.now.replace(hour=0, minute=0, second=0, microsecond=0)
    costs = []
    for life in lives:
        price = paid_usd_per_hour(life.instance, sight.paid, config)
        if price is not None:
            costs.append(price * (_lived(life, midnight, sight.now) / timedelta(hours=1)))
    return math.fsum(costs)


def _lived(life: Life, since: datetime, now: datetime) -> timedelta:
    ended = min(life.ended_at or now, now)
    return max(timedelta(0), ended - max(life.instance.launched_at, since))
