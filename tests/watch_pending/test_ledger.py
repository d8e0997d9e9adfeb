"""What may still be spent: limits, addresses, names, money."""

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import (
    EAST,
    WEST,
    make_config,
    make_exhausted,
    make_instance,
    make_instances,
    make_offer,
    make_on_demand,
    make_open_launch,
    make_place,
    make_price,
    make_snapshot,
    make_spot,
    make_subnet,
    make_worker,
    make_workers,
)
from watch_pending.config import Market, OnDemand, Spot
from watch_pending.ledger import NO_LIMIT, Ledger, Refusal, price_of
from watch_pending.models import Instance, Machine, Offer, Snapshot

SPOT, ON_DEMAND = Market.SPOT, Market.ON_DEMAND
SUBNETS = make_place().subnets
OFFER, ON_DEMAND_OFFER = make_offer(), make_offer(market=ON_DEMAND, price_usd_per_hour=None)


def open_ledger(snapshot: Snapshot | None = None, **config: Any) -> Ledger:
    return Ledger.open(snapshot or make_snapshot(), make_config(**config))


def why_not(ledger: Ledger, offer: Offer = OFFER) -> Refusal | None:
    return ledger.why_not(offer, "bld", SUBNETS)


def refused_by(ledger: Ledger, offer: Offer = OFFER) -> str | None:
    refusal = why_not(ledger, offer)
    return None if refusal is None else refusal.by


def take(ledger: Ledger, count: int, offer: Offer = OFFER) -> list[str]:
    """Take machines; return their subnets."""
    return [ledger.take(offer, "bld", f"new-{number}", SUBNETS) for number in range(count)]


# Limits by market


@pytest.mark.parametrize(
    ("limit", "live", "headroom"),
    [(10, 0, 10), (10, 4, 6), (10, 10, 0), (10, 12, 0), (0, 0, 0), (0, 3, 0)],
)
def test_a_global_limit_leaves_what_is_not_live(limit: int, live: int, headroom: int) -> None:
    ledger = open_ledger(make_snapshot(instances=make_instances(live)), spot=make_spot(limit))
    assert ledger.market_headroom(SPOT, "bld") == headroom


@pytest.mark.parametrize("market", Market)
def test_an_absent_global_limit_means_none(market: Market) -> None:
    ledger = open_ledger(spot=Spot(limits={EAST: {"bld": 9}}), on_demand=OnDemand())
    assert ledger.market_headroom(market, "bld") == 0


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"state": "stopped"}, True),
        ({"state": "pending"}, True),
        ({"region": WEST}, True),
        ({"state": "terminated"}, False),
        ({"state": "shutting-down"}, False),
        ({"farm": "staging"}, False),
        ({"farm": None}, False),
        ({"market": ON_DEMAND}, False),
        ({"instance_type": "win"}, False),
    ],
    ids=str,
)
def test_what_is_live_counts(changes: dict[str, Any], counts: bool) -> None:
    ledger = open_ledger(make_snapshot(instances=(make_instance(**changes),)), spot=make_spot(1))
    assert ledger.market_headroom(SPOT, "bld") == (0 if counts else 1)


def test_what_is_in_the_journal_counts() -> None:
    ledger = open_ledger(make_snapshot(open_launches=(make_open_launch(),)), spot=make_spot(3))
    assert ledger.market_headroom(SPOT, "bld") == 2


def test_what_is_taken_counts() -> None:
    ledger = open_ledger(spot=make_spot(3))
    take(ledger, 2)
    assert ledger.market_headroom(SPOT, "bld") == 1


def test_a_limit_is_explained() -> None:
    ledger = open_ledger(make_snapshot(instances=make_instances(2)), spot=make_spot(5))
    assert ledger.explain_market_limit(SPOT, "bld") == "the global spot limit of bld is 5, 2 live"


def test_an_absent_limit_is_explained() -> None:
    explained = open_ledger().explain_market_limit(ON_DEMAND, "bld")
    assert explained == "bld has no global on-demand limit, which means 0"


# Limits by region


@pytest.mark.parametrize(
    ("limit", "live", "refused"), [(2, 1, False), (2, 2, True), (2, 3, True), (0, 0, True)]
)
@pytest.mark.parametrize(
    ("offer", "by"),
    [(OFFER, "spot.limits.us-east-1"), (ON_DEMAND_OFFER, "on_demand.limits.us-east-1")],
    ids=["spot", "on-demand"],
)
def test_a_region_has_its_limit(
    offer: Offer, by: str, limit: int, live: int, refused: bool
) -> None:
    snapshot = make_snapshot(instances=make_instances(live, market=offer.market))
    spot, on_demand = make_spot(us_east_1=limit), make_on_demand(us_east_1=limit)
    ledger = open_ledger(snapshot, spot=spot, on_demand=on_demand)
    assert refused_by(ledger, offer) == (by if refused else None)


def test_an_absent_spot_limit_in_a_region_means_none() -> None:
    assert why_not(open_ledger(spot=Spot(limits={"global": {"bld": 9}}))) == Refusal(
        by="spot.limits.us-east-1", reason="bld has no spot limit in us-east-1, which means 0"
    )


def test_an_absent_on_demand_limit_in_a_region_means_the_global_one_alone() -> None:
    assert why_not(open_ledger(on_demand=make_on_demand(1)), ON_DEMAND_OFFER) is None


def test_machines_elsewhere_do_not_count_for_a_region() -> None:
    snapshot = make_snapshot(instances=make_instances(5, region=WEST))
    assert why_not(open_ledger(snapshot, spot=make_spot(us_east_1=1))) is None


def test_a_region_counts_down_as_machines_are_taken() -> None:
    ledger = open_ledger(spot=make_spot(us_east_1=2))
    take(ledger, 2)
    refusal = why_not(ledger)
    assert refusal is not None
    assert refusal.reason == "the spot limit of bld in us-east-1 is 2, 2 live"


