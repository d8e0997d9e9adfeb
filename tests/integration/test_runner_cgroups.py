"""cgroup v2, the kernel's own: what a task leaves is killed at one word, however it forks."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner import cgroups
from runner.cgroups import Cgroup, kill_all, kill_frozen, own_cgroup, read_members, wait_for
from tests.runner_machine import RunnerMachine, is_alive, wait_until

# Twenty that fork and are gone at once, in the child again: who reads /proc is always late. They
# use up process ids faster than anybody else on the machine can bear: large numbers only.
HOPPERS = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
end = time.monotonic() + 20
for _ in range(20):
    if os.fork() == 0:
        os.setsid()
        while time.monotonic() < end:
            if os.fork(): os._exit(0)
        os._exit(0)
"""

DEAF = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        os.closerange(0, 3)
        time.sleep(60)
"""


def home() -> Path:
    """Where our own cgroup is."""
    texts = [Path(f"/proc/self/{name}").read_text() for name in ("cgroup", "mountinfo")]
    return cgroups.find_own(*texts) or Path("/none")


def may_make_one() -> bool:
    try:
        (home() / "farmhand-test").mkdir(exist_ok=True)
        (home() / "farmhand-test").rmdir()
    except OSError:
        return False
    return True


pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not may_make_one(), reason="this user may make no cgroup (v2) here"),
]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[RunnerMachine]:
    machine = RunnerMachine(home=tmp_path)
    machine.settings |= {"max_tries": 1, "grace": 0.2}
    machine.add("halt.sh")
    yield machine
    if machine.state.exists():
        with own_cgroup(machine.state, grace_s=0):
            pass
    assert groups(machine) == []


def groups(machine: RunnerMachine) -> list[str]:
    """What this machine's runners have left, kept or not."""
    if not machine.state.exists():
        return []
    prefix = cgroups.name_groups(machine.state)
    return sorted(path.name.removeprefix(prefix) for path in home().glob(f"{prefix}*"))


def test_tasks_stand_in_a_cgroup_that_is_gone_afterwards(machine: RunnerMachine) -> None:
    for name in ("1-a", "4-buildbot", "5-b"):
        machine.add(name, "grep ^0:: /proc/self/cgroup >> notes")
    machine.rounds()
    prefix = cgroups.name_groups(machine.state)
    stood = [note.rpartition(prefix)[2] for note in machine.notes() if "0::" in note]
    assert stood == ["0", "0.kept", "0"]
    assert groups(machine) == []


@pytest.mark.fault(
    "a task forks faster than its processes can be found", "with cgroups all of them are killed"
)
@pytest.mark.soak
def test_what_forks_faster_than_it_can_be_found_is_killed(machine: RunnerMachine) -> None:
    (machine.home / "hoppers.py").write_text(HOPPERS)
    machine.add("1-a", f"{sys.executable} -S hoppers.py")
    machine.add("2-b", "grep -o '[0-9]*$' /proc/self/cgroup >> cgroup")
    done = machine.rounds()
    assert (done.returncode, machine.notes()) == (0, ["1-a", "2-b"])
    assert "can't be ended" not in done.stderr
    stood = (machine.home / "cgroup").read_text().split()
    assert any(int(number) for number in stood)  # not in the first one any more: it was killed


def test_what_a_killed_runner_left_is_ended_by_the_next_one(machine: RunnerMachine) -> None:
    machine.add("1-a", "(setsid sh -c 'trap \"\" TERM; echo $$ > pid; exec sleep 60' &)\nsleep 60")
    process = machine.start()
    wait_until(lambda: (machine.home / "pid").exists())
    wait_until(lambda: bool((machine.home / "pid").read_text()))
    process.kill()
    process.communicate(timeout=20)
    pid = int((machine.home / "pid").read_text())
    assert is_alive(pid)
    machine.add("1-a", f"[ ! -e /proc/{pid} ] || grep -q '^State:.Z' /proc/{pid}/status")
    done = machine.rounds()
    assert done.returncode == 0, done.stderr
    assert "a runner before this one left" in done.stderr


def test_the_worker_that_a_killed_runner_left_lives_on(machine: RunnerMachine) -> None:
    machine.add("4-buildbot", "setsid sleep 60 & echo $! > pid; wait")
    process = machine.start()
    wait_until(lambda: (machine.home / "pid").exists())
    process.kill()
    process.communicate(timeout=20)
    pid = int((machine.home / "pid").read_text())
    machine.add("4-buildbot")
    assert machine.rounds().returncode == 0
    assert is_alive(pid)
    assert groups(machine) == ["0.kept"]
    (group,) = home().glob(f"{cgroups.name_groups(machine.state)}*")
    for left in read_members(group):
        os.kill(left, signal.SIGKILL)
    wait_for(group, "populated 0", 20)


def test_a_hook_that_hangs_takes_no_worker_with_it(machine: RunnerMachine) -> None:
    machine.settings |= {"max_tries": 2, "task_hook": f"{machine.home}/hook", "hook_time": 0.2}
    hook = machine.home / "hook"
    hook.write_text("#!/bin/sh\ntrap '' TERM\ncase $1 in *RETRY*) sleep 60 & sleep 60;; esac\n")
    hook.chmod(0o755)
    machine.add(
        "4-buildbot",
        f"[ -s pid ] && {{ kill -0 $(cat pid) && {machine.note('adopted')}; exit 0; }}\n"
        "setsid sleep 60 & echo $! > pid; exit 1",
    )
    done = machine.rounds()
    assert machine.notes() == ["4-buildbot", "4-buildbot", "adopted"], done.stderr
    assert "no end within 0.2 s" in done.stderr


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is missing")
def test_where_no_cgroup_can_be_made_the_same_is_ended_by_its_parent(
    machine: RunnerMachine,
) -> None:
    deaf = "(setsid sh -c 'trap \"\" TERM; echo $$ > pid; exec sleep 60' &)"
    machine.add(
        "1-a", f"{deaf}\nuntil [ -s pid ]; do sleep 0.01; done\ngrep ^0:: /proc/self/cgroup"
    )
    mounted = next(line for line in read_mounts() if " - cgroup2 " in line).split()[4]
    hide = ("unshare", "--mount", "sh", "-c", f'umount {mounted} && exec "$@"', "sh")
    done = machine.run_cold("-v", "-n", "1", str(machine.tasks), prefix=hide)
    assert done.returncode == 0, done.stderr
    assert "farmhand-" not in done.stderr
    assert "a: left 1 processes behind; they were ended" in done.stderr
    assert not is_alive(int((machine.home / "pid").read_text()))


def read_mounts() -> list[str]:
    return Path("/proc/self/mountinfo").read_text().splitlines()


@pytest.mark.parametrize("kill", [kill_all, kill_frozen])
@pytest.mark.parametrize(
    "program",
    [pytest.param(DEAF, id="deaf"), pytest.param(HOPPERS, id="hop", marks=pytest.mark.soak)],
)
def test_all_that_is_in_a_cgroup_is_killed_at_one_word(
    machine: RunnerMachine, kill: Callable[[Path], None], program: str
) -> None:
    machine.state.mkdir()
    made = Cgroup(home(), cgroups.name_groups(machine.state))
    made.enter()
    try:
        subprocess.run([sys.executable, "-S", "-c", program], check=True)
        left = made.path
        made.enter()
        kill(left)
        wait_for(left, "populated 0", 5)
        assert not left.exists() or read_members(left) == set()
    finally:
        made.leave()
