"""`stop-idle` killed, or cut off, between any two steps: the next run goes on from there."""

import os
import signal

import pytest
import sqlalchemy as sa

from farmhand.tables.launches import stops
from tests.farm import Farm
from tests.journal import finish, wait_until
from tests.stops import (
    RESULT,
    Answer,
    RestServer,
    add_idle_machine,
    expire,
    fates,
    is_paused,
    orphan,
    set_connected,
    states,
    stop_idle,
    verdicts,
)

pytestmark = pytest.mark.integration
FIRST, SECOND, THIRD = (f"bld-linux64-{number:03d}" for number in (1, 2, 3))


def die_at(farm: Farm, master: RestServer, moment: str) -> None:
    """Run, and kill -9 the run at that moment."""
    if moment in {"before the call", "after the call"}:
        late = {"latency_s": 1, "drop": "before"} if moment == "before the call" else {"hold_s": 1}
        farm.ec2.add_fault(action="TerminateInstances", **late, left=1)
        command = farm.start("stop-idle")
        wait_until(lambda: farm.ec2.calls("TerminateInstances"))
        if moment == "after the call":
            wait_until(lambda: not farm.names())
        command.send_signal(signal.SIGKILL)
        finish(command)
        return
    pause = master.answer

    def answer(path: str, body: bytes) -> Answer:
        said = pause(path, body) if moment == "after the pause" else (200, RESULT)
        assert command.process.pid
        os.kill(command.process.pid, signal.SIGKILL)
        return said

    master.answer = answer
    command = farm.start("stop-idle")
    finish(command)
    master.answer = pause


MOMENTS = {
    "before the pause": "pausing",
    "after the pause": "pausing",
    "before the call": "terminating",
    "after the call": "terminating",
}


@pytest.mark.fault(
    "stop-idle is killed (kill -9) {id}",
    "the next run leaves it while it may be alive, then goes on; the machine stops and its "
    "name is unpaused",
)
@pytest.mark.parametrize("moment", MOMENTS)
def test_the_next_run_goes_on_where_one_was_killed(
    farm: Farm, master: RestServer, moment: str
) -> None:
    add_idle_machine(farm, FIRST)
    die_at(farm, master, moment)
    assert states(farm.database) == [MOMENTS[moment]]
    assert fates(stop_idle(farm)) == {}  # it may be alive
    orphan(farm.database)
    assert set(fates(stop_idle(farm)).values()) <= {"stopped", "waiting"}
    assert farm.names() == []
    set_connected(farm, FIRST, connected=False)
    assert fates(stop_idle(farm)) == {FIRST: "cleared"}
    assert not is_paused(farm, FIRST)


@pytest.mark.fault(
    "stop-idle was killed {moment}, and its step has expired", "the machine is unpaused and lives"
)
@pytest.mark.parametrize("moment", ["after the pause", "before the call"])
def test_what_was_killed_and_expired_is_taken_back(
    farm: Farm, master: RestServer, moment: str
) -> None:
    add_idle_machine(farm, FIRST)
    die_at(farm, master, moment)
    assert is_paused(farm, FIRST)
    orphan(farm.database)
    expire(farm.database)
    names = farm.names()
    assert fates(stop_idle(farm)) == {FIRST: "released"}
    assert (farm.names(), is_paused(farm, FIRST)) == (names, False)


@pytest.mark.fault(
    "a paused machine was loaned while no run looked", "it is unpaused and left alone"
)
def test_a_machine_that_was_loaned_while_no_run_looked_is_let_go(
    farm: Farm, master: RestServer
) -> None:
    machine = add_idle_machine(farm, FIRST)
    die_at(farm, master, "after the pause")
    orphan(farm.database)
    farm.ec2.poke_instance(machine, tags={"moz-loaned-to": "somebody"})
    done = stop_idle(farm)
    assert (fates(done), farm.names()) == ({FIRST: "released"}, [FIRST])
    assert not is_paused(farm, FIRST)


@pytest.mark.fault(
    "the farm database came back from a backup, and a machine is paused that no row knows",
    "it is unpaused and lives",
)
def test_a_machine_that_we_paused_and_no_row_knows_of_is_unpaused(
    farm: Farm, master: RestServer
) -> None:
    add_idle_machine(farm, FIRST)
    die_at(farm, master, "after the pause")
    with farm.database.begin() as connection:
        connection.execute(stops.delete())  # a backup from before came back
    done = stop_idle(farm)
    assert (verdicts(done), fates(done)) == ({FIRST: "abandoned"}, {FIRST: "released"})
    assert (farm.names(), is_paused(farm, FIRST)) == ([FIRST], False)


@pytest.mark.fault(
    "the scheduler database goes away between pause and terminate",
    "exit 4; the next run stops the machine at once",
)
def test_a_database_that_goes_away_in_the_middle_costs_no_lease(
    farm: Farm, master: RestServer
) -> None:
    add_idle_machine(farm, FIRST)
    pause = master.answer

    def rename(old: str, new: str) -> None:
        with farm.scheduler.begin() as connection:
            connection.execute(sa.text(f"ALTER TABLE {old} RENAME TO {new}"))

    def answer(path: str, body: bytes) -> Answer:
        said = pause(path, body)
        rename("builds", "away")
        return said

    master.answer = answer
    assert stop_idle(farm).code == 4
    assert states(farm.database) == ["pausing"]
    rename("away", "builds")
    master.answer = pause
    assert fates(stop_idle(farm)) == {FIRST: "stopped"}
