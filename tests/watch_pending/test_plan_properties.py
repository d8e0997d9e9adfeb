"""What holds of every plan, whatever was read: the promises of watch_pending/plan.py.

A world is a configuration and a snapshot. It is small, so that limits, names, addresses and money
run out; `worlds()` says what is left out of it.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import (
    EAST,
    NOW,
    REGIONS,
    WEST,
    make_config,
    make_image,
    make_instance,
    make_instance_type,
    make_open_launch,
    make_outcome,
    make_outcomes,
    make_pending,
    make_place,
    make_plan,
    make_price,
    make_rule,
    make_snapshot,
    make_subnet,
    make_worker,
    region_of,
)
from watch_pending.aws_errors import Meaning, learn
from watch_pending.config import Market, OnDemand, Place, Spot, WatchPending
from watch_pending.demand import names_in_use, own_instances
from watch_pending.ledger import price_of
from watch_pending.models import (
    Instance,
    InventoryWorker,
    Launch,
    Machine,
    OpenLaunch,
    Outcome,
    PendingRequests,
    Plan,
    Snapshot,
    SpotPrice,
    Status,
    WorkerStatus,
)
from watch_pending.plan import with_outcomes
from watch_pending.spot import BID_SHARE

TYPES = ("bld", "try")
ZONES = ("us-east-1a", "us-east-1b", "us-west-2a")
EC2_TYPES = ("c7i.xlarge", "m7i.xlarge")
SUBNETS = {zone: (f"{zone}-1", f"{zone}-2") for zone in ZONES}
NAMES = {name: tuple(f"{name}-{number:03d}" for number in range(1, 9)) for name in TYPES}
BUILDERS = ("Linux a", "Linux b", "Linux c", "Try a", "Try b", "Mac")
PRICES = (0.01, 0.1, 0.35, 0.8)
STARTED = {Status.LAUNCHED, Status.UNKNOWN}

few = settings(max_examples=60, deadline=None)
markets = st.sampled_from(Market)
types = st.sampled_from(TYPES)
ages = st.sampled_from([timedelta(minutes=m) for m in (1, 15, 90)])
names = st.sampled_from([name for each in NAMES.values() for name in each])


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """What a plan is made of."""

    config: WatchPending
    snapshot: Snapshot

    def plan(self, snapshot: Snapshot | None = None) -> Plan:
        return make_plan(snapshot or self.snapshot, self.config)


# Strategies


def limits(most: int = 6) -> st.SearchStrategy[dict[str, dict[str, int]]]:
    """Limits by scope and type; any may be absent."""
    scopes = st.sampled_from(["global", *REGIONS])
    return st.dictionaries(scopes, st.dictionaries(types, st.integers(0, most)))


def all_limits() -> st.SearchStrategy[dict[str, dict[str, int]]]:
    """Limits of which none is absent, and most are not 0."""
    count = st.sampled_from([0, 2, 5, 20, 20])
    return st.fixed_dictionaries(
        {
            scope: st.fixed_dictionaries({name: count for name in TYPES})
            for scope in ("global", *REGIONS)
        }
    )


def places(region: str) -> st.SearchStrategy[Place]:
    subnets = [subnet for zone in ZONES if region_of(zone) == region for subnet in SUBNETS[zone]]
    chosen = st.lists(st.sampled_from(subnets), min_size=1, max_size=5).map(tuple)
    ec2_types = st.sampled_from([*EC2_TYPES, None])
    return st.builds(lambda s, t: make_place(region, subnets=s, ec2_type=t), chosen, ec2_types)


def spot_rules() -> st.SearchStrategy[Any]:
    rule = st.builds(
        make_rule,
        st.sampled_from((0.2, 0.4375, 1.0)),
        ec2_type=st.sampled_from(EC2_TYPES),
        performance_constant=st.sampled_from((1.0, 1.5)),
        ignored_azs=st.sampled_from(((), ("us-east-1a",))),
    )
    return st.dictionaries(types, st.lists(rule, min_size=1, max_size=2).map(tuple), min_size=1)


def jacuzzis(*, overlapping: bool) -> st.SearchStrategy[dict[str, tuple[str, ...]]]:
    """Builder → workers. Unless they overlap, two jacuzzis are of the same workers or have none in common."""
    if overlapping:
        sets = st.lists(names, max_size=5).map(tuple)
    else:
        sets = st.sampled_from([(), *(NAMES[n][i : i + 3] for n in TYPES for i in (0, 3))])
    return st.dictionaries(st.sampled_from(BUILDERS), sets, max_size=4)


@st.composite
def configs(draw: st.DrawFn, *, overlapping: bool) -> WatchPending:
    patterns = st.sampled_from(["workers", None])
    instance_types = {
        name: replace(
            make_instance_type(draw(patterns) or f"{name}-%03d"),
            regions={region: draw(places(region)) for region in REGIONS},
        )
        for name in TYPES
    }
    return make_config(
        buildermap={"Linux": "bld", "Try": "try"},
        instance_types=instance_types,
        region_priorities={EAST: draw(st.integers(0, 3)), WEST: draw(st.integers(0, 3))},
        spot=Spot(rules=draw(spot_rules()), limits=draw(all_limits() | limits())),
        on_demand=OnDemand(limits=draw(all_limits() | limits())),
        jacuzzis=draw(jacuzzis(overlapping=overlapping)),
        usd_per_hour=draw(st.sampled_from([{}, dict.fromkeys(EC2_TYPES, 0.3)])),
        max_launches_per_run=draw(st.none() | st.integers(0, 12)),
        max_usd_per_hour=draw(st.none() | st.sampled_from((0.3, 1.0, 5.0))),
        original_freshness=draw(st.booleans()),
    )


def pending() -> st.SearchStrategy[PendingRequests]:
    return st.builds(
        make_pending,
        st.sampled_from(BUILDERS),
        st.integers(1, 7),
        priority=st.integers(-1, 1),
        oldest=ages.map(lambda age: NOW - age),
    )


def where(zone: str) -> dict[str, str]:
    return {"region": region_of(zone), "availability_zone": zone, "subnet": SUBNETS[zone][0]}


def instances() -> st.SearchStrategy[Instance]:
    return st.builds(
        lambda name, zone, **more: make_instance(name, **where(zone), **more),
        names,
        st.sampled_from(ZONES),
        instance_id=st.uuids().map(str),
        instance_type=types,
        market=markets,
        ec2_type=st.sampled_from([*EC2_TYPES] * 4 + ["x1.mystery"]),
        state=st.sampled_from(
            ["running"] * 3 + ["pending", "stopped", "shutting-down", "terminated"]
        ),
        farm=st.sampled_from(["test"] * 3 + ["staging", None]),
        age=ages,
        seen=st.none() | ages,
    )


def open_launches() -> st.SearchStrategy[OpenLaunch]:
    return st.builds(
        lambda name, zone, **more: make_open_launch(name, **where(zone), **more),
        names,
        st.sampled_from(ZONES),
        instance_type=types,
        market=markets,
        ec2_type=st.sampled_from(EC2_TYPES),
    )


def workers() -> st.SearchStrategy[dict[str, WorkerStatus] | None]:
    flags = dict.fromkeys(("connected", "building", "paused", "graceful"), st.booleans())
    worker = st.builds(make_worker, names, **flags)
    return st.none() | st.lists(worker, max_size=8).map(lambda made: {w.name: w for w in made})


def inventory() -> st.SearchStrategy[tuple[InventoryWorker, ...]]:
    worker = st.builds(InventoryWorker, name=names, instance_type=types, market=st.none() | markets)
    return st.lists(worker, max_size=16, unique_by=lambda each: each.name).map(tuple)


def prices() -> st.SearchStrategy[tuple[SpotPrice, ...]]:
    price = st.builds(
        make_price,
        st.sampled_from(PRICES),
        st.sampled_from(ZONES),
        ec2_type=st.sampled_from(EC2_TYPES),
        product=st.sampled_from(["Linux/UNIX", "Linux/UNIX (Amazon VPC)", "Windows"]),
    )
    return st.lists(price, max_size=12).map(tuple)


@st.composite
def worlds(draw: st.DrawFn, *, overlapping: bool = True, **changes: Any) -> World:
    """Draw a world; with `changes` to its configuration.

    Left out: an instance and an open launch of one name, which `assemble` sees to.
    """
    known = draw(st.lists(instances(), max_size=8))
    seen = {instance.name for instance in known}
    unseen = draw(st.lists(open_launches(), max_size=3, unique_by=lambda each: each.name))
    free = {
        subnet: draw(st.sampled_from((0, 1, 3, 50))) for each in SUBNETS.values() for subnet in each
    }
    images = [
        make_image(f"ami-{name}", region, instance_type=name)
        for name in TYPES
        for region in REGIONS
    ]
    lost = draw(st.sampled_from([{}, {}, {}, {EAST: "it did not answer"}]))
    return World(
        config=replace(draw(configs(overlapping=overlapping)), **changes),
        snapshot=make_snapshot(
            *draw(st.lists(pending(), max_size=5)),
            workers=draw(workers()),
            inventory=draw(inventory()),
            instances=tuple(known),
            open_launches=tuple(launch for launch in unseen if launch.name not in seen),
            spot_prices=draw(prices()),
            subnets=tuple(
                make_subnet(zone, free[subnet], subnet)
                for zone in ZONES
                for subnet in SUBNETS[zone]
            ),
            images=tuple(draw(st.lists(st.sampled_from(images), min_size=2, unique=True))),
            lost_regions=lost,
        ),
    )


# Promises


def live(world: World) -> list[Machine]:
    return [*own_instances(world.snapshot), *world.snapshot.open_launches]


def starts(launches: Iterable[Launch], of: Callable[[Launch], object]) -> Counter[object]:
    return Counter(of(launch) for launch in launches)


@few
@given(worlds())
def test_no_demand_gets_more_than_it_needs(world: World) -> None:
    assert all(0 <= item.unmet <= item.need <= item.demand.pending for item in world.plan().demands)


@few
@given(worlds())
def test_no_global_limit_is_passed(world: World) -> None:
    running = Counter((m.market, m.instance_type) for m in live(world))
    for (market, name), count in Counter(
        (launch.offer.market, launch.instance_type) for launch in world.plan().launches
    ).items():
        section = world.config.spot if market is Market.SPOT else world.config.on_demand
        assert running[market, name] + count <= section.limits.get("global", {}).get(name, 0)


@few
@given(worlds())
def test_no_regions_limit_is_passed(world: World) -> None:
    running = Counter((m.market, m.instance_type, m.region) for m in live(world))
    for (market, name, region), count in Counter(
        (launch.offer.market, launch.instance_type, launch.offer.region)
        for launch in world.plan().launches
    ).items():
        spot = market is Market.SPOT
        section = world.config.spot if spot else world.config.on_demand
        limit = section.limits.get(region, {}).get(name, 0 if spot else math.inf)
        assert running[market, name, region] + count <= limit


@few
@given(worlds())
def test_no_run_launches_more_than_its_limit(world: World) -> None:
    most = world.config.max_launches_per_run
    assert most is None or len(world.plan().launches) <= most


@few
@given(worlds(max_usd_per_hour=1.0))
def test_no_more_money_is_spent_than_allowed(world: World) -> None:
    spent = [price_of(machine, world.snapshot, world.config) for machine in live(world)]
    wanted = [launch.offer.price_usd_per_hour for launch in world.plan().launches]
    all_prices = [*spent, *wanted] if wanted else []
    assert None not in all_prices
    assert math.fsum(price for price in all_prices if price is not None) <= 1.0 + 1e-9


@few
@given(worlds())
def test_no_subnet_gives_more_addresses_than_it_has(world: World) -> None:
    in_flight = Counter(launch.subnet for launch in world.snapshot.open_launches)
    wanted = Counter(launch.subnet for launch in world.plan().launches)
    free = {subnet.subnet_id: subnet.free_addresses for subnet in world.snapshot.subnets}
    assert all(in_flight[subnet] + wanted[subnet] <= free[subnet] for subnet in wanted)


@few
@given(worlds())
def test_no_name_is_given_twice_or_while_in_use(world: World) -> None:
    given_names = [launch.name for launch in world.plan().launches]
    assert len(given_names) == len({*given_names} - names_in_use(world.snapshot))


@few
@given(worlds())
def test_a_jacuzzi_and_the_rest_keep_to_their_own_names(world: World) -> None:
    allocated = {name for workers in world.config.jacuzzis.values() for name in workers}
    for item in world.plan().demands:
        given_names = {launch.name for launch in item.launches}
        own = item.demand.workers
        assert given_names.isdisjoint(allocated) if own is None else given_names <= own


@few
@given(worlds())
def test_every_launch_is_where_its_type_may_be(world: World) -> None:
    zones = {s.subnet_id: s.availability_zone for s in world.snapshot.subnets}
    for launch in world.plan().launches:
        place = world.config.instance_types[launch.instance_type].regions[launch.offer.region]
        assert launch.subnet in place.subnets
        assert zones[launch.subnet] == launch.offer.availability_zone
        assert launch.offer.region not in world.snapshot.lost_regions


@few
@given(worlds())
def test_every_spot_launch_follows_a_rule(world: World) -> None:
    for launch in world.plan().launches:
        offer = launch.offer
        if offer.market is Market.SPOT:
            assert offer.price_usd_per_hour is not None
            assert any(
                rule.ec2_type == offer.ec2_type
                and rule.max_price_usd_per_hour == offer.max_price_usd_per_hour
                and offer.price_usd_per_hour <= BID_SHARE * rule.max_price_usd_per_hour + 1e-9
                and offer.availability_zone not in rule.ignored_azs
                for rule in world.config.spot.rules[launch.instance_type]
            )


@few
@given(worlds())
def test_every_unmet_machine_has_a_cut_with_a_reason(world: World) -> None:
    for item in world.plan().demands:
        assert item.unmet == 0 or item.cuts
        assert all(cut.reason and 0 <= cut.after < cut.before <= item.need for cut in item.cuts)


@few
@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_what_was_read_does_not_matter(world: World, random: Any) -> None:
    def shuffled(read: Iterable[Any]) -> tuple[Any, ...]:
        return tuple(random.sample(tuple(read), len(tuple(read))))

    snapshot = world.snapshot
    other = replace(
        snapshot,
        pending=shuffled(snapshot.pending),
        workers=None if snapshot.workers is None else dict(shuffled(snapshot.workers.items())),
        inventory=shuffled(snapshot.inventory),
        instances=shuffled(snapshot.instances),
        open_launches=shuffled(snapshot.open_launches),
        spot_prices=shuffled(snapshot.spot_prices),
        subnets=shuffled(snapshot.subnets),
        images=shuffled(snapshot.images),
    )
    assert world.plan(other) == world.plan()


# Planning again


def counts(plan: Plan) -> dict[object, int]:
    return {item.demand.key: len(item.launches) for item in plan.demands}


@few
@given(worlds(overlapping=False))
def test_planning_after_a_full_apply_is_empty(world: World) -> None:
    after = with_outcomes(world.snapshot, make_outcomes(world.plan().launches))
    assert world.plan(after).launches == ()


@few
@given(worlds(overlapping=False), st.data())
def test_planning_after_any_prefix_plans_the_rest(world: World, data: st.DataObject) -> None:
    plan = world.plan()
    prefix = plan.launches[: data.draw(st.integers(0, len(plan.launches)))]
    rest = world.plan(with_outcomes(world.snapshot, make_outcomes(prefix)))
    done = Counter(
        item.demand.key for item in plan.demands for launch in item.launches if launch in prefix
    )
    assert {key: done[key] + count for key, count in counts(rest).items()} == counts(plan)
