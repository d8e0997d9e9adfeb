"""`stop-idle` with a hand-filled scheduler database: whom it stops, what it writes and says."""

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from farmhand.tables.farm import workers
from farmhand.tables.launches import stops
from tests import scheduler_schemas
from tests.farm import BUILD, REGIONS, Farm
from tests.journal import create, instances, minutes_ago, read
from tests.stops import (
    RestServer,
    add_idle_machine,
    add_machine,
    fates,
    is_paused,
    set_connected,
    stop_idle,
    verdicts,
)

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

pytestmark = pytest.mark.integration
FIRST, SECOND, THIRD = (f"bld-linux64-{number:03d}" for number in (1, 2, 3))

NOT_OURS = (
    {"moz-loaned-to": "somebody"},
    {"moz-state": "disabled by buildduty"},
    {"moz-state": ""},
    {"moz-type": ""},
    {"farmhand:farm": "staging"},
    {"farmhand:farm": ""},
)


def test_an_idle_machine_stops_and_a_busy_one_stays(farm: Farm, master: RestServer) -> None:
    add_idle_machine(farm, FIRST)
    add_idle_machine(farm, SECOND, building=True)
    done = stop_idle(farm)
    assert (done.code, fates(done), farm.names()) == (0, {FIRST: "stopped"}, [SECOND])
    assert verdicts(done) == {FIRST: "idle", SECOND: "building"}
    assert [method for _, method in master.calls] == ["pause"]


def test_once_it_is_gone_its_name_is_free(farm: Farm, master: RestServer) -> None:
    add_idle_machine(farm, FIRST)
    stop_idle(farm)
    assert is_paused(farm, FIRST)
    assert fates(stop_idle(farm)) == {FIRST: "waiting"}  # its master has not noticed
    set_connected(farm, FIRST, connected=False)
    assert fates(stop_idle(farm)) == {FIRST: "cleared"}
    assert not is_paused(farm, FIRST)
    assert fates(stop_idle(farm)) == {}
    [row] = read(farm.database, stops)
    assert (row["state"], row["detail"], row["open_instance_id"]) == ("closed", "it is gone", None)


def test_machines_that_bear_such_tags_are_not_touched(farm: Farm, master: RestServer) -> None:
    for number, tags in enumerate(NOT_OURS):
        add_idle_machine(farm, f"bld-linux64-{number:03d}", tags=tags)
    done = stop_idle(farm)
    assert (done.code, len(farm.names())) == (0, len(NOT_OURS))
    assert (read(farm.database, stops), master.calls) == ([], [])


@pytest.mark.usefixtures("master")
def test_a_machine_whose_worker_slavealloc_has_disabled_is_not_touched(farm: Farm) -> None:
    with create(farm.database).begin() as connection:
        connection.execute(workers.insert().values(name=FIRST, enabled=False))
    add_idle_machine(farm, FIRST)
    assert verdicts(stop_idle(farm)) == {FIRST: "disabled"}
    assert farm.names() == [FIRST]


@pytest.mark.fault(
    "EC2 ignores the filters of DescribeInstanceStatus", "only the impaired machine stops"
)
@pytest.mark.usefixtures("master")
def test_impaired_machines_stop_and_healthy_ones_do_not_whatever_ec2_filters(farm: Farm) -> None:
    healthy, ill = (
        add_idle_machine(farm, n, last_complete_at=minutes_ago(1)) for n in (FIRST, SECOND)
    )
    assert healthy != ill
    farm.ec2.poke_instance(ill, impaired=True)
    done = stop_idle(farm)
    assert verdicts(done) == {FIRST: "idle_too_short", SECOND: "impaired"}
    assert farm.names() == [FIRST]


@pytest.mark.fault("more than 100 reservations while stop-idle looks", "every machine is judged")
@pytest.mark.usefixtures("master")
def test_machines_beyond_the_first_hundred_reservations_are_seen_too(
    farm: Farm, client: "EC2Client"
) -> None:
    for number in range(101):
        tags = {"Name": f"w-{number}", "moz-type": "bld-linux64", "farmhand:farm": "test"}
        client.run_instances(
            ImageId=farm.amis[REGIONS[0], "bld-linux64"],
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[
                {
                    "ResourceType": "instance",
                    "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
                }
            ],
        )
    assert len(verdicts(stop_idle(farm, "--dry-run"))) == 101


