"""Which names may be given."""

from collections.abc import Iterable

import pytest

from tests.builders import make_instance_type, make_inventory
from tests.plans import make_demand
from watch_pending.config_machines import Market
from watch_pending.models import InventoryWorker
from watch_pending.names import MAX_NUMBER, candidate_names, find_names

SPOT, ON_DEMAND = Market.SPOT, Market.ON_DEMAND


def names(
    pattern: str | dict[Market, str] = "bld-%03d",
    market: Market = SPOT,
    *,
    inventory: Iterable[InventoryWorker] = (),
    in_use: Iterable[str] = (),
    workers: Iterable[str] | None = None,
    allocated: Iterable[str] = (),
    most: int = 2,
) -> list[str]:
    return find_names(
        candidate_names(make_instance_type(pattern), market, inventory),
        make_demand(workers=None if workers is None else frozenset(workers)),
        in_use=frozenset(in_use),
        allocated=frozenset(allocated),
        most=most,
    )


def test_names_are_given_lowest_first() -> None:
    assert names() == ["bld-001", "bld-002"]


def test_a_name_in_use_is_not_given() -> None:
    assert names(in_use=["bld-001"]) == ["bld-002", "bld-003"]


@pytest.mark.parametrize("most", [0, 1, 5])
def test_no_more_names_are_given_than_asked_for(most: int) -> None:
    assert len(names(most=most)) == most


def test_a_pattern_ends_somewhere() -> None:
    assert len(names(most=MAX_NUMBER + 1)) == MAX_NUMBER


@pytest.mark.parametrize(("market", "first"), [(SPOT, "bld-spot-001"), (ON_DEMAND, "bld-ec2-001")])
def test_each_market_has_its_pattern(market: Market, first: str) -> None:
    pattern = {SPOT: "bld-spot-%03d", ON_DEMAND: "bld-ec2-%03d"}
    assert names(pattern, market, most=1) == [first]


def test_a_market_without_pattern_has_no_names() -> None:
    assert names({SPOT: "bld-spot-%03d"}, ON_DEMAND) == []


def test_inventory_names_are_given_lowest_first() -> None:
    assert names("workers", inventory=make_inventory("b", "c", "a")) == ["a", "b"]


def test_inventory_names_belong_to_one_market() -> None:
    assert names("workers", ON_DEMAND, inventory=make_inventory("a", market=SPOT)) == []


def test_hardware_gives_no_names() -> None:
    assert names("workers", inventory=make_inventory("a", market=None)) == []


def test_a_disabled_worker_gives_no_name() -> None:
    assert names("workers", inventory=make_inventory("a", enabled=False)) == []


def test_an_inventory_name_in_use_is_not_given() -> None:
    assert names("workers", inventory=make_inventory("a", "b"), in_use=["a"]) == ["b"]


def test_a_type_with_a_pattern_needs_no_inventory() -> None:
    assert names(inventory=make_inventory("a"), most=1) == ["bld-001"]


def test_a_jacuzzi_gives_its_own_names_only() -> None:
    workers = {"bld-007", "bld-003"}
    assert names(workers=workers, allocated=workers, most=5) == ["bld-003", "bld-007"]


def test_an_empty_jacuzzi_gives_no_names() -> None:
    assert names(workers=[]) == []


def test_a_job_without_a_jacuzzi_never_gets_an_allocated_name() -> None:
    assert names(allocated=["bld-001", "bld-002"]) == ["bld-003", "bld-004"]


def test_a_jacuzzi_does_not_make_up_names_that_the_type_has_not() -> None:
    assert names("workers", workers=["a", "z"], inventory=make_inventory("a", "b")) == ["a"]
