"""The base directory is remembered, a tac is written whole, and processes are told apart."""

import os
import stat
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from farmhand.errors import BadInput, Locked
from slavealloc.runslave.basedir import (
    describe_tac,
    find_basedir,
    is_stopped,
    make_basedir,
    recall,
    remember,
    write_whole,
)
from slavealloc.runslave.fetch import LONGEST_WAIT_S, choose_wait_s
from slavealloc.runslave.start import clear_pid_file, is_worker

NOW = datetime(2026, 11, 21, 13, 0, 0, tzinfo=UTC)


def test_what_is_remembered_beats_the_guess(tmp_path: Path) -> None:
    remember(tmp_path, "bld-001", Path("/else where/slave"))
    assert find_basedir(tmp_path, "bld-001") == Path("/else where/slave")


def test_without_memory_the_name_says_it(tmp_path: Path) -> None:
    assert find_basedir(tmp_path, "bld-001") == Path("/builds/slave")


def test_another_workers_memory_is_not_ours(tmp_path: Path) -> None:
    remember(tmp_path, "w1", Path("/elsewhere"))
    assert recall(tmp_path, "w2") is None


@pytest.mark.parametrize("name", ["laptop", "b-2008-ix-0001"])
def test_a_name_that_says_no_path_of_this_system_says_nothing(tmp_path: Path, name: str) -> None:
    assert find_basedir(tmp_path, name) is None


@pytest.mark.parametrize("text", [b"", b"w1", b"w1 relative", b"\xff\xff", b"w1\n/x"])
def test_a_broken_memory_is_none(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "runslave-basedir").write_bytes(text)
    assert recall(tmp_path, "w1") is None


def test_a_memory_that_cannot_be_kept_is_only_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").touch()
    remember(tmp_path / "state", "w1", Path("/builds/slave"))
    assert "can't be remembered" in caplog.text


def test_do_not_start_stops(tmp_path: Path) -> None:
    assert not is_stopped(tmp_path)
    (tmp_path / "DO_NOT_START").touch()
    assert is_stopped(tmp_path)


def test_a_basedir_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="see -d"):
        make_basedir(tmp_path / "file" / "slave")


# Writing


def test_a_tac_is_for_its_user_alone_whatever_it_was(tmp_path: Path) -> None:
    path = tmp_path / "buildbot.tac"
    path.touch(mode=0o644)
    write_whole(path, b"new")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o600)


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "buildbot.tac" / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_whole(tmp_path / "buildbot.tac", b"new")
    assert os.listdir(tmp_path) == ["buildbot.tac"]  # noqa: PTH208 - names


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (timedelta(seconds=5), "of 2026-11-21T12:59:55Z, 0:00:05 old"),
        (timedelta(days=3, hours=2), "of 2026-11-18T11:00:00Z, 3 days, 2:00:00 old"),
        (timedelta(hours=-1), "of 2026-11-21T14:00:00Z, 0:00:00 old"),
    ],
    ids=str,
)
def test_a_tac_has_a_time_and_an_age(tmp_path: Path, age: timedelta, said: str) -> None:
    path = tmp_path / "buildbot.tac"
    path.touch()
    written = (NOW - age).timestamp()
    os.utime(path, (written, written))
    assert describe_tac(path, NOW) == f"{path} {said}"


def test_a_tac_that_is_missing_has_none(tmp_path: Path) -> None:
    assert describe_tac(tmp_path / "buildbot.tac", NOW) is None


# Processes


@pytest.mark.parametrize(
    ("words", "worker"),
    [
        (["/usr/bin/python3", "/usr/bin/twistd", "--no_save"], True),
        (["twistd", "-y", "buildbot.tac"], True),
        (["python2.7", "/tools/buildbot/bin/buildslave", "start"], True),
        (["/venv/bin/python", "/venv/bin/buildbot-worker", "start", "/builds/slave"], True),
        (["/opt/wrapper", "--python", "/builds/slave/buildbot.tac"], True),
        (["vim", "/builds/slave/buildbot.tac"], False),
        (["tail", "-F", "/builds/slave/twistd.log"], False),
        (["/usr/sbin/sshd"], False),
        ([""], False),
        ([], False),
    ],
    ids=str,
)
def test_a_worker_is_known_by_its_command_line(words: Sequence[str], worker: bool) -> None:
    assert is_worker(words) is worker


@pytest.mark.parametrize(
    "text",
    [
        *("", "abc", "-1", "0", "99999999999999999999", "1 2", "999999999"),
        pytest.param(str(os.getpid()), id="our own"),
    ],
)
def test_a_pid_file_without_a_process_of_a_worker_is_removed(tmp_path: Path, text: str) -> None:
    path = tmp_path / "twistd.pid"
    path.write_text(text)
    clear_pid_file(tmp_path)
    assert not path.exists()


def test_no_pid_file_is_fine(tmp_path: Path) -> None:
    clear_pid_file(tmp_path)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - names


def test_a_process_of_another_program_is_no_worker(tmp_path: Path) -> None:
    path = tmp_path / "twistd.pid"
    path.write_text(str(os.getppid()))
    try:
        clear_pid_file(tmp_path)
    except Locked:
        pytest.fail("the process that started the tests is taken for a worker")
    assert not path.exists()


# Waiting


@pytest.mark.parametrize("attempt", [0, 1, 2, 5, 1000])
@pytest.mark.parametrize("after_s", [0.0, 30.0])
@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_a_wait_is_what_the_server_asks_and_a_bounded_chance(
    attempt: int, after_s: float, chance: float
) -> None:
    wait_s = choose_wait_s(attempt, after_s, chance)
    assert after_s <= wait_s <= after_s + LONGEST_WAIT_S
    assert wait_s <= after_s + 2.0**attempt if attempt < 10 else True


def test_a_thousand_machines_do_not_come_back_together() -> None:
    waits = sorted(choose_wait_s(2, 5, n / 1000) for n in range(1000))
    in_one_second = max(sum(w <= x < w + 1 for x in waits) for w in waits)
    assert in_one_second <= 251
