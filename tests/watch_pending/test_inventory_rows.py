"""What a row of slavealloc's list says of a worker: its type, its market, whether it is enabled."""

from typing import Any

import pytest

from tests.builders import EAST
from watch_pending.config_machines import Market
from watch_pending.inventory_rows import read_rows
from watch_pending.source_models import InventoryWorker

TYPES = {
    "bld": {"bitlength": "64", "purpose": "build"},
    "try": {"bitlength": "64", "trustlevel": "try"},
    "all": {"bitlength": "64"},
}


def read(**row: Any) -> InventoryWorker:
    [worker] = read_rows([{"name": "w", "enabled": True} | row], TYPES, (EAST,))
    return worker


@pytest.mark.parametrize(
    ("row", "instance_type"),
    [
        pytest.param({"instance_type": "own", "bitlength": "64"}, "own", id="its own"),
        pytest.param({"bitlength": "64", "purpose": "build"}, "bld", id="all fields fit"),
        pytest.param({"bitlength": 64, "purpose": "build"}, "bld", id="a number"),
        pytest.param({"bitlength": "64", "trustlevel": "try"}, "try", id="the second"),
        pytest.param(
            {"bitlength": "64", "purpose": "build", "trustlevel": "try"}, "bld", id="the first"
        ),
        pytest.param({"instance_type": None, "bitlength": "64"}, "all", id="fewer fields"),
        pytest.param({"bitlength": "32"}, None, id="none fits"),
        pytest.param({}, None, id="no field"),
    ],
)
def test_the_type_is_the_rows_own_or_the_first_that_fits(
    row: dict[str, Any], instance_type: str | None
) -> None:
    assert read(**row).instance_type == instance_type


@pytest.mark.parametrize(
    ("row", "market"),
    [
        pytest.param({"name": "b-spot-1", "market": "on-demand"}, Market.ON_DEMAND, id="its own"),
        pytest.param({"name": "b-spot-1", "datacenter": "scl3"}, Market.SPOT, id="by its name"),
        pytest.param({"datacenter": EAST}, Market.ON_DEMAND, id="in a region of ours"),
        pytest.param({"datacenter": "scl3"}, None, id="hardware"),
        pytest.param({"datacenter": None, "market": None}, None, id="nowhere"),
    ],
)
def test_the_market_is_the_rows_own_or_told_by_name_and_place(
    row: dict[str, Any], market: Market | None
) -> None:
    assert read(**row).market is market


@pytest.mark.parametrize(("said", "enabled"), [(True, True), (1, True), (False, False), (0, False)])
def test_enabled_may_be_a_number(said: object, enabled: bool) -> None:
    assert read(enabled=said).enabled is enabled


def test_a_market_that_there_is_not_disables_a_worker() -> None:
    assert read(market="spto") == InventoryWorker(
        name="w", instance_type=None, market=None, enabled=False
    )


@pytest.mark.parametrize(
    "document",
    [
        {"slaves": []},
        None,
        ["w"],
        [{"enabled": True}],
        [{"name": 1, "enabled": True}],
        [{"name": "w"}],
        [{"name": "w", "enabled": None}],
        [{"name": "w", "enabled": [1]}],
        [{"name": "w\n", "enabled": True}],
    ],
    ids=str,
)
def test_what_is_no_list_of_workers_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match="worker"):
        read_rows(document, TYPES, (EAST,))


@pytest.mark.parametrize("field", ["market", "datacenter", "instance_type", "bitlength"])
def test_a_field_of_a_strange_kind_says_nothing(field: str) -> None:
    worker = read(**{field: {"a": [1]}})
    assert (worker.instance_type, worker.market) == (None, None)


def test_workers_are_in_order() -> None:
    rows = [{"name": name, "enabled": True} for name in ("c", "a", "b")]
    assert [worker.name for worker in read_rows(rows, {}, ())] == ["a", "b", "c"]
