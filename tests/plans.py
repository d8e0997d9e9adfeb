"""What is decided, each in one line: a plan's parts, plans, and what tests ask of them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from tests.builders import (
    EC2_TYPE,
    MINUTE,
    NOW,
    REGIONS,
    make_config,
    make_pending,
    make_snapshot,
    region_of,
)
from watch_pending.buildermap import compile_buildermap
from watch_pending.config import WatchPending
from watch_pending.config_machines import Market
from watch_pending.models import (
    Demand,
    DemandPlan,
    Exhausted,
    Launch,
    Offer,
    Outcome,
    Plan,
    Snapshot,
    Status,
)
from watch_pending.plan import plan_launches
from watch_pending.source_models import Jacuzzis, Sources

# A plan's parts


def make_demand(pending: int = 1, workers: Iterable[str] | None = None, **changes: Any) -> Demand:
    """Make a demand for `bld`; with `workers`, of a jacuzzi."""
    default = Demand(
        instance_type="bld",
        workers=None if workers is None else frozenset(workers),
        pending=pending,
        priority=0,
        oldest=NOW - MINUTE,
        builders=("Linux build",),
    )
    return replace(default, **changes)


def make_offer(zone: str = "us-east-1a", market: Market = Market.SPOT, **changes: Any) -> Offer:
    """Make an offer of c7i.xlarge at 0.10 USD/h."""
    default = Offer(
        market=market,
        region=region_of(zone),
        availability_zone=zone,
        ec2_type=EC2_TYPE,
        ami="ami-bld",
        price_usd_per_hour=0.1,
        max_price_usd_per_hour=0.5 if market is Market.SPOT else None,
    )
    return replace(default, **changes)


def make_launch(name: str = "bld-001", offer: Offer | None = None, **changes: Any) -> Launch:
    """Make a spot launch in the first zone, or by the offer given."""
    offer = offer or make_offer()
    default = Launch(
        instance_type="bld", name=name, subnet=f"subnet-{offer.availability_zone}", offer=offer
    )
    return replace(default, **changes)


def make_outcome(
    launch: Launch | None = None, status: Status = Status.LAUNCHED, **changes: Any
) -> Outcome:
    """Make an outcome; a launch that went well unless told otherwise."""
    launch = launch or make_launch()
    return replace(Outcome(launch=launch, status=status, token=f"token-{launch.name}"), **changes)


def make_outcomes(
    launches: Iterable[Launch], status: Status = Status.LAUNCHED, **changes: Any
) -> list[Outcome]:
    """Make the same outcome for each."""
    return [make_outcome(launch, status, **changes) for launch in launches]


def make_exhausted(reason: str = "no capacity", **changes: Any) -> Exhausted:
    """Make something learned; what is not named stands for any."""
    return Exhausted(reason=reason, **changes)


# Plans


def with_jacuzzis(snapshot: Snapshot, config: WatchPending) -> Snapshot:
    """Read a configuration's jacuzzis into a snapshot that has none."""
    if not config.jacuzzis:
        return snapshot
    return replace(snapshot, sources=Sources(jacuzzis=Jacuzzis.of(config.jacuzzis)))


def make_plan(
    snapshot: Snapshot,
    config: WatchPending | None = None,
    *,
    regions: tuple[str, ...] = REGIONS,
    now: datetime = NOW,
) -> Plan:
    """Plan, with the configuration's own buildermap."""
    config = config or make_config()
    rules = compile_buildermap(config.buildermap)
    snapshot = with_jacuzzis(snapshot, config)
    return plan_launches(snapshot, config, rules, regions=regions, now=now)


def plan_for(requests: int = 1, snapshot: dict[str, Any] | None = None, **config: Any) -> Plan:
    """Plan for so many requests that wait."""
    waiting = make_pending(requests=requests)
    return make_plan(make_snapshot(waiting, **snapshot or {}), make_config(**config))


# What is asked of a plan


def only(plan: Plan) -> DemandPlan:
    (demand,) = plan.demands
    return demand


def names(plan: Plan) -> list[str]:
    return [launch.name for launch in plan.launches]


def zones(plan: Plan) -> dict[str, int]:
    return dict(Counter(launch.offer.availability_zone for launch in plan.launches))


def markets(plan: Plan) -> list[Market]:
    return [launch.offer.market for launch in plan.launches]


def in_regions(plan: Plan) -> dict[str, int]:
    return dict(Counter(launch.offer.region for launch in plan.launches))


def cuts(plan: Plan) -> dict[str, tuple[int, int]]:
    return {cut.by: (cut.before, cut.after) for item in plan.demands for cut in item.cuts}


def reasons(plan: Plan) -> list[str]:
    return [cut.reason for item in plan.demands for cut in item.cuts]
