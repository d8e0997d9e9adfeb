"""`stop-idle` on bad days: EC2 refuses, clocks are wrong, two run at once; and old databases."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from farmhand.tables.launches import stops
from tests import scheduler_schemas
from tests.ec2_control import Ec2Server
from tests.farm import BUILD, Farm
from tests.journal import create, finish, minutes_ago, read, shared_database, wait_until
from tests.scheduler_schemas import Shape
from tests.services import DatabaseServer
from tests.stops import (
    RestServer,
    add_idle_machine,
    add_machine,
    fates,
    is_paused,
    master_of,
    states,
    stop_idle,
    verdicts,
)

pytestmark = pytest.mark.integration
FIRST, SECOND, THIRD = (f"bld-linux64-{number:03d}" for number in (1, 2, 3))
HOSTS = ("one", "two")


# EC2


@pytest.mark.fault(
    "EC2 no longer knows one of the instances to terminate",
    "it counts as stopped and the others are terminated; exit 0",
)
def test_one_id_that_ec2_no_longer_knows_does_not_keep_the_others(
    farm: Farm, master: RestServer
) -> None:
    add_idle_machine(farm, FIRST)
    gone = add_idle_machine(farm, SECOND)
    code, message = "InvalidInstanceID.NotFound", f"The instance ID '{gone}' does not exist"
    for position, left in (("InstanceId.2", 1), ("InstanceId.1", None)):
        match = {position: gone if left is None else "i-*"}
        farm.ec2.add_fault(
            action="TerminateInstances", match=match, code=code, message=message, left=left
        )
    done = stop_idle(farm)
    assert (done.code, fates(done)) == (0, {FIRST: "stopped", SECOND: "stopped"})
    assert farm.names() == [SECOND]  # as far as the stand-in is concerned
    assert len(farm.ec2.calls("TerminateInstances")) == 3


@pytest.mark.fault(
    "one instance is protected from termination",
    "the others are stopped; it is unpaused and AWS's words are logged; exit 3",
)
def test_one_machine_that_is_protected_does_not_keep_the_others_and_is_let_go(
    farm: Farm, master: RestServer
) -> None:
    add_idle_machine(farm, FIRST)
    kept = add_idle_machine(farm, SECOND)
    code, message = "OperationNotPermitted", f"The instance '{kept}' may not be terminated."
    for match, left in (({"InstanceId.2": "i-*"}, 1), ({"InstanceId.1": kept}, None)):
        farm.ec2.add_fault(
            action="TerminateInstances", match=match, code=code, message=message, left=left
        )
    done = stop_idle(farm)
    assert (done.code, fates(done)) == (3, {FIRST: "stopped", SECOND: "failed"})
    assert "may not be terminated" in done.err
    assert (farm.names(), is_paused(farm, SECOND)) == ([SECOND], False)


@pytest.mark.fault(
    "TerminateInstances is refused (UnauthorizedOperation)",
    "the machines are unpaused again; exit 3",
)
def test_machines_that_we_may_not_terminate_are_unpaused_again(
    farm: Farm, master: RestServer
) -> None:
    add_idle_machine(farm, FIRST)
    farm.ec2.add_fault(action="TerminateInstances", code="UnauthorizedOperation")
    done = stop_idle(farm)
    assert (done.code, fates(done), farm.names()) == (3, {FIRST: "failed"}, [FIRST])
    assert (is_paused(farm, FIRST), states(farm.database)) == (False, ["closed"])


@pytest.mark.fault(
    "TerminateInstances hangs in one region",
    "the other region's machines stop; that region: no answer in time; exit 3",
)
@pytest.mark.soak  # it is slow by nature
def test_a_region_that_hangs_is_waited_for_no_longer_than_the_run_may_take(
    farm: Farm, master: RestServer
) -> None:
    add_idle_machine(farm, FIRST)
    add_idle_machine(farm, SECOND, region="us-west-2")
    farm.ec2.add_fault(action="TerminateInstances", region="us-east-1", hold_s=25, left=1)
    done = stop_idle(farm, "--deadline", "12")
    assert (done.code, fates(done)) == (3, {FIRST: "failed", SECOND: "stopped"})
    assert "us-east-1: no answer in time" in done.err


# Clocks


@pytest.mark.fault(
    "the clock of a database is wrong by {offset_s} s: the {which}",
    "no machine is stopped too early; a warning says how far the clocks are apart",
)
@pytest.mark.parametrize(
    ("which", "offset_s"),
    [
        ("farm database", 7200),
        ("scheduler database", -7200),
        pytest.param("farm database", -7200, marks=pytest.mark.soak),
        pytest.param("scheduler database", 7200, marks=pytest.mark.soak),
    ],
)
def test_a_wrong_clock_lets_a_machine_live_too_long_rather_than_too_short(
    tmp_path: Path,
    ec2: Ec2Server,
    mariadb: DatabaseServer,
    skewed: Callable[[float], str],
    which: str,
    offset_s: float,
) -> None:
    url = mariadb.create_database("skewed")
    late = url.replace("root@", f"{skewed(offset_s)}@")
    try:
        scheduler_url = url.replace("mysql:", "mysql+pymysql:")
        farm = Farm.make(
            tmp_path, ec2, scheduler_url=scheduler_url if which.startswith("sch") else None
        )
        if which.startswith("sch"):
            farm.watch["scheduler_db"] = late
        else:
            create(mariadb.engine("skewed"))
            farm.environ["FARMHAND_DATABASE"] = late
        add_idle_machine(farm, FIRST, last_complete_at=minutes_ago(5))
        add_machine(farm, SECOND, launched_at=minutes_ago(10))
        with master_of(farm):
            stop_idle(farm)  # which sees them for the first time
            done = stop_idle(farm)
    finally:
        mariadb.drop_database("skewed")
    assert (done.code, farm.names(), fates(done)) == (0, [FIRST, SECOND], {})
    assert re.search(rf"of the {which} are (719\d|7200) s apart", done.err)


# Two hosts


@pytest.mark.fault(
    "stop-idle on two hosts at once",
    "one may exit 75; no machine is stopped twice and the minimum stays",
)
@pytest.mark.parametrize(
    "kind", ["sqlite", "mariadb", pytest.param("postgresql", marks=pytest.mark.soak)]
)
def test_two_hosts_at_once_stop_no_machine_twice_nor_more_than_the_minimum_allows(
    farm: Farm, master: RestServer, kind: str, request: pytest.FixtureRequest
) -> None:
    farm.watch["stop_idle"] |= {"min_running": {"bld-linux64": 1}}
    for name in (FIRST, SECOND, THIRD):
        add_idle_machine(farm, name)
    with shared_database(kind, farm, request) as shared:
        runs = [
            farm.start("stop-idle", FARMHAND_STATE=str(farm.directory / f"state-{host}"))
            for host in HOSTS
        ]
        codes = {run.finish(60).code for run in runs}
        assert {0} <= codes <= {0, 75}
        assert len(farm.names()) == 1
        assert len(read(shared, stops)) == len(master.calls) == 2
        assert len(farm.ec2.calls("TerminateInstances")) == 1


@pytest.mark.fault(
    "another run planned while stop-idle looked", "exit 75; nothing is paused or stopped"
)
def test_a_run_that_finds_another_plan_stops_nothing_new(farm: Farm, master: RestServer) -> None:
    add_idle_machine(farm, FIRST)
    create(farm.database)
    farm.ec2.add_fault(action="DescribeInstances", hold_s=1, left=2)
    command = farm.start("stop-idle")
    wait_until(lambda: len(farm.ec2.calls("DescribeInstances")) == 2)
    with farm.database.begin() as connection:
        connection.execute(sa.text("UPDATE planner SET generation = generation + 1"))
    done = command.finish(60)
    assert (done.code, farm.names(), master.calls) == (75, [FIRST], [])


@pytest.mark.fault(
    "stop-idle runs twice at once on one host", "the second exits 75, the first ends as ever"
)
def test_a_second_run_on_the_same_host_does_nothing(farm: Farm, master: RestServer) -> None:
    add_idle_machine(farm, FIRST)
    farm.ec2.add_fault(action="DescribeInstances", hold_s=1, left=2)
    command = farm.start("stop-idle")
    wait_until(lambda: len(farm.ec2.calls("DescribeInstances")) == 2)
    assert stop_idle(farm).code == 75
    assert finish(command) == 0
    assert farm.names() == []


# Before Buildbot 0.9


@pytest.mark.fault(
    "a Buildbot before 0.9 whose database does not tell who builds: shape {shape}",
    "nothing stops while anything is built; afterwards idle machines stop",
)
@pytest.mark.parametrize("shape", ["A", "B"])
def test_in_old_databases_nothing_stops_while_anything_is_built(
    tmp_path: Path, ec2: Ec2Server, shape: Shape
) -> None:
    farm = Farm.make(tmp_path, ec2, shape=shape)
    add_machine(farm, FIRST, launched_at=minutes_ago(60))
    scheduler_schemas.add_requests(
        farm.scheduler, shape, BUILD, 1, submitted_at=minutes_ago(30), claimed=True
    )
    done = stop_idle(farm)
    assert (done.code, verdicts(done), farm.names()) == (0, {FIRST: "building"}, [FIRST])
    with farm.scheduler.begin() as connection:
        connection.execute(sa.text("UPDATE buildrequests SET complete = 1"))
    done = stop_idle(farm)
    assert (done.code, fates(done), farm.names()) == (0, {FIRST: "stopped"}, [])
    assert fates(stop_idle(farm)) == {FIRST: "cleared"}
