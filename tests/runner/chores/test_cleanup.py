"""Logs are emptied, and what is old or named goes; nobody else's things do."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from runner.chores.cleanup import plan_for
from runner.chores.disk_settings import Cleanup, is_glob
from tests.chore_builds import NOW, age, make_build
from tests.small_disk import names

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


def clean(uid: int = os.getuid(), **settings: object) -> Mapping[str, int]:
    """Clean up what is this user's."""
    return plan_for(Cleanup(**settings), uid, NOW.timestamp()).act().counts  # type: ignore[arg-type]


def make_file(path: Path, days: float = 0) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("words")
    age(path, days)
    return path


def test_a_log_is_emptied_for_who_goes_on_writing(tmp_path: Path) -> None:
    log = make_file(tmp_path / "log")
    with log.open("a") as writer:
        assert clean(truncate=(log, tmp_path / "none"))["emptied"] == 1
        assert log.read_text() == ""
        writer.write("more")
    assert log.read_text() == "more"


def test_a_log_that_is_a_link_to_something_is_left(tmp_path: Path) -> None:
    victim = make_file(tmp_path / "victim")
    (tmp_path / "soft").symlink_to(victim)
    (tmp_path / "hard").hardlink_to(victim)
    assert clean(truncate=(tmp_path / "soft", tmp_path / "hard"))["emptied"] == 0
    assert victim.read_text() == "words"


def test_what_is_named_goes_whatever_its_age(tmp_path: Path) -> None:
    for name in ("emulator-1", "emulator-2", "other", ".emulator-3"):
        make_build(tmp_path / "temp" / name, 0)
    patterns = (tmp_path / "temp/emul*", tmp_path / "temp/*-3", tmp_path / "none/*")
    assert clean(remove=patterns)["removed"] == 2
    assert names(tmp_path / "temp") == [".emulator-3", "other"]


def test_of_temporary_files_the_old_ones_go(tmp_path: Path) -> None:
    temp = tmp_path / "temp"
    make_file(temp / "old", 2)
    make_file(temp / "young", 0.5)
    make_build(temp / "tree", 2)
    make_build(temp / "tree-with-something-young", 2)
    age(temp / "tree-with-something-young/build/object", 0.5)
    (temp / "link").symlink_to("/")
    age(temp / "link", 2)
    assert clean(temp=(temp,))["removed"] == 3
    assert names(temp) == ["tree-with-something-young", "young"]


def test_a_socket_is_somebodys_and_so_is_what_it_stands_in(tmp_path: Path) -> None:
    temp = tmp_path / "temp"
    make_build(temp / "tree", 2)
    with socket.socket(socket.AF_UNIX) as bound:
        directory = os.open(temp / "tree", os.O_RDONLY)
        bound.bind(f"/proc/self/fd/{directory}/socket")  # a name may be 107 bytes long
        os.close(directory)
        for path in (temp / "tree/socket", temp / "tree"):
            age(path, 2)
        assert clean(temp=(temp,))["removed"] == 0


@needs_root
def test_other_users_files_stay_however_old(tmp_path: Path) -> None:
    theirs, ours = make_file(tmp_path / "temp/theirs", 9), make_file(tmp_path / "temp/ours", 9)
    os.chown(theirs, NOBODY, NOBODY)
    clean(temp=(tmp_path / "temp",))
    assert names(tmp_path / "temp") == ["theirs"]
    make_file(ours, 9)
    clean(temp=(tmp_path / "temp",), uid=NOBODY)
    assert names(tmp_path / "temp") == ["ours"]


@pytest.mark.parametrize("path", ["relative", "/home/*/x", "/", "/tmp/[a]/b"])
def test_a_pattern_stands_in_the_last_part_only(path: str) -> None:
    assert not is_glob(Path(path))