# Launches per run


@pytest.mark.parametrize(
    ("most", "launched", "headroom"),
    [(None, 0, NO_LIMIT), (5, 0, 5), (5, 3, 2), (5, 9, 0), (0, 0, 0)],
)
def test_a_run_has_its_limit(most: int | None, launched: int, headroom: int) -> None:
    snapshot = make_snapshot(launched_this_run=launched)
    assert open_ledger(snapshot, max_launches_per_run=most).run_headroom == headroom


def test_a_run_counts_down_as_machines_are_taken() -> None:
    ledger = open_ledger(max_launches_per_run=5)
    take(ledger, 2)
    assert ledger.run_headroom == 3


# Money


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
    ("snapshot", "offer"),
    [
        pytest.param({"instances": make_instances(1, ec2_type="x1")}, OFFER, id="runs"),
        pytest.param({"open_launches": (make_open_launch(ec2_type="x1"),)}, OFFER, id="in flight"),
        pytest.param({}, replace(ON_DEMAND_OFFER, ec2_type="x1"), id="offered"),
    ],
)
def test_under_a_cap_an_unknown_price_forbids_and_says_so(
    snapshot: dict[str, Any], offer: Offer
) -> None:
    ledger = open_ledger(make_snapshot(**snapshot), max_usd_per_hour=1000.0)
    assert why_not(ledger, offer) == Refusal(
        by="max_usd_per_hour", reason="the price of x1 is unknown: set usd_per_hour for it"
    )


def test_every_unknown_price_is_named_once() -> None:
    ec2_types = ["x2", "x1", "x2"]
    instances = tuple(make_instance(f"w{i}", ec2_type=t) for i, t in enumerate(ec2_types))
    assert open_ledger(make_snapshot(instances=instances)).unpriced == "x1, x2"


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
        pytest.param(make_instance(availability_zone="us-east-1f"), None, id="unknown zone"),
        pytest.param(make_instance(instance_type="gone"), 0.1, id="type no longer configured"),
    ],
)
def test_a_machine_has_its_price(machine: Machine, price: float | None) -> None:
    config = make_config(usd_per_hour={"c7i.xlarge": 0.3})
    assert price_of(machine, make_snapshot(), config) == price


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_prices_the_higher_is_counted(order: int) -> None:
    prices = (make_price(0.1), make_price(0.2, product="Linux/UNIX (Amazon VPC)"))[::order]
    snapshot = make_snapshot(spot_prices=prices)
    assert price_of(make_instance(), snapshot, make_config()) == 0.2


# Addresses


def test_the_subnet_with_most_free_addresses_is_taken_and_counted_down() -> None:
    subnets = (make_subnet(free=2, subnet_id="small"), make_subnet(free=4, subnet_id="large"))
    ledger = open_ledger(make_snapshot(subnets=subnets))
    taken = [ledger.take(OFFER, "bld", f"w{i}", ("small", "large")) for i in range(6)]
    assert taken == ["large", "large", "small", "large", "small", "large"]


def test_a_subnet_that_stands_twice_counts_once() -> None:
    subnets = ("subnet-us-east-1a", "subnet-us-east-1a")
    ledger = open_ledger(make_snapshot(subnets=(make_subnet(free=5),)))
    assert ledger.addresses_in(OFFER, subnets) == 5


@pytest.mark.parametrize(
    "snapshot",
    [
        pytest.param({"subnets": (make_subnet(free=0),)}, id="no free address"),
        pytest.param(
            {"subnets": (make_subnet(free=1),), "open_launches": (make_open_launch(),)},
            id="a launch in flight will take it",
        ),
        pytest.param({"subnets": (make_subnet("us-east-1b"),)}, id="another zone's"),
        pytest.param({"subnets": ()}, id="no subnet"),
        pytest.param({"subnets": (make_subnet(subnet_id="x"),)}, id="not one of the type's"),
        pytest.param(
            {"exhausted": (make_exhausted(subnet="subnet-us-east-1a"),)}, id="EC2 says it is full"
        ),
    ],
)
def test_without_a_free_address_nothing_is_taken(snapshot: dict[str, Any]) -> None:
    assert why_not(open_ledger(make_snapshot(**snapshot))) == Refusal(
        by="addresses", reason="no subnet in us-east-1a has a free address"
    )


def test_a_launch_in_flight_takes_one_address() -> None:
    snapshot = make_snapshot(open_launches=(make_open_launch(),))
    assert open_ledger(snapshot).addresses_in(OFFER, SUBNETS) == 99


def test_a_machine_that_is_seen_has_its_address_already() -> None:
    snapshot = make_snapshot(instances=(make_instance(),))
    assert open_ledger(snapshot).addresses_in(OFFER, SUBNETS) == 100


def test_a_launch_in_a_subnet_that_is_gone_does_no_harm() -> None:
    snapshot = make_snapshot(open_launches=(make_open_launch(subnet="gone"),))
    assert open_ledger(snapshot).addresses_in(OFFER, SUBNETS) == 100


# Names


@pytest.mark.parametrize(
    "instance", [make_instance("w"), make_instance("w", farm="staging")], ids=["ours", "another's"]
)
def test_names_in_use_are_known(instance: Instance) -> None:
    assert "w" in open_ledger(make_snapshot(instances=(instance,))).names


def test_a_paused_name_is_known() -> None:
    paused = make_worker("w", connected=False, paused=True)
    assert "w" in open_ledger(make_snapshot(workers=make_workers(paused))).names


def test_a_name_that_was_taken_is_known() -> None:
    ledger = open_ledger()
    take(ledger, 1)
    assert "new-0" in ledger.names
