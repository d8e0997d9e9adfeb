"""Which build was the last, by logs of every generation, and what is a reason to halt."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.chores.disks import Disk, read_disk, read_free_memory_percent
from runner.chores.post_flight import Build, Seen, find_last_build, judge, plan, read_last_build
from runner.chores.settings import PostFlight
from runner.protocol import TaskCode
from tests.chores import make_call

LOGS = Path(__file__).parent.parent / "data/twistd_logs"
OLD = "0.9-build-then-stamp.log"
NEW = "4.3-two-builds-then-hup.log"
BUILD = Build(begun="b", builder="Linux mochitest-1", place="/builds/slave/m1/build")
DISK = Disk(path=Path("/"), free_gib=10, free_inodes=10**6)
FINE = Seen(
    host="bld-001",
    build=BUILD,
    basedir=Path("/builds/slave"),
    rounds=3,
    memory_percent=50,
    disks=(DISK,),
)


@pytest.mark.parametrize(
    ("log", "builder", "place"),
    [
        ("0.8-build-then-stamp.log", "Linux mozilla-central build", "/builds/slave/m-cen-lx/build"),
        (OLD, "Linux mozilla-central build", "/builds/slave/m-cen-lx/build"),
        (NEW, None, "/builds/slave/b2/build"),
    ],
    ids=["0.8", "0.9", "4.3"],
)
def test_the_last_build_is_found(log: str, builder: str | None, place: str) -> None:
    build = find_last_build((LOGS / log).read_text().splitlines())
    assert build is not None
    assert (build.builder, build.place) == (builder, place)


def test_a_ping_without_a_command_is_no_build() -> None:
    lines = (LOGS / OLD).read_text().splitlines()
    pings = [line for line in lines if "message from master: ping" in line]
    assert len(pings) == 1
    assert find_last_build(pings) is None
    assert find_last_build([*lines, pings[0].replace("mozilla-central", "other")]) == (
        find_last_build(lines)
    )


def test_what_was_rotated_away_is_read_too(tmp_path: Path) -> None:
    log = tmp_path / "twistd.log"
    assert read_last_build(log) is None
    (tmp_path / "twistd.log.1").write_text((LOGS / OLD).read_text())
    assert read_last_build(log) == find_last_build((LOGS / OLD).read_text().splitlines())
    log.write_text("2026-11-21 14:22:52+0000 [-] Log opened.\n\0\0\xff")
    assert read_last_build(log) is not None


def test_a_log_that_can_not_be_read_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert read_last_build(tmp_path) is None
    assert "Is a directory" in caplog.text


REASONS: dict[str, tuple[Seen, dict[str, Any], str]] = {
    "builder": (FINE, {"halt_after": (r".*mochi.*",)}, "the last build was 'Linux mochitest-1'"),
    "directory": (FINE, {"halt_after": ("x", "m1$")}, "as halt_after has it: m1$"),
    "host": (FINE, {"halt_hosts": ("bld-0",)}, "this is 'bld-001'"),
    "rounds": (FINE, {"rounds": 3}, "3 rounds since it booted"),
    "memory": (replace(FINE, memory_percent=4.9), {}, "only 4.9 % of its memory"),
    "space": (replace(FINE, disks=(replace(DISK, free_gib=0.4),)), {}, "/: only 0.4 GiB"),
    "inodes": (replace(FINE, disks=(replace(DISK, free_inodes=9),)), {}, "/: only 9 more files"),
    "read only": (replace(FINE, disks=(replace(DISK, read_only=True),)), {}, "/ can only be read"),
    "no disk": (replace(FINE, disks=(replace(DISK, problem="No such"),)), {}, "/: No such"),
}


@pytest.mark.parametrize("case", REASONS)
def test_each_reason_is_one(case: str) -> None:
    seen, settings, message = REASONS[case]
    (reason,) = judge(seen, PostFlight(**settings))
    assert message in reason


def test_a_machine_that_is_fine_goes_on() -> None:
    assert list(judge(FINE, PostFlight(halt_after=("other",), rounds=4))) == []
    assert list(judge(replace(FINE, build=None), PostFlight(halt_after=(".*",)))) == []
    assert list(judge(replace(FINE, disks=(replace(DISK, free_inodes=None),)), PostFlight())) == []


def test_this_machine_s_own_memory_and_disk_are_read(tmp_path: Path) -> None:
    assert 0 < read_free_memory_percent() < 100
    assert read_disk(tmp_path).free_gib > 0
    assert read_disk(tmp_path / "none").problem == "No such file or directory"


def test_a_build_halts_once_and_rounds_count_from_the_boot(tmp_path: Path) -> None:
    log = tmp_path / "twistd.log"
    log.write_text((LOGS / NEW).read_text())
    settings = PostFlight(halt_after=("/builds/slave/b2",), log=log, min_memory_percent=0)

    def fly(boot_id: str) -> tuple[int, int]:
        outcome = plan(make_call(tmp_path, boot_id=boot_id), settings).act()
        return outcome.code, outcome.counts["rounds"]

    assert [fly("first"), fly("first"), fly("second")] == [
        (TaskCode.HALT, 1),
        (TaskCode.OK, 2),
        (TaskCode.OK, 1),
    ]
