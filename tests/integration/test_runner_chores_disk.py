"""The runner keeps room on real disks: purge_builds, clobber and cleanup as its tasks."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chore_calls import make_build
from tests.runner_machine import RunnerMachine
from tests.small_disk import fill, free_bytes, mounted, names, needs_root

pytestmark = pytest.mark.integration
MIB = 1 << 20


@pytest.fixture
def machine(tmp_path: Path) -> RunnerMachine:
    return RunnerMachine(home=tmp_path)


def add_chore(machine: RunnerMachine, name: str, **settings: str) -> None:
    """Add the task, and its settings in runner.cfg; a second failure is the last."""
    lines = [f"{key} = {value}" for key, value in settings.items()]
    own = ["[runner]", "sleep_time = 0", "retry_jitter = 0", "max_tries = 2", "halt_interval = 0"]
    machine.ini = "\n".join([*own, f"[{name}]", *lines, ""])
    machine.add(f"1-{name}", f"exec {sys.executable} -m runner.cli chore {name} -v")
    machine.add("halt.sh", f"{machine.note('$RUNNER_HALT')}")


@needs_root
def test_a_full_disk_is_freed_by_the_oldest_builds_alone(machine: RunnerMachine) -> None:
    with mounted(machine.home / "builds", "size=8m") as disk:
        for name, days in (("old", 9), ("rel-1", 30), ("older", 10), ("young", 1)):
            make_build(disk / name, days, MIB)
        (disk / "info").mkdir()
        fill(disk)
        assert free_bytes(disk) == 0
        keep = "info, rel-*:45d"  # and 1.5 MiB free: more than one build has
        add_chore(machine, "purge_builds", paths=str(disk), free_gib="0.0015", keep=keep)
        machine.add("2-build", f"dd if=/dev/zero of={disk}/young/new bs=1M count=1")
        done = machine.rounds()
        assert done.returncode == 0, done.stderr
        assert names(disk) == ["filler", "info", "rel-1", "young"]
        assert (disk / "young/new").stat().st_size == MIB
        assert machine.notes() == ["1-purge_builds", "2-build"]


@needs_root
def test_a_disk_without_inodes_is_freed_too(machine: RunnerMachine) -> None:
    with mounted(machine.home / "builds", "size=8m,nr_inodes=60") as disk:
        for number in range(9):
            make_build(disk / str(number), 9 - number)
        try:
            for number in range(60):
                (disk / f"file-{number}").touch()
        except OSError:
            pass
        add_chore(machine, "purge_builds", paths=str(disk), free_gib="0", free_inodes="8")
        done = machine.rounds()
        assert done.returncode == 0, done.stderr
        assert [name for name in names(disk) if name.isdecimal()] == ["3", "4", "5", "6", "7", "8"]


@needs_root
def test_a_disk_that_stays_too_full_halts_the_machine_with_its_reason(
    machine: RunnerMachine,
) -> None:
    with mounted(machine.home / "builds", "size=1m") as disk:
        add_chore(machine, "purge_builds", paths=str(disk), free_gib="1", when_short="halt")
        done = machine.rounds()
        assert done.returncode == 3
        assert machine.notes()[:2] == ["1-purge_builds", "halt.sh"]
        assert "0.0 GiB free of 1 wanted, and nothing more may go" in done.stderr
        assert "@runner reason disk-full: " in done.stderr


@contextmanager
def running_worker(basedir: Path) -> Iterator[int]:
    """A process that is this directory's worker, as far as twistd.pid and its words tell."""
    process = subprocess.Popen(["sh", "-c", "read end", "twistd"], stdin=-1, cwd=basedir)
    (basedir / "twistd.pid").write_text(str(process.pid))
    try:
        yield process.pid
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("purge_builds", {"free_gib": "1e9", "when_short": "go-on"}),
        ("clobber", {"force_clobber_after": "1d"}),
    ],
)
def test_while_its_worker_runs_no_build_is_touched(
    machine: RunnerMachine, name: str, settings: dict[str, str]
) -> None:
    base = machine.home / "base"
    (make_build(base / "a", 9) / "last-clobber").write_text("1")
    add_chore(machine, name, paths=str(base), **settings)
    with running_worker(base):
        done = machine.rounds()
    assert done.returncode == 0, done.stderr
    assert "its worker runs, so that nothing there is removed" in done.stderr
    assert (base / "a/build/object").exists()
    assert machine.rounds().returncode == 0
    assert not (base / "a/build/object").exists()
