"""What counts as capacity, through the real tables: who is connected, who boots, who comes back."""

from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa

from tests import scheduler_schemas
from tests.farm import BUILD, Farm
from tests.journal import (
    add_instance,
    create,
    instances,
    minutes_ago,
    numbered,
    read,
    workers,
    write,
)

pytestmark = pytest.mark.integration
FIRST = "bld-linux64-001"


def add_worker(farm: Farm, name: str = FIRST, **more: Any) -> None:
    scheduler_schemas.add_worker(farm.scheduler, "C", name, **more)


def disconnect_all(farm: Farm) -> None:
    with farm.scheduler.begin() as connection:
        connection.execute(sa.text("DELETE FROM connected_workers"))


def last_connected_at(farm: Farm) -> datetime | None:
    [row] = read(farm.database, instances)
    connected_at: datetime | None = row["last_connected_at"]
    return connected_at


@pytest.mark.parametrize(
    ("worker", "launched"),
    [
        pytest.param({}, 0, id="idle"),
        pytest.param({"building": True}, 1, id="building"),
        pytest.param({"paused": 1}, 1, id="paused"),
        pytest.param({"graceful": 1}, 0, id="ending its round"),
        pytest.param({"graceful": 1, "building": True}, 1, id="ending its round, building"),
        pytest.param({"connected": False}, 1, id="gone for long"),
        pytest.param({"connected": False, "paused": 1}, 1, id="gone and paused"),
    ],
)
def test_an_instance_whose_worker_is(farm: Farm, worker: dict[str, Any], launched: int) -> None:
    add_instance(create(farm.database), FIRST, seen=minutes_ago(1), last_connected_at=None)
    add_worker(farm, **worker)
    farm.add_pending()
    farm.run()
    assert len(farm.names()) == launched


@pytest.mark.parametrize(
    ("connected", "launched"),
    [
        pytest.param(9, 0, id="between rounds"),
        pytest.param(11, 1, id="after the longest round gap"),
    ],
)
def test_a_worker_that_was_connected_is(farm: Farm, connected: float, launched: int) -> None:
    seen = minutes_ago(connected)
    add_instance(create(farm.database), FIRST, seen=minutes_ago(1), last_connected_at=seen)
    farm.add_pending()
    farm.run()
    assert len(farm.names()) == launched


def test_a_paused_worker_is_not_between_rounds(farm: Farm) -> None:
    add_instance(create(farm.database), FIRST, seen=minutes_ago(1))
    add_worker(farm, connected=False, paused=1)
    farm.add_pending()
    farm.run()
    assert farm.names() == ["bld-linux64-002"]


@pytest.mark.parametrize(
    ("age", "launched"), [pytest.param(19, 0, id="boots"), pytest.param(21, 1, id="never came")]
)
def test_a_young_instance(farm: Farm, age: float, launched: int) -> None:
    engine, launched_at = create(farm.database), minutes_ago(age)
    seen = minutes_ago(1)
    add_instance(engine, FIRST, seen=seen, last_connected_at=None, launched_at=launched_at)
    farm.add_pending()
    farm.run()
    assert len(farm.names()) == launched


def test_ec2_says_which_instances_still_count(farm: Farm) -> None:
    farm.add_pending(BUILD, 4)
    farm.run()
    first, second, third, _ = sorted(farm.ec2.instances(), key=lambda item: str(item["name"]))
    farm.ec2.poke_instance(first["id"], state="stopped")  # no capacity, but it keeps its name
    farm.ec2.poke_instance(second["id"], state="terminated")  # its name is free
    farm.ec2.poke_instance(third["id"], launch_time=minutes_ago(21))  # too old to boot
    farm.run()
    assert farm.names() == numbered(6)
    assert len(farm.ec2.instances()) == 7


def test_who_is_connected_is_written_down(farm: Farm) -> None:
    add_instance(create(farm.database), FIRST, seen=minutes_ago(1), last_connected_at=None)
    add_worker(farm)
    farm.add_pending()
    farm.run()
    assert (last_connected_at(farm) or minutes_ago(60)) > minutes_ago(1)


def test_who_is_connected_is_written_down_when_nothing_is_to_do(farm: Farm) -> None:
    add_instance(create(farm.database), FIRST, seen=minutes_ago(1), last_connected_at=None)
    add_worker(farm)
    farm.run()
    assert farm.ec2.calls() == []
    assert (last_connected_at(farm) or minutes_ago(60)) > minutes_ago(1)


def test_a_dry_run_writes_down_nobody(farm: Farm) -> None:
    add_instance(create(farm.database), FIRST, seen=minutes_ago(1), last_connected_at=None)
    add_worker(farm)
    farm.run("--dry-run")
    assert last_connected_at(farm) is None


def test_a_machine_between_rounds_is_waited_for_and_then_replaced(farm: Farm) -> None:
    farm.add_pending()
    farm.run()
    [instance] = farm.ec2.instances()
    farm.ec2.poke_instance(instance["id"], launch_time=minutes_ago(60))
    add_worker(farm)
    farm.run()
    disconnect_all(farm)
    farm.run()
    assert farm.names() == numbered(1)
    write(farm.database, instances.update().values(last_connected_at=minutes_ago(11)))
    farm.run()
    assert farm.names() == numbered(2)


def test_idle_hardware_is_capacity(farm: Farm) -> None:
    engine = create(farm.database)
    with engine.begin() as connection:
        connection.execute(workers.insert().values(name="mac-1", instance_type="bld-linux64"))
    add_worker(farm, "mac-1")
    farm.add_pending(BUILD, 2)
    farm.run()
    assert farm.names() == numbered(1)


def test_a_name_that_a_connected_worker_bears_is_not_given(farm: Farm) -> None:
    add_worker(farm, building=True)
    farm.add_pending()
    farm.run()
    assert farm.names() == ["bld-linux64-002"]


def test_a_name_that_is_still_paused_is_not_given(farm: Farm) -> None:
    add_worker(farm, connected=False, paused=1)
    farm.add_pending()
    farm.run()
    assert farm.names() == ["bld-linux64-002"]
