"""Build directories start anew when they are old, or when a server says so."""

import math
import os
from pathlib import Path

import pytest

from runner.chores.clobber import plan
from runner.chores.clobbers import LAST, Told, judge, parse_answer
from runner.chores.disk_settings import Clobber
from runner.chores.frame import Outcome
from tests.chore_builds import DAY, NOW, make_build
from tests.chores import make_call
from tests.small_disk import names

NEVER = math.inf


def test_a_server_time_that_is_later_than_ours_clobbers_and_is_noted() -> None:
    verdict = judge(5, Told(at=9, who="me"), NEVER, now=20)
    assert (verdict.clobber, verdict.note, verdict.why) == (True, 9, "clobbered by me")


@pytest.mark.parametrize("at", [4, 5])
def test_one_that_is_not_later_changes_nothing(at: int) -> None:
    verdict = judge(5, Told(at=at, who="me"), NEVER, now=20)
    assert (verdict.clobber, verdict.note) == (False, None)


@pytest.mark.parametrize("told", [None, Told(at=9, who="me")], ids=["silent", "told"])
def test_a_directory_without_a_note_is_fresh_and_only_noted(told: Told | None) -> None:
    verdict = judge(None, told, 1, now=20)
    assert (verdict.clobber, verdict.note) == (False, 20)


def test_time_clobbers_by_itself() -> None:
    assert judge(5, None, 15, now=20).note == 20
    assert not judge(5, None, 16, now=20).clobber


@pytest.mark.parametrize("text", ["a", "a:b:c", "a:1", "<html>:x:y"])
def test_what_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_answer(text, "a")


def test_an_answer_may_be_empty_and_names_may_have_colons() -> None:
    assert parse_answer("", "a") is None
    assert parse_answer("a:b:7:me\n", "a:b") == Told(at=7, who="me")


def force(tmp_path: Path, age: str) -> Outcome:
    """Clobber what was not for so long."""
    settings = Clobber(paths=(tmp_path / "base",), force_clobber_after=age)
    return plan(make_call(tmp_path, now=NOW), settings).act()


def note(path: Path, days: float) -> None:
    (path / LAST).write_text(f"{NOW.timestamp() - days * DAY:.0f}\n")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    for name, days in (("old", 8), ("young", 6)):
        note(make_build(tmp_path / "base" / name, days), days)
    return tmp_path / "base"


def test_an_old_directory_is_emptied_and_noted_anew(base: Path, tmp_path: Path) -> None:
    assert force(tmp_path, "7d").counts == {"clobbered": 1, "left": 0}
    assert (names(base / "old"), names(base / "young")) == ([LAST], ["build", LAST])
    assert (base / "old" / LAST).read_text() == f"{NOW.timestamp():.0f}\n"


def test_a_fresh_directory_is_noted(base: Path, tmp_path: Path) -> None:
    make_build(base / "fresh", 99)
    force(tmp_path, "7d")
    assert names(base / "fresh") == ["build", LAST]
    assert (base / "fresh" / LAST).read_text() == f"{NOW.timestamp():.0f}\n"


def test_links_and_kept_names_are_left_alone(base: Path, tmp_path: Path) -> None:
    for name in ("outside", "base/info"):
        note(make_build(tmp_path / name, 99), 99)
    (base / "link").symlink_to(tmp_path / "outside")
    force(tmp_path, "7d")
    assert names(tmp_path / "outside") == names(base / "info") == ["build", LAST]


@pytest.mark.parametrize("how", ["symlink", "hardlink", "pipe", "directory"])
def test_a_note_that_is_no_file_of_its_own_is_not_written_through(
    base: Path, tmp_path: Path, how: str
) -> None:
    victim, last = tmp_path / "victim", base / "young" / LAST
    victim.write_text("precious")
    last.unlink()
    match how:
        case "symlink":
            last.symlink_to(victim)
        case "hardlink":
            last.hardlink_to(victim)
        case "pipe":
            os.mkfifo(last)
        case _:
            last.mkdir()
    force(tmp_path, "7d")
    assert victim.read_text() == "precious"
    assert how == "directory" or (last.is_file() and not last.is_symlink())
