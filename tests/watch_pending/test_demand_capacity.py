"""Machines → capacity: whose they are, which of them count, and for which jacuzzi."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from farmhand.tables import metadata
from tests.builders import (
    HOUR,
    MINUTE,
    NOW,
    make_config,
    make_instance,
    make_inventory,
    make_open_launch,
    make_snapshot,
    make_worker,
    make_workers,
)
from tests.journal import add_instance, minutes_ago
from tests.plans import make_demand, with_jacuzzis
from watch_pending.config import WatchPending
from watch_pending.config_machines import Market
from watch_pending.demand import measure_capacity, names_in_use, own_instances
from watch_pending.instance_queries import read_known_instances
from watch_pending.models import Capacity, Demand, Instance, Snapshot, WorkerStatus

IDLE, IN_FLIGHT, NEITHER = Capacity(idle=1), Capacity(in_flight=1), Capacity()
YOUNG, OLD = timedelta(minutes=5), timedelta(hours=2)


def measure(
    snapshot: Snapshot, *demands: Demand, config: WatchPending | None = None
) -> tuple[Capacity, ...]:
    """Measure for these demands; their sets of workers are the jacuzzis."""
    demands = demands or (make_demand(),)
    jacuzzis = {str(i): tuple(each.workers or ()) for i, each in enumerate(demands)}
    config = config or make_config(jacuzzis=jacuzzis)
    return measure_capacity(demands, with_jacuzzis(snapshot, config), config, NOW)


def measure_one(instance: Instance, worker: WorkerStatus | None, **config: Any) -> Capacity:
    snapshot = make_snapshot(
        instances=(instance,), workers=make_workers(*([worker] if worker else []))
    )
    return measure(snapshot, config=make_config(**config))[0]


# Whose machines, whose names


@pytest.mark.parametrize(
    ("changes", "own"),
    [
        ({}, True),
        ({"state": "pending"}, True),
        ({"state": "stopping"}, True),
        ({"state": "stopped"}, True),
        ({"state": "shutting-down"}, False),
        ({"state": "terminated"}, False),
        ({"farm": "staging"}, False),
        ({"farm": None}, False),
    ],
    ids=str,
)
def test_a_farms_machines_are_the_live_ones_that_bear_its_name(
    changes: dict[str, Any], own: bool
) -> None:
    snapshot = make_snapshot(instances=(make_instance(**changes),))
    assert bool(own_instances(snapshot)) is own


@pytest.mark.parametrize(
    ("changes", "in_use"),
    [
        ({}, True),
        ({"farm": "staging"}, True),
        ({"farm": None}, True),
        ({"region": "eu-west-1"}, True),
        ({"state": "stopped"}, True),
        ({"state": "shutting-down"}, True),
        ({"state": "terminated"}, False),
    ],
    ids=str,
)
def test_an_instance_keeps_its_name_until_it_is_gone(changes: dict[str, Any], in_use: bool) -> None:
    snapshot = make_snapshot(instances=(make_instance("w", **changes),))
    assert ("w" in names_in_use(snapshot)) is in_use


@pytest.mark.parametrize(
    ("worker", "in_use"),
    [
        ({}, True),
        ({"building": True}, True),
        ({"connected": False, "paused": True}, True),
        ({"connected": False, "graceful": True}, False),
        ({"connected": False}, False),
    ],
    ids=str,
)
def test_a_worker_that_is_connected_or_paused_keeps_its_name(
    worker: dict[str, Any], in_use: bool
) -> None:
    snapshot = make_snapshot(workers=make_workers(make_worker("w", **worker)))
    assert ("w" in names_in_use(snapshot)) is in_use


def test_a_name_in_the_journal_is_in_use() -> None:
    assert names_in_use(make_snapshot(open_launches=(make_open_launch("w"),))) == {"w"}


@pytest.mark.parametrize(
    ("worker", "in_use"),
    [
        ({}, False),
        ({"enabled": False}, True),
        ({"market": None}, True),
        ({"market": None, "instance_type": None}, True),
    ],
    ids=str,
)
def test_hardware_and_disabled_workers_keep_their_names(
    worker: dict[str, Any], in_use: bool
) -> None:
    snapshot = make_snapshot(inventory=make_inventory("w", **worker))
    assert ("w" in names_in_use(snapshot)) is in_use


def test_names_are_known_without_knowing_who_is_connected() -> None:
    assert names_in_use(make_snapshot(workers=None, instances=(make_instance("w"),))) == {"w"}


# Machines → capacity


@pytest.mark.parametrize(
    ("age", "seen", "worker", "capacity"),
    [
        pytest.param(OLD, None, {}, IDLE, id="idle"),
        pytest.param(YOUNG, None, {}, IDLE, id="idle and young counts once"),
        pytest.param(OLD, None, {"building": True}, NEITHER, id="building"),
        pytest.param(YOUNG, YOUNG, {"building": True}, NEITHER, id="young and building"),
        pytest.param(YOUNG, None, {"paused": True}, NEITHER, id="paused"),
        pytest.param(OLD, None, {"graceful": True}, IN_FLIGHT, id="ends its round"),
        pytest.param(
            OLD, None, {"graceful": True, "building": True}, NEITHER, id="ends its round, building"
        ),
        pytest.param(
            OLD, None, {"graceful": True, "paused": True}, NEITHER, id="ends its round, paused"
        ),
        pytest.param(YOUNG, None, None, IN_FLIGHT, id="booting, never seen"),
        pytest.param(YOUNG, None, {"connected": False}, IN_FLIGHT, id="booting, known"),
        pytest.param(
            YOUNG, None, {"connected": False, "paused": True}, NEITHER, id="booting, paused"
        ),
        pytest.param(OLD, MINUTE, {"connected": False}, IN_FLIGHT, id="between rounds"),
        pytest.param(
            OLD, MINUTE, {"connected": False, "paused": True}, NEITHER, id="between rounds, paused"
        ),
        pytest.param(OLD, HOUR, {"connected": False}, NEITHER, id="silent"),
        pytest.param(OLD, None, None, NEITHER, id="never connected"),
        pytest.param(timedelta(seconds=1199), None, None, IN_FLIGHT, id="about to be late"),
        pytest.param(timedelta(seconds=1200), None, None, NEITHER, id="late"),
        pytest.param(OLD, timedelta(seconds=599), None, IN_FLIGHT, id="round about to be late"),
        pytest.param(OLD, timedelta(seconds=600), None, NEITHER, id="round late"),
        pytest.param(-MINUTE, None, None, IN_FLIGHT, id="EC2's clock is ahead"),
    ],
)
def test_a_machine_counts_if_it_takes_a_job_by_itself(
    age: timedelta, seen: timedelta | None, worker: dict[str, Any] | None, capacity: Capacity
) -> None:
    status = None if worker is None else make_worker(**worker)
    assert measure_one(make_instance(age=age, seen=seen), status) == capacity


@pytest.mark.parametrize(
    ("changes", "capacity"),
    [
        ({}, IN_FLIGHT),
        ({"state": "pending"}, IN_FLIGHT),
        ({"state": "stopping"}, NEITHER),
        ({"state": "stopped"}, NEITHER),
        ({"state": "terminated"}, NEITHER),
        ({"farm": "staging"}, NEITHER),
        ({"instance_type": "win"}, NEITHER),
        ({"market": Market.ON_DEMAND}, IN_FLIGHT),
        ({"region": "us-west-2"}, IN_FLIGHT),
    ],
    ids=str,
)
def test_only_up_machines_of_this_farm_and_type_count(
    changes: dict[str, Any], capacity: Capacity
) -> None:
    assert measure_one(make_instance(age=YOUNG, **changes), None) == capacity


def test_the_boot_deadline_is_configured() -> None:
    assert measure_one(make_instance(age=HOUR), None, boot_deadline_s=3601) == IN_FLIGHT


@pytest.mark.parametrize(("round_gap_s", "capacity"), [(3500, NEITHER), (3700, IN_FLIGHT)])
def test_the_round_gap_is_configured_and_the_database_s_clock_counts(
    round_gap_s: float, capacity: Capacity
) -> None:
    engine = sa.create_engine("sqlite://")
    metadata.create_all(engine)
    add_instance(engine, "w1", seen=minutes_ago(60), instance_type="bld")
    with engine.begin() as connection:
        [(known, _)] = read_known_instances(connection, "test", round_gap_s).values()
    assert measure_one(replace(known, launched_at=NOW - OLD), None) == capacity


def test_a_launch_in_the_journal_is_in_flight() -> None:
    assert measure(make_snapshot(open_launches=(make_open_launch(),))) == (IN_FLIGHT,)


def test_idle_hardware_counts() -> None:
    inventory = make_inventory("metal", market=None)
    snapshot = make_snapshot(inventory=inventory, workers=make_workers("metal"))
    assert measure(snapshot) == (IDLE,)


@pytest.mark.parametrize("changes", [{"enabled": False}, {"instance_type": None}], ids=str)
def test_idle_hardware_that_is_disabled_or_of_no_type_counts_for_nothing(
    changes: dict[str, Any],
) -> None:
    inventory = make_inventory("metal", market=None, **changes)
    snapshot = make_snapshot(inventory=inventory, workers=make_workers("metal"))
    assert measure(snapshot) == (NEITHER,)


def test_a_cloud_worker_counts_by_its_instance() -> None:
    inventory = make_inventory("bld-001")
    snapshot = make_snapshot(inventory=inventory, workers=make_workers("bld-001"))
    assert measure(snapshot) == (NEITHER,)


def test_a_connected_worker_that_nobody_knows_counts_for_nothing() -> None:
    assert measure(make_snapshot(workers=make_workers("stranger"))) == (NEITHER,)


def test_without_connections_in_the_database_only_booting_machines_count() -> None:
    young, old = make_instance("w1", age=YOUNG), make_instance("w2", age=OLD)
    assert measure(make_snapshot(workers=None, instances=(young, old))) == (IN_FLIGHT,)


# Capacity and jacuzzis


def idle_snapshot(*names: str) -> Snapshot:
    instances = tuple(make_instance(name) for name in names)
    return make_snapshot(instances=instances, workers=make_workers(*names))


def test_a_jacuzzi_counts_its_own_machines_only() -> None:
    assert measure(idle_snapshot("w1", "w2"), make_demand(workers=["w1"])) == (IDLE,)


def test_a_job_without_a_jacuzzi_never_counts_an_allocated_machine() -> None:
    demands = [make_demand(workers=["w1"]), make_demand()]
    assert measure(idle_snapshot("w1"), *demands) == (IDLE, NEITHER)


def test_nor_one_of_a_jacuzzi_for_which_nothing_waits() -> None:
    config = make_config(jacuzzis={"Linux a": ("w1",)})
    assert measure(idle_snapshot("w1"), make_demand(), config=config) == (NEITHER,)


def test_an_idle_machine_of_two_jacuzzis_counts_once() -> None:
    demands = [make_demand(workers=["w1"]), make_demand(workers=["w1", "w2"])]
    assert measure(idle_snapshot("w1"), *demands) == (IDLE, NEITHER)


def test_what_the_first_jacuzzi_does_not_need_the_second_gets() -> None:
    demands = [make_demand(workers=["w1", "w2"]), make_demand(workers=["w1", "w2", "w3"])]
    second = measure(idle_snapshot("w1", "w2"), *demands)[1]
    assert second == IDLE


@pytest.mark.parametrize("names", [("w1", "w2"), ("w2", "w1")])
def test_a_jacuzzi_leaves_to_another_what_it_can_spare(names: tuple[str, ...]) -> None:
    demands = [make_demand(workers=["w1", "w2"]), make_demand(workers=["w1"])]
    assert measure(idle_snapshot(*names), *demands) == (IDLE, IDLE)


def test_jacuzzis_leave_each_other_what_they_can_spare_in_a_ring() -> None:
    sets = [["w1", "w2"], ["w2", "w3"], ["w1"]]
    demands = [make_demand(workers=each) for each in sets]
    assert measure(idle_snapshot("w1", "w2", "w3"), *demands) == (IDLE, IDLE, IDLE)


def test_a_machine_of_another_type_is_no_use_to_a_jacuzzi() -> None:
    demand = make_demand(workers=["w1"], instance_type="win")
    assert measure(idle_snapshot("w1"), demand) == (NEITHER,)


def test_a_name_that_two_instances_bear_counts_once() -> None:
    twins = tuple(make_instance("w1", age=YOUNG, instance_id=each) for each in ("i-1", "i-2"))
    assert measure(make_snapshot(instances=twins)) == (IN_FLIGHT,)
