"""Masters that refuse, are down, do nothing, or are two: whom `stop-idle` pauses, and unpauses."""

import pytest
import sqlalchemy as sa

from farmhand.tables.farm import masters, pools
from tests.farm import Farm
from tests.journal import create
from tests.scheduler_schemas import ACTIVE_MASTER
from tests.stops import (
    RESULT,
    Answer,
    RestServer,
    add_idle_machine,
    expire,
    fates,
    is_paused,
    pausing,
    rest_server,
    states,
    stop_idle,
    whys,
)

pytestmark = pytest.mark.integration
FIRST, SECOND, THIRD = (f"bld-linux64-{number:03d}" for number in (1, 2, 3))


@pytest.mark.fault(
    "the master's REST refuses the pause: {id}",
    "the machine stays; the reason says what the master answered; exit 3",
)
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param((403, b"you need to have role 'admins'"), "give it a user", id="no login"),
        pytest.param((200, b"<html>an index</html>"), "<html>", id="a page of something else"),
    ],
)
def test_a_master_that_refuses_keeps_its_workers(farm: Farm, answer: Answer, why: str) -> None:
    add_idle_machine(farm, FIRST)
    with rest_server(lambda *_: answer) as server:
        farm.watch["masters"] = {"master-1.example.org": {"url": server.url}}
        done = stop_idle(farm)
    assert (done.code, fates(done), farm.names()) == (3, {FIRST: "failed"}, [FIRST])
    assert why in whys(done)[FIRST]
    assert states(farm.database) == ["closed"]


@pytest.mark.fault("the master's REST is down", "the machine stays; no connection; exit 3")
def test_a_master_that_is_down_keeps_its_workers(farm: Farm, master: RestServer) -> None:
    add_idle_machine(farm, FIRST)
    master.server_close()
    done = stop_idle(farm)
    assert (done.code, fates(done), farm.names()) == (3, {FIRST: "failed"}, [FIRST])
    assert "no connection" in done.err


@pytest.mark.fault(
    "the master takes the pause and does nothing",
    "nothing is terminated; when the step has expired the name is unpaused",
)
@pytest.mark.soak  # ten seconds go by until it is given up
def test_a_master_that_takes_the_call_and_does_nothing_stops_nothing(farm: Farm) -> None:
    add_idle_machine(farm, FIRST)
    with rest_server(lambda *_: (200, RESULT)) as server:
        farm.watch["masters"] = {ACTIVE_MASTER: {"url": server.url}}
        assert fates(stop_idle(farm)) == {FIRST: "waiting"}
        expire(farm.database)
        assert fates(stop_idle(farm)) == {FIRST: "released"}
    assert farm.names() == [FIRST]
    assert [method for _, method in server.calls] == ["pause", "unpause"]


def test_slavealloc_knows_where_masters_are(farm: Farm, master: RestServer) -> None:
    add_idle_machine(farm, FIRST)
    rename_master(farm, "127.0.0.1:/builds/buildbot")
    farm.watch["masters"] = {}
    row = {"nickname": "bm1", "fqdn": "127.0.0.1", "http_port": master.server_address[1]}
    with create(farm.database).begin() as connection:
        connection.execute(pools.insert().values(id=1, name="build"))
        connection.execute(masters.insert().values(**row, pb_port=9001, pool_id=1))
    assert fates(stop_idle(farm)) == {FIRST: "stopped"}


def rename_master(farm: Farm, name: str) -> None:
    with farm.scheduler.begin() as connection:
        connection.execute(sa.text("UPDATE masters SET name = :name"), {"name": name})


def add_second_master(farm: Farm, worker: str) -> str:
    """Connect a worker to another master too; returns its name."""
    name = "master-2.example.org:/builds/buildbot"
    with farm.scheduler.begin() as connection:
        columns = "name, name_hash, active, last_active"
        values = f"SELECT '{name}', 'two', 1, last_active FROM masters"
        connection.execute(sa.text(f"INSERT INTO masters ({columns}) {values}"))
        connection.execute(
            sa.text(
                "INSERT INTO connected_workers (masterid, workerid) SELECT masters.id, workers.id "
                f"FROM masters, workers WHERE masters.name = '{name}' AND workers.name = '{worker}'"
            )
        )
    return name


def test_a_worker_on_two_masters_is_paused_on_both(farm: Farm, master: RestServer) -> None:
    add_idle_machine(farm, FIRST)
    other = add_second_master(farm, FIRST)
    with rest_server(pausing(farm.scheduler)) as second:
        farm.watch["masters"][other] = {"url": second.url}
        assert fates(stop_idle(farm)) == {FIRST: "stopped"}
        assert len(master.calls) == len(second.calls) == 1


@pytest.mark.fault(
    "one of a worker's two masters refuses the pause",
    "the machine stays and is unpaused on the other",
)
def test_a_worker_that_one_of_its_two_masters_won_t_pause_stays_and_is_unpaused(
    farm: Farm, master: RestServer
) -> None:
    add_idle_machine(farm, FIRST)
    other = add_second_master(farm, FIRST)
    with rest_server(lambda *_: (403, b"no")) as second:
        farm.watch["masters"][other] = {"url": second.url}
        assert fates(stop_idle(farm)) == {FIRST: "failed"}
        assert is_paused(farm, FIRST)
        expire(farm.database)
        stop_idle(farm)
    assert (farm.names(), is_paused(farm, FIRST), states(farm.database)) == (
        [FIRST],
        False,
        ["closed"],
    )
    assert [method for _, method in master.calls] == ["pause", "unpause"]


@pytest.mark.fault("the master that paused a name is gone for good", "another master unpauses it")
def test_a_name_whose_master_is_gone_for_good_is_unpaused_by_another(
    farm: Farm, master: RestServer
) -> None:
    add_idle_machine(farm, FIRST)
    stop_idle(farm)
    other = add_second_master(farm, FIRST)
    farm.watch["masters"] = {other: {"url": master.url}}
    with farm.scheduler.begin() as connection:
        connection.execute(sa.text("DELETE FROM connected_workers"))
        where = "WHERE name LIKE 'master-1%'"
        connection.execute(sa.text(f"UPDATE masters SET active = 0, last_active = 0 {where}"))
    assert fates(stop_idle(farm)) == {FIRST: "cleared"}
    assert not is_paused(farm, FIRST)
