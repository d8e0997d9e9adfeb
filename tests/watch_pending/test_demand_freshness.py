"""The original's freshness rule: what is young counts whole, what is old a tenth."""

from typing import Any

import pytest

from tests.builders import (
    HOUR,
    MINUTE,
    NOW,
    make_config,
    make_instance,
    make_instances,
    make_open_launch,
    make_snapshot,
    make_workers,
)
from tests.plans import make_demand, with_jacuzzis
from watch_pending.demand import count_original_need, reduce_by_freshness
from watch_pending.models import Demand, Instance


@pytest.mark.parametrize(
    ("need", "fresh", "old", "expected"),
    [
        pytest.param(100, 10, 30, 87, id="upstream's own"),
        pytest.param(100, 0, 9, 100, id="nine old give nothing"),
        pytest.param(100, 0, 10, 99, id="ten old give one"),
        pytest.param(100, 0, 19, 99, id="nineteen too"),
        pytest.param(5, 10, 0, 0, id="never below zero"),
        pytest.param(0, 0, 0, 0, id="nothing"),
    ],
)
def test_fresh_machines_count_whole_and_old_ones_a_tenth(
    need: int, fresh: int, old: int, expected: int
) -> None:
    assert reduce_by_freshness(need, fresh=fresh, old=old) == expected


def original_need(demand: Demand, *instances: Instance, **changes: Any) -> int:
    config = make_config(jacuzzis={"Linux a": tuple(demand.workers or ())})
    snapshot = with_jacuzzis(make_snapshot(instances=instances, **changes), config)
    return count_original_need(demand, snapshot, config, NOW)


@pytest.mark.parametrize(("minutes", "need"), [(9, 0), (10, 0), (19, 0), (20, 1), (21, 1)], ids=str)
def test_fresh_is_younger_than_20_minutes(minutes: int, need: int) -> None:
    assert original_need(make_demand(), make_instance(age=minutes * MINUTE)) == need


@pytest.mark.parametrize(("minutes", "need"), [(9, 0), (10, 1), (19, 1)], ids=str)
def test_fresh_is_younger_than_10_minutes_in_a_jacuzzi(minutes: int, need: int) -> None:
    demand = make_demand(workers=["bld-001"])
    assert original_need(demand, make_instance(age=minutes * MINUTE)) == need


def test_upstreams_own_numbers() -> None:
    fresh = [make_instance(f"fresh-{i}", age=MINUTE) for i in range(10)]
    old = [make_instance(f"old-{i}", age=HOUR) for i in range(30)]
    assert original_need(make_demand(100), *fresh, *old) == 87


def test_old_machines_give_no_discount_in_a_jacuzzi() -> None:
    instances = make_instances(10, age=HOUR)
    demand = make_demand(100, workers=[instance.name for instance in instances])
    assert original_need(demand, *instances) == 100


@pytest.mark.parametrize(
    "changes",
    [{"state": "stopped"}, {"farm": "staging"}, {"instance_type": "win"}, {"name": "allocated"}],
    ids=str,
)
def test_machines_that_do_not_serve_are_not_fresh(changes: dict[str, Any]) -> None:
    config = make_config(jacuzzis={"Linux a": ("allocated",)})
    instances = (make_instance(age=MINUTE, **changes),)
    snapshot = with_jacuzzis(make_snapshot(instances=instances), config)
    assert count_original_need(make_demand(), snapshot, config, NOW) == 1


def test_a_launch_in_the_journal_is_fresh() -> None:
    assert original_need(make_demand(3), open_launches=(make_open_launch(),)) == 2


def test_whether_it_is_idle_does_not_matter_to_the_original() -> None:
    assert original_need(make_demand(), make_instance(), workers=make_workers("bld-001")) == 1