def test_a_waiting_job_keeps_an_idle_machine(farm: Farm, master: RestServer) -> None:
    for name in (FIRST, SECOND):
        add_idle_machine(farm, name)
    farm.add_pending(BUILD)
    done = stop_idle(farm)
    assert sorted(verdicts(done).values()) == ["idle", "needed"]
    assert len(farm.names()) == len(master.calls) == 1


@pytest.mark.usefixtures("master")
def test_the_minimums_are_kept(farm: Farm) -> None:
    for name in (FIRST, SECOND, THIRD):
        add_idle_machine(farm, name)
    farm.watch["stop_idle"] |= {"min_idle": {"bld-linux64": 1}, "min_running": {"bld-linux64": 2}}
    assert sorted(verdicts(stop_idle(farm)).values()) == ["idle", "minimum", "minimum"]
    assert len(farm.names()) == 2


# Machines that are not connected


@pytest.mark.parametrize(("age", "verdict"), [(19, "booting"), (21, "never_connected")])
def test_a_machine_that_never_connected_stops_when_it_was_seen_twice(
    farm: Farm, age: float, verdict: str
) -> None:
    add_idle_machine(farm, SECOND, building=True)
    add_machine(farm, FIRST, launched_at=minutes_ago(age))
    first = verdicts(stop_idle(farm))[FIRST]
    assert first == ("booting" if age < 20 else "between_rounds")
    assert verdicts(stop_idle(farm))[FIRST] == verdict
    assert (FIRST in farm.names()) is (verdict == "booting")


def test_a_machine_between_two_rounds_is_lost_when_it_does_not_come_back(farm: Farm) -> None:
    add_idle_machine(farm, FIRST, last_complete_at=minutes_ago(1))
    stop_idle(farm)
    set_connected(farm, FIRST, connected=False)
    assert verdicts(stop_idle(farm)) == {FIRST: "between_rounds"}
    with farm.database.begin() as connection:
        connection.execute(instances.update().values(last_connected_at=minutes_ago(11)))
    assert verdicts(stop_idle(farm)) == {FIRST: "lost"}
    assert farm.names() == []


@pytest.mark.fault(
    "a master crashed and left its workers as connected",
    "its machines are kept as master_away, for a day",
)
def test_nothing_is_lost_while_its_master_shows_no_life_unless_for_a_day(farm: Farm) -> None:
    add_idle_machine(farm, FIRST)
    change_masters(farm, "last_active = last_active - 700")  # as kill -9 leaves it
    assert verdicts(stop_idle(farm)) == {FIRST: "master_away"}
    with farm.database.begin() as connection:
        connection.execute(instances.update().values(last_connected_at=minutes_ago(20)))
    change_masters(farm, "active = 0, name_hash = 'retired', name = 'retired'")  # by another one
    scheduler_schemas.add_worker(farm.scheduler, "C", SECOND)
    assert verdicts(stop_idle(farm)) == {FIRST: "master_away"}
    change_masters(farm, "last_active = last_active - 86400", "active = 0")
    assert verdicts(stop_idle(farm)) == {FIRST: "lost"}


def change_masters(farm: Farm, change: str, where: str = "active = 1") -> None:
    with farm.scheduler.begin() as connection:
        connection.execute(sa.text(f"UPDATE masters SET {change} WHERE {where}"))


# run and stop-idle


def test_run_gives_nobody_the_name_of_a_machine_on_its_way_out_nor_counts_it(
    farm: Farm, master: RestServer
) -> None:
    add_idle_machine(farm, FIRST)
    stop_idle(farm)
    farm.add_pending(BUILD)
    farm.run()
    assert farm.names() == [SECOND]
    set_connected(farm, FIRST, connected=False)
    farm.add_pending(BUILD)
    farm.run()
    assert farm.names() == [SECOND, THIRD]  # it is gone, but its name is paused
    stop_idle(farm)
    farm.add_pending(BUILD)
    farm.run()
    assert farm.names() == [FIRST, SECOND, THIRD]
    assert [method for _, method in master.calls] == ["pause", "unpause"]
