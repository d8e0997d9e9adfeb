"""What may still be spent: limits, addresses, names; test_ledger_money.py has the money."""

from typing import Any

import pytest

from tests.builders import (
    EAST,
    WEST,
    make_instance,
    make_instances,
    make_on_demand,
    make_open_launch,
    make_snapshot,
    make_spot,
    make_subnet,
    make_worker,
    make_workers,
)
from tests.ledgers import (
    OFFER,
    ON_DEMAND,
    ON_DEMAND_OFFER,
    SPOT,
    SUBNETS,
    open_ledger,
    refused_by,
    take,
    why_not,
)
from tests.plans import make_exhausted
from watch_pending.config_machines import Market, OnDemand, Spot
from watch_pending.ledger import NO_LIMIT, Refusal
from watch_pending.models import Instance, Offer

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
