"""What a plan buys on demand: what spot leaves, split over the regions by priority."""

from typing import Any

import pytest

from tests.builders import (
    EAST,
    WEST,
    make_config,
    make_instance_type,
    make_inventory,
    make_on_demand,
    make_pending,
    make_snapshot,
    make_spot,
)
from tests.plans import (
    cuts,
    in_regions,
    make_exhausted,
    make_plan,
    markets,
    names,
    only,
    plan_for,
    reasons,
    zones,
)
from watch_pending.config_machines import Market, Spot
from watch_pending.models import Plan
from watch_pending.plan import split_by_priority

SPOT, ON_DEMAND = Market.SPOT, Market.ON_DEMAND


# What spot leaves


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


def test_no_capacity_anywhere_on_spot_moves_on_to_on_demand() -> None:
    snapshot = make_snapshot(make_pending(requests=3), exhausted=(make_exhausted(market=SPOT),))
    config = make_config(on_demand=make_on_demand())
    assert markets(make_plan(snapshot, config)) == [ON_DEMAND] * 3


# By priority


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
