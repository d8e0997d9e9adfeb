"""Plans under limits: each cut says what it was and why."""

from typing import Any

import pytest

from tests.builders import (
    EAST,
    EC2_TYPE,
    WEST,
    make_config,
    make_instances,
    make_on_demand,
    make_pending,
    make_price,
    make_rule,
    make_snapshot,
    make_spot,
)
from tests.plans import in_regions, make_plan, markets, only, plan_for, reasons
from watch_pending.config_machines import Market, Spot
from watch_pending.models import Cut

SPOT = Market.SPOT


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
    assert "no spot price and no usd_per_hour for x1.mystery" in reasons(plan)


def test_an_unknown_list_price_leaves_the_spot_market() -> None:
    plan = plan_for(5, spot=make_spot(2), on_demand=make_on_demand(), max_usd_per_hour=1000.0)
    assert markets(plan) == [SPOT, SPOT]
    assert "no usd_per_hour for c7i.xlarge" in reasons(plan)


def test_without_a_cap_an_unknown_price_does_no_harm() -> None:
    assert len(plan_for(2, spot=Spot(), on_demand=make_on_demand()).launches) == 2


def test_what_is_too_dear_leaves_what_is_not() -> None:
    rules = (make_rule(2.0, ec2_type="big", performance_constant=100), make_rule())
    prices = (make_price(1.0, ec2_type="big"), make_price(0.1))
    spot = make_spot(rules=rules)
    plan = plan_for(5, {"spot_prices": prices}, spot=spot, max_usd_per_hour=1.2)
    assert [launch.offer.ec2_type for launch in plan.launches] == ["big", EC2_TYPE, EC2_TYPE]
