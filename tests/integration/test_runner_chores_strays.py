"""cleanslate ends real processes of a real user, and nobody else."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.chores.cleanslate import plan
from runner.chores.ending import send
from runner.chores.frame import Outcome
from runner.chores.reading import read_process, read_processes
from runner.chores.strays_settings import CleanSlate
from tests.chores import make_call
from tests.runner_machine import RunnerMachine, is_alive, wait_until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may be another user"),
]
BUILDER = 60000 + os.getpid() % 5000  # nobody else's on this machine
SHELL = "/bin/sh"
FORKS = """
import os, resource, signal, time
resource.setrlimit(resource.RLIMIT_NPROC, (40, 40))
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    try:
        os.fork() or os.setsid()
    except OSError:
        time.sleep(0.001)
"""


@pytest.fixture(autouse=True)
def _nobody_is_left() -> Iterator[None]:
    yield
    for process in read_processes().values():
        if process.uid == BUILDER:
            send([process], signal.SIGKILL)


def start(script: str, *words: str, cwd: Path | None = None) -> "subprocess.Popen[bytes]":
    """Start a shell script as the builds' user, with a session of its own."""
    command = [SHELL, "-c", script, *words]
    return subprocess.Popen(
        command, user=BUILDER, group=BUILDER, extra_groups=[], cwd=cwd, start_new_session=True
    )


def owned() -> list[int]:
    return [each.pid for each in read_processes().values() if each.uid == BUILDER and not each.dead]


def clean(home: Path, boot_id: str = "first boot") -> Outcome:
    """Run it once."""
    call = make_call(home, boot_id=boot_id)
    return plan(call, CleanSlate(owner=str(BUILDER), grace_s=0.2)).act()


@contextmanager
def at_boot(home: Path, script: str = "exec sleep 600") -> Iterator["subprocess.Popen[bytes]"]:
    """Note the baseline while one process is there, and reap it in the end."""
    process = start(script)
    wait_until(lambda: process.pid in owned())
    clean(home)
    yield process
    process.kill()
    process.wait()


def test_strays_end_and_the_baseline_others_and_we_do_not(tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "600"])
    with at_boot(tmp_path) as kept:
        stray = start("exec sleep 600")
        wait_until(lambda: stray.pid in owned())
        assert clean(tmp_path).counts == {"strays": 1, "left": 0}
        assert stray.wait(10) == -signal.SIGTERM
        assert owned() == [kept.pid]
        assert is_alive(other.pid)
    other.kill()
    other.wait()


def test_a_daemon_that_left_its_parents_ends(tmp_path: Path) -> None:
    clean(tmp_path)
    start("(setsid sleep 600 &) &").wait(10)
    wait_until(lambda: len(owned()) == 1)
    clean(tmp_path)
    assert owned() == []


@pytest.mark.fault("a stray process ignores SIGTERM, another is stopped", "cleanslate ends both")
def test_one_that_ignores_terms_and_one_that_is_stopped_end(tmp_path: Path) -> None:
    clean(tmp_path)
    deaf = start("trap '' TERM; while :; do sleep 1; done")
    stopped = start("kill -STOP $$")
    wait_until(lambda: {deaf.pid, stopped.pid} <= set(owned()) and len(owned()) == 3)
    clean(tmp_path)
    assert owned() == []
    assert (deaf.wait(10), stopped.wait(10)) == (-signal.SIGKILL, -signal.SIGTERM)


@pytest.mark.fault("a stray forks while it is killed", "cleanslate ends it with all its children")
def test_one_that_forks_while_it_is_killed_ends_with_all_its_children(tmp_path: Path) -> None:
    clean(tmp_path)
    with subprocess.Popen(["/usr/bin/python3", "-c", FORKS], user=BUILDER, group=BUILDER):
        wait_until(lambda: len(owned()) > 10)
        assert clean(tmp_path).code == 0
        assert owned() == []


@pytest.mark.fault("another process got the number of a stray that ended", "it is not hit")
def test_who_got_the_number_of_one_that_ended_is_not_hit() -> None:
    process = start("exec sleep 600")
    wait_until(lambda: process.pid in owned())
    known = read_process(process.pid)
    earlier = type(known)(**{name: getattr(known, name) for name in known.__slots__} | {"start": 1})
    send([earlier], signal.SIGKILL)
    assert is_alive(process.pid)
    send([known], signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL


@pytest.mark.fault(
    "the baseline of processes is of an earlier boot", "it is replaced and nobody is ended"
)
def test_the_baseline_of_an_earlier_boot_is_replaced_and_nobody_ends(tmp_path: Path) -> None:
    with at_boot(tmp_path):
        later = start("exec sleep 600")
        wait_until(lambda: later.pid in owned())
        assert clean(tmp_path, "second boot").counts == {"baseline": 2}
        assert clean(tmp_path, "second boot").counts == {"strays": 0, "left": 0}
        later.kill()
        later.wait()


def test_while_a_worker_of_that_user_runs_nobody_ends(tmp_path: Path) -> None:
    clean(tmp_path)
    tmp_path.chmod(0o755)
    stray = start("exec sleep 600")
    worker = start("sleep 600; :", "twistd", cwd=tmp_path)
    (tmp_path / "twistd.pid").write_text(str(worker.pid))
    wait_until(lambda: len(owned()) == 3)
    assert clean(tmp_path).counts == {}
    assert len(owned()) == 3
    (tmp_path / "twistd.pid").unlink()
    assert clean(tmp_path).counts == {"strays": 3, "left": 0}
    for process in (stray, worker):
        process.wait(10)


def test_a_round_of_the_runner_ends_what_an_earlier_build_left(tmp_path: Path) -> None:
    machine = RunnerMachine(home=tmp_path)
    machine.ini = f"[cleanslate]\nowner = {BUILDER}\ngrace_s = 0.2\nmax_tries = 1\n"
    machine.add("1-cleanslate", f"exec {sys.executable} -m runner.cli chore cleanslate -v")
    assert "these stay: nobody" in machine.rounds().stderr
    stray = start("exec sleep 600")
    wait_until(lambda: stray.pid in owned())
    done = machine.rounds()
    assert done.returncode == 0, done.stderr
    assert f"strays: sleep ({stray.pid})" in done.stderr
    assert stray.wait(10) == -signal.SIGTERM


@pytest.mark.fault(
    "cleanslate is set to root's processes", "exit 2: root's processes are the system's"
)
def test_roots_processes_are_never_strays(tmp_path: Path) -> None:
    machine = RunnerMachine(home=tmp_path)
    machine.ini = ""
    done = machine.run("chore", "cleanslate")
    assert (done.returncode, "none is ended" in done.stderr) == (0, True)
    machine.ini = "[cleanslate]\nowner = root\n"
    done = machine.run("chore", "cleanslate")
    assert (done.returncode, "root's processes are the system's" in done.stderr) == (2, True)
