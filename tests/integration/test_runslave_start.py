"""Where `runslave` puts the tac, when it starts no worker, and the worker it starts."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bad_allocator import BadAllocator, make_page, make_reply, running_bad_allocator
from tests.runslave_machine import DOWN, PAGE, Machine, wait_until

pytestmark = pytest.mark.integration
FOREGROUND = "/bin/sh -c 'echo $$ > pid; exec sleep 60'"
SERVICE = """
from twisted.application import service
application = service.Application('buildbot-worker')
"""


@pytest.fixture
def bad() -> Iterator[BadAllocator]:
    with running_bad_allocator(make_reply(PAGE)) as bad:
        yield bad


@pytest.fixture
def machine(tmp_path: Path, bad: BadAllocator) -> Machine:
    return Machine(home=tmp_path, url=bad.url)


# DO_NOT_START


@pytest.mark.fault(
    "DO_NOT_START stands in the base directory",
    "nobody is asked and nothing started; a warning names the file; exit 0",
)
def test_do_not_start_asks_nobody_and_starts_nothing(machine: Machine, bad: BadAllocator) -> None:
    path = machine.put("DO_NOT_START")
    done = machine.run()
    assert (done.code, bad.asked, machine.tac.exists()) == (0, [], False)
    assert f"WARNING runslave: {path} exists" in done.err
    assert "--python" not in done.err


def test_do_not_start_where_the_page_says_starts_nothing(
    machine: Machine, bad: BadAllocator
) -> None:
    machine.put("DO_NOT_START")
    bad.replies = [make_reply(make_page(f"basedir = '{machine.basedir}'\n"))]
    done = machine.run(basedir=False)
    assert (done.code, len(bad.asked), machine.tac.exists()) == (0, 1, False)
    assert "--python" not in done.err


def test_a_dry_run_says_that_do_not_start_is_there(machine: Machine) -> None:
    machine.put("DO_NOT_START")
    said = machine.run("--dry-run").out
    assert said == f"nothing is started: there is a DO_NOT_START in {machine.basedir}\n"


# Where


def test_the_page_says_where(machine: Machine, bad: BadAllocator) -> None:
    page = make_page(f"basedir = '{machine.home}/deep/down/slave'\n")
    bad.replies = [make_reply(page)]
    assert machine.run(basedir=False).code == 0
    assert (machine.home / "deep/down/slave/buildbot.tac").read_bytes() == page


def test_an_option_beats_the_page(machine: Machine, bad: BadAllocator) -> None:
    bad.replies = [make_reply(make_page(f"basedir = '{machine.home}/other'\n"))]
    assert machine.run().code == 0
    assert (machine.tac.exists(), (machine.home / "other").exists()) == (True, False)


def test_where_the_last_run_put_the_tac_is_remembered(machine: Machine) -> None:
    machine.run()
    machine.url = DOWN
    done = machine.run(basedir=False)
    assert (done.code, f"starting from the {machine.tac}" in done.err) == (0, True)


@pytest.mark.fault("nobody says where the worker lives", "exit 2: give -d DIR")
def test_nobody_knowing_where_is_an_error_that_says_what_to_do(machine: Machine) -> None:
    done = machine.run(basedir=False)
    assert (done.code, "where w1 lives on this system: give -d DIR" in done.err) == (
        2,
        True,
    )


@pytest.mark.fault("the base directory can't be made", "exit 2")
def test_a_basedir_that_cannot_be_made_exits_2(machine: Machine) -> None:
    (machine.home / "slave").touch()
    assert machine.run().code == 2


# The worker that runs already


@pytest.fixture
def sleeper() -> Iterator["Callable[[str], subprocess.Popen[bytes]]"]:
    """Start `sleep` under another name."""
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str) -> "subprocess.Popen[bytes]":
        started.append(subprocess.Popen([name, "60"], executable="/bin/sleep"))
        words = Path(f"/proc/{started[-1].pid}/cmdline")
        wait_until(lambda: words.read_text().startswith(name))  # a moment later than it is started
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


Sleeper = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.mark.fault(
    "the worker runs already", "exit 75 with its process id; nothing is asked or started"
)
def test_beside_a_living_worker_nothing_is_asked_or_started(
    machine: Machine, bad: BadAllocator, sleeper: Sleeper
) -> None:
    pid = sleeper("/opt/bin/twistd").pid
    path = machine.put("twistd.pid", str(pid).encode())
    done = machine.run()
    assert (done.code, bad.asked, path.exists()) == (75, [], True)
    assert f"{path}: a worker runs already, as process {pid}" in done.err


def test_beside_a_living_worker_its_tac_can_be_fetched(machine: Machine, sleeper: Sleeper) -> None:
    path = machine.put("twistd.pid", str(sleeper("twistd").pid).encode())
    done = machine.run("--no-start")
    assert (done.code, machine.tac.read_bytes(), path.exists()) == (0, PAGE, True)


@pytest.mark.fault(
    "twistd.pid has the number of another program",
    "the file is removed with a line that says so, the worker starts; the program lives",
)
def test_another_program_with_the_workers_number_is_no_worker(
    machine: Machine, sleeper: Sleeper
) -> None:
    path = machine.put("twistd.pid", str(sleeper("sshd").pid).encode())
    done = machine.run()
    assert (done.code, path.exists()) == (0, False)
    assert f"removed {path}" in done.err


@pytest.mark.fault(
    "twistd.pid is of a worker that is gone", "it is removed and the worker starts; exit 0"
)
def test_a_worker_that_is_gone_leaves_no_pid_file(machine: Machine, sleeper: Sleeper) -> None:
    process = sleeper("twistd")
    process.kill()
    process.wait()
    path = machine.put("twistd.pid", str(process.pid).encode())
    assert (machine.run().code, path.exists()) == (0, False)


@pytest.mark.fault("twistd.pid is of a zombie", "it counts as gone: the worker starts; exit 0")
def test_a_zombie_is_gone(machine: Machine, sleeper: Sleeper) -> None:
    process = sleeper("twistd")
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    path = machine.put("twistd.pid", str(process.pid).encode())
    assert (machine.run().code, path.exists()) == (0, False)


@pytest.mark.fault("runslave runs twice at once", "the second exits 75: another run holds the lock")
def test_of_two_runs_at_once_one_starts_the_worker(machine: Machine) -> None:
    first = machine.popen(twistd=FOREGROUND)
    wait_until((machine.basedir / "pid").exists)
    second = machine.run(twistd=FOREGROUND)
    first.terminate()
    first.communicate(timeout=20)
    assert (second.code, "another run holds" in second.err) == (75, True)


@pytest.mark.fault(
    "SIGTERM to runslave with the worker in the foreground", "the worker ends too; exit 143"
)
def test_who_ends_runslave_ends_a_worker_in_the_foreground(machine: Machine) -> None:
    process = machine.popen(twistd=FOREGROUND)
    pid = machine.basedir / "pid"
    wait_until(lambda: pid.exists() and pid.read_text().endswith("\n"))
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 143
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()


@pytest.mark.fault(
    "SIGTERM to runslave in the moment in which the worker starts", "the worker ends too; exit 143"
)
def test_who_ends_runslave_at_once_ends_the_worker_that_it_is_starting(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork_exec: Callable[..., int] = subprocess._fork_exec  # type: ignore[attr-defined]
    started: list[int] = []

    def start_and_be_ended(*args: object) -> int:
        started.append(fork_exec(*args))
        signal.raise_signal(signal.SIGTERM)
        return started[-1]

    monkeypatch.setattr(subprocess, "_fork_exec", start_and_be_ended)
    assert machine.run(twistd=FOREGROUND).code == 143
    (pid,) = started
    assert not Path(f"/proc/{pid}").exists()


# A real twistd


def test_a_real_twistd_runs_a_tac_that_ends(machine: Machine, bad: BadAllocator) -> None:
    body = "# nothing assigned: 'w1'\nimport sys\nsys.stdout.write('bye\\n')\nsys.exit(0)\n"
    bad.replies = [make_reply(make_page(body))]
    done = machine.run(twistd=None)
    assert (done.code, done.err.count("bye")) == (0, 1)


def test_a_real_twistd_in_the_background_is_not_started_twice(
    machine: Machine, bad: BadAllocator
) -> None:
    bad.replies = [make_reply(make_page(SERVICE))]
    pid_file = machine.basedir / "twistd.pid"
    assert machine.run(twistd=None).code == 0
    wait_until(pid_file.exists)
    pid = int(pid_file.read_text())
    try:
        assert machine.run(twistd=None).code == 75
    finally:
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not pid_file.exists())
    assert "Server Shut Down" in (machine.basedir / "twistd.log").read_text()


@pytest.mark.fault(
    "twistd refuses the tac", "runslave ends with twistd's exit code and says which log to see"
)
def test_a_tac_that_twistd_refuses_ends_in_twistds_own_code(
    machine: Machine, bad: BadAllocator
) -> None:
    bad.replies = [make_reply(make_page("import nowhere\n"))]
    done = machine.run(twistd=None)
    assert (done.code, "exited with 1: see" in done.err) == (1, True)
