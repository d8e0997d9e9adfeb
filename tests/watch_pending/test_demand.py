"""Pending requests → demands, and how many machines each needs."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.builders import HOUR, NOW, make_pending
from tests.plans import make_demand
from watch_pending.buildermap import compile_buildermap
from watch_pending.demand import count_need, group_demands
from watch_pending.models import Capacity, Demand, PendingRequests
from watch_pending.source_models import Jacuzzis


def group(
    *pending: PendingRequests, jacuzzis: Mapping[str, tuple[str, ...]] | None = None
) -> tuple[Demand, ...]:
    rules = compile_buildermap({"Linux": "bld", "Win": "win"})
    return group_demands(pending, rules, Jacuzzis.of(jacuzzis or {}))[0]


def unmatched(*pending: PendingRequests) -> dict[str, int]:
    return group_demands(pending, compile_buildermap({"Linux": "bld"}), Jacuzzis())[1]


# Requests → demands


def test_builders_of_a_type_add_up() -> None:
    (demand,) = group(make_pending("Linux a", 3), make_pending("Linux b", 4))
    assert (demand.pending, demand.builders) == (7, ("Linux a", "Linux b"))


def test_a_builder_with_two_priorities_is_named_once() -> None:
    (demand,) = group(make_pending("Linux"), make_pending("Linux", priority=5))
    assert (demand.pending, demand.builders) == (2, ("Linux",))


def test_types_are_apart() -> None:
    assert [d.instance_type for d in group(make_pending("Win"), make_pending("Linux"))] == [
        "bld",
        "win",
    ]


def test_a_demand_is_as_urgent_as_its_most_urgent_request() -> None:
    older = make_pending("Linux a", priority=-1, oldest=NOW - HOUR)
    (demand,) = group(older, make_pending("Linux b", priority=3))
    assert (demand.priority, demand.oldest) == (3, NOW - HOUR)


@pytest.mark.parametrize(
    ("linux", "win", "first"),
    [
        pytest.param({"priority": 1}, {"oldest": NOW - HOUR}, "bld", id="priority"),
        pytest.param({}, {"oldest": NOW - HOUR}, "win", id="then age"),
        pytest.param({}, {}, "bld", id="then name"),
    ],
)
def test_the_most_urgent_demand_comes_first(
    linux: dict[str, Any], win: dict[str, Any], first: str
) -> None:
    demands = group(make_pending("Win", **win), make_pending("Linux", **linux))
    assert demands[0].instance_type == first


def test_unmatched_requests_are_counted_by_builder() -> None:
    pending = [make_pending("Mac", 2), make_pending("Mac", 3, priority=1), make_pending("Linux")]
    assert unmatched(*pending) == {"Mac": 5}


def test_unmatched_requests_are_no_demand() -> None:
    assert group(make_pending("Mac")) == ()


@pytest.mark.parametrize("builder", ["Linux\nx", "Linux 🦊", "Linux " + "x" * 10_000])
def test_a_builder_may_have_any_name(builder: str) -> None:
    assert group(make_pending(builder))[0].builders == (builder,)


@pytest.mark.parametrize("builder", ["\nLinux", "🦊", "x" * 10_000, ""])
def test_an_unmatched_builder_may_have_any_name(builder: str) -> None:
    assert unmatched(make_pending(builder)) == {builder: 1}


# Jacuzzis


def test_a_jacuzzi_is_a_demand_of_its_own() -> None:
    demands = group(
        make_pending("Linux a"), make_pending("Linux b"), jacuzzis={"Linux a": ("w1", "w2")}
    )
    assert [demand.key for demand in demands] == [("bld", None), ("bld", frozenset({"w1", "w2"}))]


def test_builders_that_share_a_set_of_workers_add_up() -> None:
    jacuzzis = {"Linux a": ("w1", "w2"), "Linux b": ("w2", "w1", "w1")}
    (demand,) = group(make_pending("Linux a", 3), make_pending("Linux b", 4), jacuzzis=jacuzzis)
    assert demand.pending == 7


def test_one_set_of_workers_is_two_demands_for_two_types() -> None:
    jacuzzis = {"Linux": ("w1",), "Win": ("w1",)}
    assert len(group(make_pending("Linux"), make_pending("Win"), jacuzzis=jacuzzis)) == 2


def test_an_empty_jacuzzi_is_not_the_lack_of_one() -> None:
    demands = group(make_pending("Linux a"), make_pending("Linux b"), jacuzzis={"Linux a": ()})
    assert [demand.workers for demand in demands] == [None, frozenset()]


def test_the_order_of_requests_does_not_matter_to_an_empty_jacuzzi() -> None:
    pending = [make_pending("Linux a"), make_pending("Linux b")]
    jacuzzis: dict[str, tuple[str, ...]] = {"Linux a": ()}
    assert group(*pending, jacuzzis=jacuzzis) == group(*pending[::-1], jacuzzis=jacuzzis)


# Capacity → need


@pytest.mark.parametrize(
    ("pending", "idle", "in_flight", "need"),
    [(10, 0, 0, 10), (10, 3, 2, 5), (10, 10, 0, 0), (10, 0, 11, 0), (1, 9, 9, 0), (0, 0, 0, 0)],
)
def test_need_is_pending_less_idle_less_in_flight_and_never_below_zero(
    pending: int, idle: int, in_flight: int, need: int
) -> None:
    capacity = Capacity(idle=idle, in_flight=in_flight)
    assert count_need(make_demand(pending), capacity) == need
