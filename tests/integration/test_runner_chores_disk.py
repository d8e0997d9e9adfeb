"""The runner keeps room on real disks: purge_builds, clobber and cleanup as its tasks."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.chores.clobber import plan
from runner.chores.clobbers import LAST
from runner.chores.disk_settings import Clobber
from tests.chore_builds import NOW, make_build
from tests.chores import make_call
from tests.json_server import BROKEN, DRIPS, HANGS, HANGS_UP, HTML, Says, running_json_server
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
    own = "[runner]\nsleep_time = 0\nretry_jitter = 0\nmax_tries = 2\nhalt_interval = 0"
    machine.ini = "\n".join([machine.ini or own, f"[{name}]", *lines])
    machine.add(f"1-{name}", f"exec {sys.executable} -m runner.cli chore {name} -v")
    machine.add("halt.sh", f"{machine.note('$RUNNER_HALT')}")


@pytest.mark.fault(
    "the disk is full before a build",
    "purge_builds removes the oldest builds alone, keeps what is to be kept; the build has room",
)
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


@pytest.mark.fault(
    "the disk has no inodes left", "purge_builds removes the oldest builds until there are enough"
)
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


@pytest.mark.fault(
    "the disk stays too full, with nothing more to remove",
    "the machine halts: disk-full, how much is free and wanted; exit 3",
)
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


@pytest.mark.fault(
    "a worker runs while purge_builds or clobber look",
    "nothing of its directory is removed, and the log says so",
)
def test_while_its_worker_runs_no_build_is_touched(machine: RunnerMachine) -> None:
    base = machine.home / "base"
    (make_build(base / "a", 9) / LAST).write_text("1")
    add_chore(machine, "clobber", paths=str(base), force_clobber_after="1d")
    add_chore(machine, "purge_builds", paths=str(base), free_gib="1e9", when_short="go-on")
    with running_worker(base):
        done = machine.rounds()
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("its worker runs, so that nothing there is removed") == 2
        assert (base / "a/build/object").exists()
    done = machine.rounds()
    assert "clobbered" in done.stderr
    assert not (base / "a").exists()


# clobber asks a server


@contextmanager
def asking(home: Path, answers: dict[str, Says]) -> Iterator[tuple[Clobber, list[str]]]:
    """A server that knows these directories, and the settings to ask it; each was clobbered at 5.

    What it was asked, by its clients, is listed.
    """
    for name in answers:
        (make_build(home / "base" / name, 1) / LAST).write_text("5\n")
    asked = {
        f"/last?builddir={name}&slave=w1&master=m1&branch=b&lastclobber=5": said
        for name, said in answers.items()
    }
    with running_json_server(asked) as server:
        settings = Clobber(
            paths=(home / "base",),
            url=f"{server.url}/last",
            slavename="w1",
            master="m1",
            branch="b",
            timeout_s=0.3,
        )
        yield settings, server.asked


def test_what_somebody_wants_to_start_anew_is_emptied_once(tmp_path: Path) -> None:
    answers = {
        "later": Says(body=b"other:99:me\nlater:7:me@example.com\n"),
        "earlier": Says(body=b"earlier:4:me\n"),
        "unknown": Says(body=b""),
    }
    with asking(tmp_path, answers) as (settings, asked):
        done = plan(make_call(tmp_path, now=NOW), settings)
        assert done.lines == (f"{tmp_path}/base/later: clobbered by me@example.com",)
        assert done.act().counts == {"clobbered": 1, "left": 0}
        assert len(asked) == 3
    base = tmp_path / "base"
    assert {name: names(base / name) for name in names(base)} == {
        "later": [LAST],
        "earlier": ["build", LAST],
        "unknown": ["build", LAST],
    }
    assert (base / "later" / LAST).read_text() == "7\n"


@pytest.mark.fault(
    "the clobber server gives no answer: {id}", "a warning; nothing is clobbered; it is asked once"
)
@pytest.mark.parametrize(
    "said",
    [BROKEN, DRIPS, HANGS, HANGS_UP, HTML, Says(status=404), Says(body=b"\xff:a:\xff")],
    ids=["500", "drips", "hangs", "hangs up", "HTML", "404", "no text"],
)
def test_a_server_that_gives_no_answer_changes_nothing_and_is_asked_once(
    tmp_path: Path, said: Says, caplog: pytest.LogCaptureFixture
) -> None:
    with asking(tmp_path, {"a": said, "b": said}) as (settings, asked):
        assert plan(make_call(tmp_path, now=NOW), settings).act().counts == {
            "clobbered": 0,
            "left": 0,
        }
        assert len(asked) == 1
    assert "nothing is clobbered for it" in caplog.text
    assert names(tmp_path / "base/a") == names(tmp_path / "base/b") == ["build", LAST]
