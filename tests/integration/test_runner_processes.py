"""What a task starts: nothing of it is alive afterwards, and no output is too much."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.runner_machine import ROOT, RunnerMachine, is_alive, wait_until

pytestmark = pytest.mark.integration
# A process of a session of its own whose parent is gone: `setsid` forks, and `&` forks before it.
DAEMON = "(setsid sh -c '{trap}echo $$ >> pids; exec sleep 60' >/dev/null 2>&1 &)"
DEAF = DAEMON.format(trap='trap "" TERM; ')
QUIET = DAEMON.format(trap="")
WAIT_FOR_PIDS = "until [ -s pids ]; do sleep 0.01; done"


@pytest.fixture
def machine(tmp_path: Path) -> RunnerMachine:
    machine = RunnerMachine(home=tmp_path)
    machine.settings |= {"max_tries": 2, "grace": 0.3}
    machine.add("halt.sh")
    return machine


def pids(machine: RunnerMachine) -> list[int]:
    return [int(line) for line in (machine.home / "pids").read_text().split()]


# The end of a task is the end of its tree


@pytest.mark.fault(
    "a task ignores SIGTERM at its max_time",
    "it is killed before the next try: no end within…; after the last try the halt task runs",
)
def test_a_task_that_ignores_term_is_killed_before_the_next_try(machine: RunnerMachine) -> None:
    machine.settings["max_time"] = 0.5
    alive = "for pid in $(cat pids); do kill -0 $pid && echo overlap >> notes; done; "
    machine.add("1-a", f"{alive} echo $$ >> pids; trap '' TERM; while :; do sleep 1; done")
    done = machine.rounds()
    assert machine.notes() == ["1-a", "1-a", "halt.sh"]
    assert "a: failed 2 times: no end within 0.5 s" in done.stderr
    assert not any(map(is_alive, pids(machine)))


@pytest.mark.fault(
    "a task leaves a daemon behind: {id}",
    "it is ended before the next task, with a line that says how many",
)
@pytest.mark.parametrize("daemon", [QUIET, DEAF], ids=["quiet", "deaf to TERM"])
def test_a_daemon_is_ended_with_the_task_that_left_it(machine: RunnerMachine, daemon: str) -> None:
    machine.add("1-a", f"{daemon}\n{WAIT_FOR_PIDS}")
    machine.add("2-b", f"kill -0 $(cat pids) && {machine.note('it lives')}")
    done = machine.rounds()
    assert "it lives" not in machine.notes()
    assert "a: left 1 processes behind; they were ended" in done.stderr
    assert not any(map(is_alive, pids(machine)))


@pytest.mark.fault("a task takes too long and has started daemons", "all of them are ended with it")
def test_a_daemon_is_ended_with_the_task_that_took_too_long(machine: RunnerMachine) -> None:
    machine.settings |= {"max_time": 1, "max_tries": 1}
    machine.add("1-a", f"{DEAF}\n{QUIET}\nsleep 60")
    machine.rounds()
    assert len(pids(machine)) == 2
    assert not any(map(is_alive, pids(machine)))


def test_a_task_may_end_itself_in_its_time_of_grace(machine: RunnerMachine) -> None:
    machine.settings |= {"max_time": 0.5, "max_tries": 1, "grace": 20}
    machine.add("1-a", f"trap '{machine.note('tidied')}; exit' TERM; while :; do sleep 0.05; done")
    began = time.monotonic()
    machine.rounds()
    assert machine.notes() == ["1-a", "tidied", "halt.sh"]
    assert time.monotonic() - began < 10


def test_max_time_of_one_task_is_a_number(machine: RunnerMachine) -> None:
    machine.ini = (
        "[runner]\nsleep_time=0\nretry_jitter=0\ngrace=0.2\n[a]\nmax_time=0.3\nmax_tries=2\n"
    )
    machine.add("1-a", "sleep 60")
    assert machine.rounds().returncode == 3
    assert machine.notes() == ["1-a", "1-a", "halt.sh"]


def test_the_end_of_a_task_is_seen_at_once(machine: RunnerMachine) -> None:
    for number in range(50):
        machine.add(f"{number}-t")
        machine.tasks.joinpath(f"{number}-t").rename(machine.tasks / f"{number}-t{number}")
    began = time.monotonic()
    machine.rounds()
    assert len(machine.notes()) == 50
    assert time.monotonic() - began < 5  # the original needs 50 s


@pytest.mark.fault(
    "the runner is started with SIGCHLD ignored", "the exit codes of tasks are read all the same"
)
def test_who_ignores_its_children_starts_a_runner_that_does_not(machine: RunnerMachine) -> None:
    machine.add("1-a", "exit 3")
    ignore = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); "
    ignore += "os.execv(sys.argv[1], sys.argv[1:])"
    done = machine.run_cold(
        *("-v", "-n", "1", str(machine.tasks)), prefix=(sys.executable, "-c", ignore)
    )
    assert done.returncode == 0, done.stderr
    assert "a: exit code 3" in done.stderr


def test_no_file_is_left_open_for_tasks(machine: RunnerMachine) -> None:
    machine.add("1-a", "ls /proc/self/fd >> fds")
    machine.rounds()
    assert (machine.home / "fds").read_text().split() == ["0", "1", "2", "3"]  # 3 is ls's own


@pytest.mark.fault("a task closes stdin, stdout and stderr", "it is waited for as any other")
def test_a_task_that_closes_all_it_has_is_waited_for(machine: RunnerMachine) -> None:
    machine.add("1-a", f"exec <&- >&- 2>&-; sleep 0.3; {machine.note('woke')}")
    machine.add_all("2-b")
    machine.rounds()
    assert machine.notes() == ["1-a", "woke", "2-b"]


# Output


@pytest.mark.fault(
    "a task writes terminal codes and bytes that are no text",
    "they are logged escaped, line by line, with the task's name",
)
def test_output_is_logged_line_by_line_with_the_task_s_name(machine: RunnerMachine) -> None:
    machine.add("1-a", "echo one; echo two >&2; printf 'no end \\033[1m\\377'")
    lines = re.findall(r"INFO runner: a: (.*)", machine.rounds().stderr)
    assert [each for each in lines if not each.startswith(("try", "exit"))] == [
        "one",
        "two",
        r"no end \x1b[1m\xff",
    ]


@pytest.mark.fault(
    "a task writes more than output_limit",
    "the rest is dropped; the log says how many bytes; the task goes on",
)
def test_output_is_capped(machine: RunnerMachine) -> None:
    machine.settings["output_limit"] = 1000
    machine.add("1-a", "yes 123456789 | head -n 100000")
    done = machine.rounds()
    assert done.returncode == 0
    assert done.stderr.count("a: 123456789") == 100
    assert "a: 999000 bytes of its output were dropped" in done.stderr


@pytest.mark.fault("a task writes a line without an end", "it is logged in pieces of 8 KiB")
def test_a_line_without_an_end_is_cut(machine: RunnerMachine) -> None:
    machine.add("1-a", "head -c 20000 /dev/zero | tr '\\0' x")
    lines = re.findall(r"a: (x+)", machine.rounds().stderr)
    assert [len(line) for line in lines] == [8192, 8192, 3616]


@pytest.mark.fault("a task writes a gigabyte", "the runner's memory stays below 30 MB")
@pytest.mark.soak
def test_a_task_that_writes_a_gigabyte_costs_no_memory(machine: RunnerMachine) -> None:
    machine.cold = True
    machine.add("1-a", "head -c 1G /dev/zero; grep VmHWM /proc/$PPID/status >&2")
    machine.add("2-b", "grep VmHWM /proc/$PPID/status")
    found = re.search(r"b: VmHWM:\S*\s*(\d+) kB", machine.rounds().stderr)
    assert found is not None
    assert int(found[1]) < 30_000


# What is full, and what is gone


@pytest.mark.fault(
    "the disk of log and state is full",
    "one line that it can't be written; the rounds go on; exit 0",
)
def test_a_full_disk_stops_no_round(machine: RunnerMachine) -> None:
    machine.add("1-a", "echo said")
    machine.write_config()
    log = machine.home / "log"
    full = machine.home / "state/runner.json"
    machine.state.mkdir()
    full.mkdir()  # what is to be replaced can't be
    log.symlink_to("/dev/full")
    done = machine.rounds(2, "-l", str(log))
    assert (done.returncode, machine.notes()) == (0, ["1-a", "1-a"])
    assert done.stderr.count("can't be written") == 1
    assert done.stderr.count("Traceback") <= 1  # of the start line, before the runner begins


@pytest.mark.fault(
    "the disk of the state fills up during a round",
    "a line: No space left on device; the rounds go on and the state is whole afterwards",
)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_disk_that_fills_up_in_a_round_stops_none(machine: RunnerMachine) -> None:
    machine.add("1-a", f"dd if=/dev/zero of={machine.state}/full bs=1k count=999; sleep 0.1")
    machine.add("2-b", f"rm -f {machine.state}/full")
    machine.state.mkdir()
    small = f'mount -t tmpfs -o size=64k none {machine.state} && "$@"; cat {machine.state}/*.json'
    done = machine.run_cold(
        *("-v", "-n", "2", str(machine.tasks)),
        prefix=("unshare", "--mount", "sh", "-c", small, "sh"),
    )
    assert machine.notes() == ["1-a", "2-b"] * 2
    assert done.stderr.count("can't be written: No space left on device") == 2
    assert len(json.loads(done.stdout)["rounds"]) == 2


@pytest.mark.fault(
    "no file can be written at all",
    "runner.json can't be written is said; the rounds go on; exit 0",
)
@pytest.mark.skipif(shutil.which("prlimit") is None, reason="prlimit is missing")
def test_no_room_for_any_file_stops_no_round(machine: RunnerMachine) -> None:
    machine.add("1-a").write_text("#!/bin/sh\nexit 0\n")
    done = machine.run_cold(
        *("-v", "-n", "2", str(machine.tasks)), prefix=("prlimit", "--fsize=0", "--")
    )
    assert done.returncode == 0
    assert "runner.json can't be written: File too large" in done.stderr


# Killed


@pytest.mark.fault(
    "the runner is killed (kill -9) during a task",
    "status shows that nothing is done; the next runner begins",
)
def test_kill_9_of_the_runner_lets_the_next_one_begin(machine: RunnerMachine) -> None:
    machine.add("1-a", "echo $$ > pids; sleep 60")
    process = machine.start()
    machine.wait_for("1-a")
    wait_until(lambda: (machine.home / "pids").exists())
    process.kill()
    process.communicate(timeout=20)
    assert machine.status()["doing"] is None
    machine.add("1-a")
    assert machine.rounds().returncode == 0
    with contextlib.suppress(ProcessLookupError):  # with a cgroup, the next runner has ended it
        os.kill(pids(machine)[0], signal.SIGKILL)


def test_the_keeper_of_a_worker_dies_with_the_runner(machine: RunnerMachine) -> None:
    script = "import os, time, runner.processes as p; p.die_with_parent(); "
    script += "print(os.getpid(), file=open('pids', 'w'), flush=True); time.sleep(60)"
    machine.add("4-buildbot", f'exec {sys.executable} -c "{script}"')
    process = machine.start()
    wait_until(lambda: (machine.home / "pids").exists() and pids(machine) != [])
    process.kill()
    process.communicate(timeout=20)
    (keeper,) = pids(machine)
    wait_until(lambda: not is_alive(keeper))
    machine.add("4-buildbot")
    assert machine.rounds().returncode == 0


@pytest.mark.fault(
    "the task that keeps the worker is killed (kill -9)",
    "the worker goes on; the next try adopts it",
)
def test_a_worker_whose_keeper_was_killed_is_there_for_the_next_try(
    machine: RunnerMachine,
) -> None:
    machine.add(
        "4-buildbot",
        f"[ -s pids ] && {{ kill -0 $(cat pids) && {machine.note('adopted')}; exit 0; }}\n"
        f"{QUIET}\n{WAIT_FOR_PIDS}; kill -9 $$",
    )
    done = machine.rounds()
    assert machine.notes() == ["4-buildbot", "4-buildbot", "adopted"]
    assert "buildbot: what it kept goes on without it: 1 processes" in done.stderr
    assert not any(map(is_alive, pids(machine)))


@pytest.mark.fault("a second runner on one machine", "exit 75; the first goes on")
def test_a_second_runner_does_nothing(machine: RunnerMachine) -> None:
    machine.add("1-a", f"until [ -e go ]; do sleep 0.02; done; {machine.note('done')}")
    process = machine.start("-n", "1")
    machine.wait_for("1-a")
    second = machine.rounds()
    assert second.returncode == 75
    (machine.home / "go").touch()
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert machine.notes() == ["1-a", "done"]


# Size


def test_the_runner_is_small_while_a_worker_runs(machine: RunnerMachine) -> None:
    machine.cold = True
    machine.add("4-buildbot", "grep -E 'VmRSS' /proc/$PPID/status")
    path = machine.home / "runner.prom"
    done = machine.rounds(2, "--metrics-textfile", str(path), "-l", str(machine.home / "log"))
    sizes = [int(found) for found in re.findall(r"VmRSS:\D*(\d+) kB", done.stderr)]
    assert len(sizes) == 2
    assert max(sizes) < 30 * 1024


def test_the_runner_imports_nothing_heavy(machine: RunnerMachine) -> None:
    machine.add("1-a")
    machine.write_config()
    words = ["-n", "1", str(machine.tasks)]
    script = f"import sys; from runner.cli import main; main({words}, standalone_mode=False)"
    heavy = "{'pydantic', 'yaml', 'sqlalchemy', 'requests', 'asyncio', 'rich'}"
    done = subprocess.run(
        [sys.executable, "-c", f"{script}; print({heavy} & set(sys.modules))"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "FARMHAND_STATE": str(machine.state),
            "FARMHAND_CONFIG": str(machine.config),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set()\n"
    assert machine.notes() == ["1-a"]
