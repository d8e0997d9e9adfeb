"""What may still be spent of the money: prices and the cap."""

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import (
    make_config,
    make_instance,
    make_instances,
    make_open_launch,
    make_price,
    make_snapshot,
)
from tests.ledgers import OFFER, ON_DEMAND, ON_DEMAND_OFFER, open_ledger, refused_by, take, why_not
from watch_pending.ledger import Refusal, price_of
from watch_pending.models import Machine, Offer


def test_without_a_cap_no_price_need_be_known() -> None:
    snapshot = make_snapshot(instances=(make_instance(ec2_type="x1.mystery"),))
    assert why_not(open_ledger(snapshot), ON_DEMAND_OFFER) is None


@pytest.mark.parametrize(
    ("cap", "live", "refused"),
    [
        pytest.param(0.1, 0, False, id="exactly enough for one"),
        pytest.param(0.09, 0, True, id="not enough for one"),
        pytest.param(0.3, 2, False, id="exactly enough for a third"),
        pytest.param(0.7, 6, False, id="exactly enough for a seventh"),
        pytest.param(0.3, 3, True, id="spent"),
        pytest.param(0.2, 9, True, id="more than spent"),
    ],
)
def test_a_cap_holds_what_runs_and_the_next_one(cap: float, live: int, refused: bool) -> None:
    ledger = open_ledger(make_snapshot(instances=make_instances(live)), max_usd_per_hour=cap)
    assert refused_by(ledger) == ("max_usd_per_hour" if refused else None)


@pytest.mark.parametrize("count", [3, 7, 10])
def test_a_cap_can_be_reached_exactly(count: int) -> None:
    ledger = open_ledger(max_usd_per_hour=count / 10)
    take(ledger, count - 1)
    assert why_not(ledger) is None


@pytest.mark.parametrize("count", [3, 7, 10])
def test_a_cap_is_not_passed(count: int) -> None:
    ledger = open_ledger(max_usd_per_hour=count / 10)
    take(ledger, count)
    assert why_not(ledger) == Refusal(
        by="max_usd_per_hour",
        reason=f"{count / 10:.2f} of {count / 10:.2f} USD/h are spent, c7i.xlarge is too dear",
    )


@pytest.mark.parametrize(
    ("snapshot", "offer", "reason"),
    [
        pytest.param(
            {"instances": make_instances(1, ec2_type="x1")},
            OFFER,
            "no spot price and no usd_per_hour for x1",
            id="runs",
        ),
        pytest.param(
            {"open_launches": (make_open_launch(ec2_type="x1"),)},
            OFFER,
            "no spot price and no usd_per_hour for x1",
            id="in flight",
        ),
        pytest.param(
            {},
            replace(ON_DEMAND_OFFER, ec2_type="x1"),
            "no usd_per_hour for x1",
            id="offered",
        ),
    ],
)
def test_under_a_cap_an_unknown_price_forbids_and_says_so(
    snapshot: dict[str, Any], offer: Offer, reason: str
) -> None:
    ledger = open_ledger(make_snapshot(**snapshot), max_usd_per_hour=1000.0)
    assert why_not(ledger, offer) == Refusal(by="max_usd_per_hour", reason=reason)


def test_under_a_cap_a_lost_spot_price_counts_as_the_list_price() -> None:
    ledger = open_ledger(
        make_snapshot(instances=make_instances(2, ec2_type="x1")),
        max_usd_per_hour=1.0,
        usd_per_hour={"x1": 0.4},
    )
    assert (ledger.usd_per_hour, why_not(ledger)) == (0.8, None)


def test_every_unknown_price_is_named_once() -> None:
    ec2_types = ["x2", "x1", "x2"]
    instances = tuple(make_instance(f"w{i}", ec2_type=t) for i, t in enumerate(ec2_types))
    instances += (make_instance("w9", market=ON_DEMAND),)
    assert open_ledger(make_snapshot(instances=instances)).unpriced == (
        "no spot price and no usd_per_hour for x1, x2; no usd_per_hour for c7i.xlarge"
    )


def test_another_farms_machines_cost_us_nothing() -> None:
    snapshot = make_snapshot(instances=make_instances(9, farm="staging"))
    assert open_ledger(snapshot).usd_per_hour == 0


def test_the_order_of_machines_does_not_change_the_sum() -> None:
    prices = tuple(make_price(0.1 * i, ec2_type=f"t{i}") for i in range(1, 9))
    instances = tuple(make_instance(f"w{i}", ec2_type=f"t{i}") for i in range(1, 9))
    sums = {
        open_ledger(make_snapshot(instances=each, spot_prices=prices)).usd_per_hour
        for each in (instances, instances[::-1], instances[3:] + instances[:3])
    }
    assert len(sums) == 1


@pytest.mark.parametrize(
    ("machine", "price"),
    [
        pytest.param(make_instance(), 0.1, id="spot"),
        pytest.param(make_open_launch(), 0.1, id="a launch"),
        pytest.param(make_instance(market=ON_DEMAND), 0.3, id="on demand"),
        pytest.param(make_instance(ec2_type="x1"), None, id="unknown EC2 type"),
        pytest.param(make_instance(market=ON_DEMAND, ec2_type="x1"), None, id="not in the list"),
        pytest.param(make_instance(availability_zone="us-east-1f"), 0.3, id="unknown zone"),
        pytest.param(make_instance(ec2_type="x2"), 0.4, id="spot, at most the list price"),
        pytest.param(make_instance(instance_type="gone"), 0.1, id="type no longer configured"),
    ],
)
def test_a_machine_has_its_price(machine: Machine, price: float | None) -> None:
    config = make_config(usd_per_hour={"c7i.xlarge": 0.3, "x2": 0.4})
    assert price_of(machine, make_snapshot(), config) == price


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_prices_the_higher_is_counted(order: int) -> None:
    prices = (make_price(0.1), make_price(0.2, product="Linux/UNIX (Amazon VPC)"))[::order]
    snapshot = make_snapshot(spot_prices=prices)
    assert price_of(make_instance(), snapshot, make_config()) == 0.2
