"""Snapshot + configuration + now → Plan; test_plan_properties.py has what holds of every plan."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from tests.builders import (
    EAST,
    EC2_TYPE,
    HOUR,
    MINUTE,
    NOW,
    REGIONS,
    WEST,
    make_config,
    make_exhausted,
    make_image,
    make_instance,
    make_instance_type,
    make_instances,
    make_inventory,
    make_launch,
    make_offer,
    make_on_demand,
    make_open_launch,
    make_outcomes,
    make_pending,
    make_place,
    make_plan,
    make_price,
    make_rule,
    make_snapshot,
    make_spot,
    make_subnet,
    make_worker,
    make_workers,
)
from watch_pending.config import InstanceType, Market, Spot, WatchPending
from watch_pending.models import Cut, DemandPlan, Plan, Snapshot, Status
from watch_pending.plan import shorten, split_by_priority
from watch_pending.waves import settle, with_outcomes

SPOT, ON_DEMAND = Market.SPOT, Market.ON_DEMAND


def plan_for(requests: int = 1, snapshot: dict[str, Any] | None = None, **config: Any) -> Plan:
    """Plan for so many requests that wait."""
    waiting = make_pending(requests=requests)
    return make_plan(make_snapshot(waiting, **snapshot or {}), make_config(**config))


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


# From request to launch


def test_nothing_pending_plans_nothing() -> None:
    assert make_plan(make_snapshot()) == Plan()


def test_one_request_starts_one_machine() -> None:
    assert plan_for(1).launches == (make_launch("bld-001", make_offer("us-east-1a")),)


def test_every_request_gets_its_machine() -> None:
    assert names(plan_for(3)) == ["bld-001", "bld-002", "bld-003"]


def test_what_is_met_has_no_cut() -> None:
    assert only(plan_for(3)).cuts == ()


def test_unmatched_builders_are_reported_and_never_launched() -> None:
    assert make_plan(make_snapshot(make_pending("Mac", 7))) == Plan(unmatched={"Mac": 7})


@pytest.mark.parametrize("builder", ["Linux\nbuild", "Linux 🦊", "Linux " + "x" * 10_000])
def test_a_builder_of_any_name_gets_its_machine(builder: str) -> None:
    assert len(make_plan(make_snapshot(make_pending(builder))).launches) == 1


def test_the_most_urgent_demand_is_filled_first() -> None:
    snapshot = make_snapshot(make_pending("Linux a"), make_pending("Linux b", priority=9))
    config = make_config(jacuzzis={"Linux b": ("bld-007",)}, max_launches_per_run=1)
    assert names(make_plan(snapshot, config)) == ["bld-007"]


# What is there already


def test_need_is_what_idle_machines_and_those_in_flight_leave() -> None:
    instances = (make_instance("bld-001"), make_instance("bld-002", age=MINUTE))
    snapshot = {"instances": instances, "workers": make_workers("bld-001")}
    assert only(plan_for(5, snapshot)).need == 3


def test_enough_machines_need_no_more() -> None:
    idle = make_instances(5)
    workers = make_workers(*(instance.name for instance in idle))
    assert plan_for(3, {"instances": idle, "workers": workers}).launches == ()


def test_another_farms_machines_do_not_count() -> None:
    snapshot = {"instances": make_instances(5, age=MINUTE, farm="staging")}
    assert only(plan_for(5, snapshot)).need == 5


def test_another_farms_names_are_not_given() -> None:
    assert names(plan_for(1, {"instances": make_instances(1, farm="staging")})) == ["bld-002"]


def test_a_paused_name_is_not_given_again() -> None:
    paused = make_worker("bld-001", connected=False, paused=True)
    assert names(plan_for(1, {"workers": make_workers(paused)})) == ["bld-002"]


def test_a_name_of_a_machine_that_shuts_down_is_not_given_yet() -> None:
    snapshot = {"instances": make_instances(1, state="shutting-down")}
    assert names(plan_for(1, snapshot)) == ["bld-002"]


def test_one_pattern_for_two_types_never_gives_a_name_twice() -> None:
    types = {"bld": make_instance_type(), "win": make_instance_type()}
    spot = Spot(
        rules={name: (make_rule(),) for name in types},
        limits=dict.fromkeys(("global", *REGIONS), dict.fromkeys(types, 9)),
    )
    config = make_config(buildermap={"L": "bld", "W": "win"}, instance_types=types, spot=spot)
    images = (make_image(), make_image("ami-win", instance_type="win"))
    plan = make_plan(make_snapshot(make_pending("L"), make_pending("W"), images=images), config)
    assert sorted(names(plan)) == ["bld-001", "bld-002"]


# The original's freshness rule


def test_the_originals_rule_is_a_switch() -> None:
    fresh = [make_instance(f"fresh-{i}", age=MINUTE) for i in range(10)]
    old = [make_instance(f"old-{i}", age=HOUR) for i in range(30)]
    snapshot = {"instances": (*fresh, *old)}
    needs = [only(plan_for(100, snapshot, original_freshness=flag)).need for flag in (True, False)]
    assert needs == [87, 90]


# Jacuzzis


def test_a_jacuzzi_gets_its_own_names() -> None:
    assert names(plan_for(2, jacuzzis={"Linux build": ("bld-005", "bld-009")})) == [
        "bld-005",
        "bld-009",
    ]


def test_a_jacuzzi_whose_workers_all_run_gets_no_more() -> None:
    plan = plan_for(3, {"instances": make_instances(1)}, jacuzzis={"Linux build": ("bld-001",)})
    assert reasons(plan)[0] == "the jacuzzi of 1 workers has no free spot name left"


def test_an_empty_jacuzzi_gets_nothing_and_says_so() -> None:
    plan = plan_for(1, jacuzzis={"Linux build": ()})
    assert (plan.launches, cuts(plan)["names"]) == ((), (1, 0))


def test_a_job_without_a_jacuzzi_never_takes_an_allocated_name() -> None:
    assert names(plan_for(1, jacuzzis={"Linux other": ("bld-001", "bld-002")})) == ["bld-003"]


def test_overlapping_jacuzzis_do_not_count_an_idle_machine_twice() -> None:
    jacuzzis = {"Linux a": ("bld-001",), "Linux b": ("bld-001", "bld-002")}
    snapshot = make_snapshot(
        make_pending("Linux a"),
        make_pending("Linux b"),
        instances=make_instances(1),
        workers=make_workers("bld-001"),
    )
    assert names(make_plan(snapshot, make_config(jacuzzis=jacuzzis))) == ["bld-002"]


def test_overlapping_jacuzzis_do_not_order_for_each_other_what_is_in_flight() -> None:
    jacuzzis = {"Linux a": ("bld-001", "bld-002", "bld-003"), "Linux b": ("bld-002", "bld-004")}
    snapshot = make_snapshot(
        make_pending("Linux a", 2, priority=1),
        make_pending("Linux b"),
        open_launches=(make_open_launch("bld-003"),),
    )
    config = make_config(jacuzzis=jacuzzis)
    first = make_plan(snapshot, config)
    again = make_plan(with_outcomes(snapshot, make_outcomes(first.launches)), config)
    assert (names(first), names(again)) == (["bld-001", "bld-002"], [])


# Limits


@pytest.mark.parametrize(
    ("config", "cut", "reason"),
    [
        pytest.param(
            {"spot": make_spot(2)},
            ("spot.limits.global", (5, 2)),
            "the global spot limit of bld is 2, 0 live",
            id="global",
        ),
        pytest.param(
            {"spot": make_spot(0)},
            ("spot.limits.global", (5, 0)),
            "the global spot limit of bld is 0, 0 live",
            id="global 0 means none",
        ),
        pytest.param(
            {"spot": Spot(rules={"bld": (make_rule(),)})},
            ("spot.limits.global", (5, 0)),
            "bld has no global spot limit, which means 0",
            id="absent global means 0",
        ),
        pytest.param(
            {"spot": make_spot(us_east_1=1, us_west_2=2)},
            ("spot.limits.us-west-2", (5, 3)),
            "the spot limit of bld in us-west-2 is 2, 2 live",
            id="region",
        ),
        pytest.param(
            {"spot": make_spot(us_east_1=0, us_west_2=0)},
            ("spot.limits.us-east-1", (5, 0)),
            "the spot limit of bld in us-east-1 is 0, 0 live",
            id="region 0 means none",
        ),
        pytest.param(
            {"spot": Spot(rules={"bld": (make_rule(),)}, limits={"global": {"bld": 9}})},
            ("spot.limits.us-east-1", (5, 0)),
            "bld has no spot limit in us-east-1, which means 0",
            id="absent spot region means 0",
        ),
        pytest.param(
            {},
            ("on_demand.limits.global", (5, 0)),
            "bld has no global on-demand limit, which means 0",
            id="absent on-demand global means 0",
        ),
        pytest.param(
            {"on_demand": make_on_demand(9, us_east_1=1, us_west_2=0)},
            ("on_demand.limits.us-east-1", (5, 1)),
            "the on-demand limit of bld in us-east-1 is 1, 1 live",
            id="on-demand region",
        ),
        pytest.param(
            {"spot": make_spot(), "max_launches_per_run": 2},
            ("max_launches_per_run", (5, 2)),
            "max_launches_per_run is 2",
            id="per run",
        ),
        pytest.param(
            {"spot": make_spot(), "max_launches_per_run": 0},
            ("max_launches_per_run", (5, 0)),
            "max_launches_per_run is 0",
            id="none per run",
        ),
        pytest.param(
            {"spot": make_spot(), "max_usd_per_hour": 0.35},
            ("max_usd_per_hour", (5, 3)),
            "0.30 of 0.35 USD/h are spent, c7i.xlarge is too dear",
            id="money",
        ),
    ],
)
def test_a_limit_cuts_and_says_so(
    config: dict[str, Any], cut: tuple[str, tuple[int, int]], reason: str
) -> None:
    plan = plan_for(5, **{"spot": Spot(), **config})
    by, (before, after) = cut
    assert Cut(by=by, before=before, after=after, reason=reason) in only(plan).cuts
    assert len(plan.launches) == after


def test_what_runs_counts_towards_a_limit() -> None:
    assert len(plan_for(5, {"instances": make_instances(3)}, spot=make_spot(5)).launches) == 2


def test_a_regions_limit_leaves_the_other_region() -> None:
    assert in_regions(plan_for(5, spot=make_spot(us_east_1=2))) == {EAST: 2, WEST: 3}


def test_the_limit_per_run_holds_over_all_demands() -> None:
    snapshot = make_snapshot(make_pending("Linux a", 3), make_pending("Linux b", 3))
    config = make_config(jacuzzis={"Linux b": ("bld-009",)}, max_launches_per_run=3)
    assert len(make_plan(snapshot, config).launches) == 3


def test_what_this_run_has_launched_counts_towards_its_limit() -> None:
    assert len(plan_for(5, {"launched_this_run": 3}, max_launches_per_run=5).launches) == 2


# Money


def test_an_unknown_price_launches_nothing_and_says_so() -> None:
    snapshot = {"instances": make_instances(1, ec2_type="x1.mystery")}
    plan = plan_for(5, snapshot, max_usd_per_hour=1000.0)
    assert plan.launches == ()
    assert "the price of x1.mystery is unknown: set usd_per_hour for it" in reasons(plan)


def test_an_unknown_list_price_leaves_the_spot_market() -> None:
    plan = plan_for(5, spot=make_spot(2), on_demand=make_on_demand(), max_usd_per_hour=1000.0)
    assert markets(plan) == [SPOT, SPOT]
    assert "the price of c7i.xlarge is unknown: set usd_per_hour for it" in reasons(plan)


def test_without_a_cap_an_unknown_price_does_no_harm() -> None:
    assert len(plan_for(2, spot=Spot(), on_demand=make_on_demand()).launches) == 2


def test_what_is_too_dear_leaves_what_is_not() -> None:
    rules = (make_rule(2.0, ec2_type="big", performance_constant=100), make_rule())
    prices = (make_price(1.0, ec2_type="big"), make_price(0.1))
    spot = make_spot(rules=rules)
    plan = plan_for(5, {"spot_prices": prices}, spot=spot, max_usd_per_hour=1.2)
    assert [launch.offer.ec2_type for launch in plan.launches] == ["big", EC2_TYPE, EC2_TYPE]


# Where


def test_the_cheapest_offer_is_taken_first() -> None:
    prices = (make_price(0.2), make_price(0.1, "us-west-2b"))
    assert zones(plan_for(3, {"spot_prices": prices})) == {"us-west-2b": 3}


def test_a_zone_without_addresses_leaves_the_next() -> None:
    subnets = (make_subnet("us-east-1a", free=2), make_subnet("us-east-1b"))
    assert zones(plan_for(5, {"subnets": subnets})) == {"us-east-1a": 2, "us-east-1b": 3}


def test_addresses_are_counted_down_over_all_demands() -> None:
    snapshot = make_snapshot(
        make_pending("Linux a", 3), make_pending("Linux b", 3), subnets=(make_subnet(free=4),)
    )
    config = make_config(jacuzzis={"Linux b": ("bld-007", "bld-008", "bld-009")})
    assert len(make_plan(snapshot, config).launches) == 4


def test_no_address_anywhere_is_a_cut() -> None:
    plan = plan_for(5, {"subnets": (make_subnet(free=2),)})
    assert cuts(plan)["addresses"] == (5, 2)


def test_machines_spread_over_the_subnets_of_a_zone() -> None:
    subnets = ("subnet-1", "subnet-2")
    regions = {EAST: make_place(subnets=subnets)}
    made = tuple(make_subnet(free=5, subnet_id=each) for each in subnets)
    types = {"bld": InstanceType(names="bld-%03d", regions=regions)}
    plan = plan_for(4, {"subnets": made}, instance_types=types)
    assert Counter(launch.subnet for launch in plan.launches) == dict.fromkeys(subnets, 2)


def test_only_the_regions_asked_for_are_used() -> None:
    plan = make_plan(make_snapshot(make_pending()), regions=(WEST,))
    assert in_regions(plan) == {WEST: 1}


def test_a_lost_region_leaves_the_other() -> None:
    assert in_regions(plan_for(3, {"lost_regions": {EAST: "silence"}})) == {WEST: 3}


def test_a_lost_region_is_a_reason() -> None:
    plan = make_plan(make_snapshot(make_pending(), lost_regions={EAST: "silence"}), regions=(EAST,))
    assert "us-east-1: silence" in reasons(plan)


def test_machines_of_a_lost_region_count_towards_the_limits() -> None:
    snapshot = {"instances": make_instances(3), "lost_regions": {EAST: "silence"}}
    assert len(plan_for(5, snapshot, spot=make_spot(5)).launches) == 2


def test_an_ami_missing_in_one_region_leaves_the_other() -> None:
    plan = plan_for(3, {"images": (make_image(region=WEST),)})
    assert in_regions(plan) == {WEST: 3}


def test_the_missing_ami_is_told_all_the_same() -> None:
    rejected = only(plan_for(3, {"images": (make_image(region=WEST),)})).rejected
    assert rejected == (
        "us-east-1: an AMI of ours tagged moz-type=bld does not exist or is not available",
    )


def test_no_offer_at_all_is_a_cut_with_the_reasons_of_each() -> None:
    plan = make_plan(make_snapshot(make_pending(), spot_prices=()), regions=(EAST,))
    assert only(plan).cuts[0] == Cut(
        by="spot.offers",
        before=1,
        after=0,
        reason="c7i.xlarge in us-east-1a: no spot price; c7i.xlarge in us-east-1b: no spot price",
    )


def test_what_is_cut_by_limits_and_by_offers_names_both() -> None:
    plan = plan_for(5, {"spot_prices": (make_price(),), "subnets": (make_subnet(free=2),)})
    assert {"addresses", "spot.offers"} <= set(cuts(plan))


def test_a_type_without_rules_says_that_nothing_is_offered() -> None:
    plan = plan_for(1, spot=Spot(limits={"global": {"bld": 9}}))
    assert reasons(plan)[0] == "nothing is offered for bld"


def test_what_a_run_has_learned_is_not_asked_for_again() -> None:
    exhausted = make_exhausted(availability_zone="us-east-1a")
    assert zones(plan_for(1, {"exhausted": (exhausted,)})) == {"us-east-1b": 1}


# A type without settings


def test_a_type_without_settings_launches_nothing_and_says_so() -> None:
    plan = plan_for(3, buildermap={"Linux": "linxu"})
    assert only(plan).cuts == (
        Cut(
            by="instance_types",
            before=3,
            after=0,
            reason="instance type linxu has no settings",
        ),
    )


def test_a_type_without_settings_leaves_the_others() -> None:
    snapshot = make_snapshot(make_pending("Linux"), make_pending("Mac"))
    config = make_config(buildermap={"Mac": "mca", "Linux": "bld"})
    assert names(make_plan(snapshot, config)) == ["bld-001"]


# On demand


def test_what_spot_leaves_goes_on_demand() -> None:
    plan = plan_for(5, spot=make_spot(2), on_demand=make_on_demand())
    assert markets(plan) == [SPOT, SPOT, ON_DEMAND, ON_DEMAND, ON_DEMAND]


def test_what_spot_serves_never_goes_on_demand() -> None:
    assert markets(plan_for(2, on_demand=make_on_demand())) == [SPOT, SPOT]


def test_a_type_that_spot_has_no_limit_for_goes_on_demand() -> None:
    assert markets(plan_for(1, spot=Spot(), on_demand=make_on_demand())) == [ON_DEMAND]


def test_the_cut_of_spot_is_told_though_on_demand_serves() -> None:
    plan = plan_for(5, spot=make_spot(2), on_demand=make_on_demand())
    assert (cuts(plan), only(plan).unmet) == ({"spot.limits.global": (5, 2)}, 0)


def test_spot_names_that_run_out_leave_on_demand_ones() -> None:
    inventory = make_inventory("s-1") + make_inventory("d-1", "d-2", market=ON_DEMAND)
    types = {"bld": make_instance_type("workers")}
    plan = plan_for(5, {"inventory": inventory}, instance_types=types, on_demand=make_on_demand())
    assert names(plan) == ["s-1", "d-1", "d-2"]


def test_the_inventory_of_another_type_gives_no_names() -> None:
    snapshot = {"inventory": make_inventory("win-1", instance_type="win")}
    plan = plan_for(1, snapshot, instance_types={"bld": make_instance_type("workers")})
    assert reasons(plan)[0] == "no free spot name is left for bld"


@pytest.mark.parametrize(
    ("count", "priorities", "shares"),
    [
        pytest.param(6, {"a": 20, "b": 30, "c": 0}, {"a": 2, "b": 4}, id="upstream's own"),
        pytest.param(1, {"a": 20, "b": 30}, {"a": 0, "b": 1}, id="one"),
        pytest.param(5, {"b": 1, "a": 1}, {"a": 3, "b": 2}, id="a tie: by name"),
        pytest.param(0, {"a": 1}, {"a": 0}, id="nothing"),
        pytest.param(3, {"a": 0, "b": 0}, {}, id="all zero"),
        pytest.param(3, {}, {}, id="nowhere"),
    ],
)
def test_a_count_is_split_by_priority(
    count: int, priorities: dict[str, int], shares: dict[str, int]
) -> None:
    assert split_by_priority(count, priorities) == shares


def on_demand_plan(requests: int, snapshot: dict[str, Any] | None = None, **config: Any) -> Plan:
    config = {"spot": Spot(), "on_demand": make_on_demand(), **config}
    return plan_for(requests, snapshot, **config)


def test_on_demand_is_split_by_the_regions_priorities() -> None:
    plan = on_demand_plan(6, region_priorities={EAST: 30, WEST: 20})
    assert in_regions(plan) == {EAST: 4, WEST: 2}


def test_a_region_of_priority_0_gets_nothing_on_demand() -> None:
    assert in_regions(on_demand_plan(6, region_priorities={EAST: 1, WEST: 0})) == {EAST: 6}


def test_a_region_that_is_not_asked_for_has_no_share() -> None:
    config = make_config(spot=Spot(), on_demand=make_on_demand())
    plan = make_plan(make_snapshot(make_pending(requests=6)), config, regions=(WEST,))
    assert in_regions(plan) == {WEST: 6}


def test_a_lost_region_has_no_share() -> None:
    assert in_regions(on_demand_plan(6, {"lost_regions": {EAST: "silence"}})) == {WEST: 6}


def test_what_a_region_can_not_take_of_its_share_goes_to_the_others() -> None:
    plan = on_demand_plan(6, on_demand=make_on_demand(us_east_1=1))
    assert in_regions(plan) == {EAST: 1, WEST: 5}


def test_on_demand_machines_spread_over_the_zones_of_a_region() -> None:
    plan = on_demand_plan(6, region_priorities={EAST: 1, WEST: 0})
    assert zones(plan) == {"us-east-1a": 3, "us-east-1b": 3}


def test_all_priorities_zero_is_no_crash() -> None:
    plan = on_demand_plan(6, region_priorities={EAST: 0, WEST: 0})
    assert cuts(plan)["on_demand.offers"] == (6, 0)


# Reasons


@pytest.mark.parametrize(
    ("given", "shortened"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "a", "b"], "a; b"),
        (["a", "b", "c"], "a; b; c"),
        (["a", "b", "c", "d", "e"], "a; b; c; and 2 more"),
    ],
    ids=len,
)
def test_only_the_first_reasons_are_given(given: list[str], shortened: str) -> None:
    assert shorten(given) == shortened


# After launching


def apply(snapshot: Snapshot, plan: Plan, status: Status, **changes: Any) -> Snapshot:
    return with_outcomes(snapshot, make_outcomes(plan.launches, status, **changes))


@pytest.mark.parametrize(
    ("status", "left"),
    [
        (Status.LAUNCHED, 0),
        (Status.UNKNOWN, 0),
        (Status.FAILED, 3),
        (Status.NO_CAPACITY, 3),
        (Status.NOT_TRIED, 3),
    ],
)
def test_what_was_launched_or_may_have_been_is_not_planned_again(status: Status, left: int) -> None:
    snapshot = make_snapshot(make_pending(requests=3))
    assert len(make_plan(apply(snapshot, make_plan(snapshot), status)).launches) == left


def test_a_launch_is_in_flight_under_its_token() -> None:
    snapshot = apply(make_snapshot(), plan_for(1), Status.LAUNCHED)
    assert snapshot.open_launches == (make_open_launch("bld-001"),)


def test_what_was_launched_is_counted_for_the_run() -> None:
    snapshot = apply(make_snapshot(launched_this_run=2), plan_for(3), Status.UNKNOWN)
    assert snapshot.launched_this_run == 5


def test_what_was_learned_is_kept_once() -> None:
    exhausted = make_exhausted(region=EAST)
    snapshot = apply(make_snapshot(), plan_for(3), Status.NO_CAPACITY, exhausted=exhausted)
    assert snapshot.exhausted == (exhausted,)


def test_no_capacity_in_one_zone_moves_on_to_the_next() -> None:
    snapshot = make_snapshot(make_pending(requests=3))
    exhausted = make_exhausted(availability_zone="us-east-1a", market=SPOT)
    after = apply(snapshot, make_plan(snapshot), Status.NO_CAPACITY, exhausted=exhausted)
    assert zones(make_plan(after)) == {"us-east-1b": 3}


def test_no_capacity_anywhere_on_spot_moves_on_to_on_demand() -> None:
    snapshot = make_snapshot(make_pending(requests=3), exhausted=(make_exhausted(market=SPOT),))
    config = make_config(on_demand=make_on_demand())
    assert markets(make_plan(snapshot, config)) == [ON_DEMAND] * 3


def settle_waves(*waves: Status, requests: int = 2, **config: Any) -> DemandPlan:
    """Plan and apply, each time with one status for all; return the sum."""
    snapshot, made, outcomes = make_snapshot(make_pending(requests=requests)), [], []
    settings: WatchPending = make_config(**config)
    for status in waves:
        made.append(make_plan(snapshot, settings))
        wave = make_outcomes(made[-1].launches, status)
        outcomes += wave
        snapshot = with_outcomes(snapshot, wave)
    made.append(make_plan(snapshot, settings))
    return only(settle(made, outcomes))


def test_a_run_is_summed_up_by_what_happened() -> None:
    assert [launch.name for launch in settle_waves(Status.LAUNCHED).launches] == [
        "bld-001",
        "bld-002",
    ]


def test_what_failed_is_not_in_the_sum() -> None:
    assert settle_waves(Status.FAILED).unmet == 2


def test_what_failed_and_was_launched_the_second_time_is_in_the_sum_once() -> None:
    assert settle_waves(Status.FAILED, Status.LAUNCHED).unmet == 0


def test_the_sum_keeps_the_first_plans_need() -> None:
    assert settle_waves(Status.LAUNCHED).need == 2


def test_the_sum_has_each_cut_once() -> None:
    assert [cut.by for cut in settle_waves(Status.FAILED, spot=make_spot(1)).cuts] == [
        "spot.limits.global",
        "on_demand.limits.global",
    ]


def test_cuts_that_were_overcome_are_not_in_the_sum() -> None:
    first = plan_for(1)
    cut = Cut(by="names", before=1, after=0, reason="late")
    last = Plan(demands=(replace(only(first), cuts=(cut,), launches=()),))
    assert only(settle([first, last], make_outcomes(first.launches))).cuts == ()


def test_now_is_what_tells_a_booting_machine_from_a_silent_one() -> None:
    snapshot = make_snapshot(make_pending(), instances=make_instances(1, age=MINUTE))
    needs = [only(make_plan(snapshot, now=now)).need for now in (NOW, NOW + HOUR)]
    assert needs == [0, 1]
