"""What goes wrong around a worker is recognized and named: real master, real slavealloc."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.cli import main
from runner.worker.process import WorkerProcess
from tests.buildbot_master import running_master
from tests.run_here import run_here
from tests.worker_farms import BUILDER, WorkerFarm, worker_farm
from tests.worker_machine import WorkerMachine, is_there, machine, wait_until

pytestmark = pytest.mark.integration

NO_TAC, NOT_STARTED, AUTH_FAILED, DUPLICATE, REFUSED, AWAY, NOT_READY, LOST, DIED, IDLE = range(
    10, 20
)
EXIT = 3
READY = "2026-01-01 00:00:00+0000 [Broker,client] Connected to buildmaster; worker is ready\n"


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerFarm]:
    with worker_farm(tmp_path_factory.mktemp("farm"), ["w1"], build_seconds=0.3) as made:
        yield made


@pytest.fixture
def w1(farm: WorkerFarm, tmp_path: Path) -> Iterator[WorkerMachine]:
    with machine("w1", tmp_path, farm.allocator.url, ready_within_s=30) as made:
        farm.set_worker("w1", basedir=str(made.basedir))
        farm.use_hup("w1")
        yield made
    farm.restore("w1")
    if farm.master.process.poll() is None:
        wait_until(lambda: not farm.connected())


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


def gone(machine: WorkerMachine) -> bool:
    return not (machine.basedir / "twistd.pid").exists()


@pytest.mark.fault(
    "the master refuses the worker's password",
    "the worker is stopped; task code 12: authentication failed, check the worker's name and "
    "password",
)
def test_authentication_failed(farm: WorkerFarm, w1: WorkerMachine) -> None:
    farm.set_password("not the master's")
    life = w1.start()
    assert life.wait() == AUTH_FAILED, life.said()
    assert "authentication failed: unauthorized login; check worker name" in life.said()
    assert gone(w1)


@pytest.mark.fault(
    "nothing listens at the master's port",
    "task code 14: refused, with address and the end of twistd.log; an old ready line in the "
    "log does not count",
)
def test_refused_whatever_an_old_log_says(
    farm: WorkerFarm, w1: WorkerMachine, closed_port: int
) -> None:
    w1.basedir.mkdir()
    (w1.basedir / "twistd.log").write_text(READY)
    farm.set_master(pb_port=closed_port)
    life = w1.start(ready_within_s=2)
    assert life.wait() == REFUSED, life.said()
    assert f"refused: nothing listens at its master's port: 127.0.0.1:{closed_port}" in life.said()
    assert "| 20" in life.said()
    assert "Scheduling retry 1 to connect" in life.said()
    assert gone(w1)


@pytest.mark.fault(
    "the master's host name can't be found (DNS)",
    "task code 15: master away, with the name; the worker is stopped",
)
def test_a_master_that_can_t_be_found_is_away(farm: WorkerFarm, w1: WorkerMachine) -> None:
    farm.set_master(fqdn="no-such-master.invalid")
    life = w1.start(ready_within_s=1)
    assert life.wait() == AWAY, life.said()
    assert "master away: no-such-master.invalid:" in life.said()
    assert gone(w1)


@pytest.mark.fault(
    "the master takes the connection and says nothing",
    "task code 16: never ready, though its master's port answers; the worker is stopped",
)
def test_a_master_that_takes_calls_and_says_nothing(farm: WorkerFarm, w1: WorkerMachine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        farm.set_master(pb_port=silent.getsockname()[1])
        life = w1.start(ready_within_s=1)
        assert life.wait() == NOT_READY, life.said()
    assert "never ready, though its master's port answers" in life.said()
    assert gone(w1)


@pytest.mark.fault(
    "another worker is connected under this name",
    "the task ends with code 13: rejecting duplicate worker",
)
def test_a_name_that_another_worker_has(farm: WorkerFarm, w1: WorkerMachine) -> None:
    with farm.master.worker("w1"):
        life = w1.start()
        assert life.wait() == DUPLICATE, life.said()
    assert "rejecting duplicate worker" in life.said()


@pytest.mark.fault(
    "the worker is disabled, and when_idle is retry",
    "it ends with task code 19: disabled, nothing is assigned to it; no worker is started",
)
def test_a_disabled_worker_ends_as_it_is_set_to(farm: WorkerFarm, w1: WorkerMachine) -> None:
    farm.set_worker("w1", enabled=False, tac_template_id=None)
    life = w1.start(when_idle="retry")
    assert life.wait() == IDLE, life.said()
    assert "disabled: nothing is assigned to it: nothing assigned: " in life.said()
    assert not (w1.basedir / "twistd.log").exists()


@pytest.mark.fault(
    "the worker is disabled", "it asks again at intervals until it is enabled, then works as ever"
)
def test_a_disabled_worker_asks_again_until_it_is_enabled(
    farm: WorkerFarm, w1: WorkerMachine
) -> None:
    farm.set_worker("w1", enabled=False)
    life = w1.start(idle_wait_s=0.2, idle_jitter_s=0.1, run_for_s=0.1)
    life.wait_said("asking again in 0 s(.|\n)*asking again in 0 s")
    farm.set_worker("w1", enabled=True)
    assert life.wait() == 0, life.said()


@pytest.mark.fault("SIGTERM while a disabled worker waits", "it ends at once with task code 3")
def test_asked_to_end_while_it_waits_to_be_enabled(farm: WorkerFarm, w1: WorkerMachine) -> None:
    farm.set_worker("w1", enabled=False)
    life = w1.start()
    life.wait_said("asking again in")
    life.ask()
    assert life.wait() == EXIT, life.said()


@pytest.mark.fault(
    "SIGTERM before the worker is connected", "the worker's process is ended; task code 3"
)
def test_asked_to_end_before_it_is_connected(
    farm: WorkerFarm, w1: WorkerMachine, closed_port: int
) -> None:
    farm.set_master(pb_port=closed_port)
    life = w1.start()
    wait_until(lambda: (w1.basedir / "twistd.log").exists(), life.said)
    wait_until(lambda: "Scheduling retry" in w1.twistd_log(), w1.twistd_log)
    pid = w1.pid()
    life.ask()
    assert life.wait() == EXIT, life.said()
    assert not is_there(pid)


@pytest.mark.fault(
    "the allocator is away and the machine has no tac",
    "task code 10: no tac, runslave exited with 4",
)
def test_neither_allocator_nor_tac(w1: WorkerMachine, closed_port: int) -> None:
    w1.url = f"http://user:secret@127.0.0.1:{closed_port}"
    w1.environ = {"FARMHAND_CONFIG": str(w1.home / "farmhand.yml")}
    (w1.home / "farmhand.yml").write_text("farm: test\nrunslave:\n  timeout_s: 0.5\n")
    life = w1.start()
    assert life.wait() == NO_TAC, life.said()
    assert "no tac: runslave exited with 4" in life.said()


@pytest.mark.fault(
    "FARMHAND_CONFIG names the original's INI file", "runslave does not read it; the worker works"
)
def test_an_ini_file_is_not_runslave_s(w1: WorkerMachine) -> None:
    w1.environ = {"FARMHAND_CONFIG": str(w1.home / "runner.cfg")}
    (w1.home / "runner.cfg").write_text("[runner]\nmax_tries = 3\n")
    life = w1.start(run_for_s=0.1)
    assert life.wait() == 0, life.said()


@pytest.mark.fault(
    "twistd can't run the tac", "task code 11, and twistd's words: failed to load application"
)
def test_a_tac_that_twistd_can_t_run(farm: WorkerFarm, w1: WorkerMachine) -> None:
    farm.set_worker("w1", basedir="/nonexistent/slave")
    life = w1.start()
    assert life.wait() == NOT_STARTED, life.said()
    assert "Failed to load application" in life.said()


@pytest.mark.fault(
    "a twistd.pid of a dead, foreign or no process",
    "the worker starts all the same; a foreign process of that number is left alone",
)
@pytest.mark.parametrize("text", ["{dead}", "{foreign}", "{own}", "no number", "", "0"])
def test_a_pid_file_without_a_worker_behind_it(w1: WorkerMachine, text: str) -> None:
    with subprocess.Popen(["/bin/true"]) as dead:
        pass
    foreign = subprocess.Popen(["/bin/sleep", "60"])
    try:
        w1.basedir.mkdir()
        written = text.format(dead=dead.pid, foreign=foreign.pid, own=os.getpid())
        (w1.basedir / "twistd.pid").write_text(written)
        life = w1.start(run_for_s=0.1)
        assert life.wait() == 0, life.said()
        assert "by SIGHUP" in life.said()
        assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()


@pytest.mark.fault(
    "twistd.log rotates while it builds", "all builds are counted; the worker ends as asked"
)
def test_the_log_rotates_while_it_builds(farm: WorkerFarm, w1: WorkerMachine) -> None:
    farm.use_tac("w1", "rotateLength = 1000000", "rotateLength = 1500")
    life = w1.connected(builds=4)
    farm.master.force(BUILDER, 4)
    assert life.wait() == 0, life.said()
    assert "connected and stopped (4 builds; task code 0)" in life.said()
    assert (w1.basedir / "twistd.log.2").exists()


@pytest.mark.fault(
    "twistd.log is truncated while it builds", "all builds are counted; the worker ends as asked"
)
def test_the_log_is_truncated_while_it_builds(farm: WorkerFarm, w1: WorkerMachine) -> None:
    life = w1.connected(builds=2)
    farm.master.force(BUILDER)
    life.wait_said("build 1 has begun")
    wait_until(lambda: "command_complete" in w1.twistd_log(), life.said)
    os.truncate(w1.basedir / "twistd.log", 0)
    farm.master.force(BUILDER)
    assert life.wait() == 0, life.said()
    assert "(2 builds; task code 0)" in life.said()


@pytest.mark.fault(
    "the master tells the worker to shut down", "task code 0: sent away by its master"
)
def test_its_master_sends_it_away(farm: WorkerFarm, w1: WorkerMachine) -> None:
    life = w1.connected()
    farm.master.rest("workers/w1", "stop", reason="test")
    assert life.wait() == 0, life.said()
    assert "sent away by its master" in life.said()


@pytest.mark.fault(
    "somebody kills the worker's process (kill -9)", "the task ends with code 18: ended unasked"
)
def test_somebody_kills_it(w1: WorkerMachine) -> None:
    life = w1.connected()
    os.kill(w1.pid(), signal.SIGKILL)
    assert life.wait() == DIED, life.said()
    assert "ended unasked" in life.said()


@pytest.mark.fault(
    "the worker's process is stopped (SIGSTOP) and the task is asked twice to end",
    "after the grace it is killed; task code 3",
)
def test_a_stopped_process_is_ended_by_force_when_we_are_asked_twice(w1: WorkerMachine) -> None:
    life = w1.connected(kill_grace_s=0.5)
    pid = w1.pid()
    os.kill(pid, signal.SIGSTOP)
    life.ask()
    life.wait_said("by SIGHUP")
    life.ask()
    assert life.wait() == EXIT, life.said()
    assert "KILL" in life.said()
    assert not is_there(pid)


def test_its_settings_are_of_the_file_that_the_runner_has(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text("farm: test\nrunner: {worker: {when_idle: dance}}\n")
    environ = {"RUNNER_CONFIG_CMD": f"runner -c {path}", "FARMHAND_CONFIG": "/nowhere.yml"}
    done = run_here(main, ["worker"], environ | {"FARMHAND_STATE": str(tmp_path)})
    assert done.code == 2
    assert f"{path}:2: runner.worker.when_idle" in done.err


@pytest.mark.fault(
    "the master dies and stays away",
    "after lost_for_s the worker is stopped, task code 17: lost its master for long, named as "
    "the reason",
)
def test_its_master_is_lost_for_long(tmp_path: Path) -> None:
    with (
        worker_farm(tmp_path / "farm", ["w9"]) as farm,
        machine("w9", tmp_path / "home", farm.allocator.url) as w9,
    ):
        farm.set_worker("w9", basedir=str(w9.basedir))
        w9.environ["RUNNER_CONFIG_CMD"] = "runner"
        life = w9.connected(lost_for_s=1)
        farm.master.process.kill()
        assert life.wait() == LOST, life.said()
        assert "the worker has lost its master" in life.said()
        assert "lost its master for long: for 1 s" in life.said()
        assert "@runner reason lost: lost its master for long: for 1 s" in life.said()
        assert gone(w9)


@pytest.mark.fault(
    "the master restarts while the worker builds",
    "the worker is seen connected again and goes on to its number of builds; task code 0",
)
@pytest.mark.soak
def test_its_master_restarts_while_it_builds(tmp_path: Path) -> None:
    with (
        worker_farm(tmp_path / "farm", ["w9"]) as farm,
        machine("w9", tmp_path / "home", farm.allocator.url) as w9,
    ):
        farm.set_worker("w9", basedir=str(w9.basedir))
        farm.use_hup("w9")
        life = w9.connected(builds=2)
        farm.master.force(BUILDER)
        life.wait_said("build 1 has begun")
        farm.master.process.kill()
        life.wait_said("the worker has lost its master")
        farm.master.process.wait()
        with running_master(
            tmp_path / "farm",
            builders=[BUILDER],
            workers=["w9"],
            pb_port=farm.master.pb_port,
            build_seconds=0.5,
        ) as master:
            life.wait_said("the worker is connected again")
            master.force(BUILDER)
            assert life.wait() == 0, life.said()
    assert re.search(r"connected and stopped \([23] builds; task code 0\)", life.said())


@pytest.mark.fault("a system without pidfd_open", "processes are known and ended by their number")
def test_a_process_is_known_by_its_number_where_there_is_no_pidfd(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    with subprocess.Popen(["/bin/sleep", "60"]) as sleeper:
        process = WorkerProcess(sleeper.pid)
        assert process.is_alive()
        process.send(signal.SIGKILL)
        wait_until(lambda: not process.is_alive())
    process.send(signal.SIGKILL)
    assert not process.is_alive()
