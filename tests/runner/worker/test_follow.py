"""A log is followed while it grows, rotates and is truncated; real files."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.worker.follow import LONGEST_LINE, Follower


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "twistd.log"


@pytest.fixture
def follower(log: Path) -> Iterator[Follower]:
    log.write_text("old\n")
    made = Follower(log)
    yield made
    made.close()


def append(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


def rotate(log: Path) -> None:
    """Rename as twistd does."""
    numbers = [
        int(path.suffix[1:])
        for path in log.parent.glob("twistd.log.*")
        if path.suffix[1:].isdigit()
    ]
    for number in sorted(numbers, reverse=True):
        log.with_name(f"twistd.log.{number}").rename(log.with_name(f"twistd.log.{number + 1}"))
    log.rename(log.with_name("twistd.log.1"))
    log.touch()


def test_only_new_lines_are_read(log: Path, follower: Follower) -> None:
    append(log, "a\nb\n")
    assert list(follower.read_lines()) == ["a", "b"]
    assert list(follower.read_lines()) == []


def test_a_line_is_read_once_it_is_whole(log: Path, follower: Follower) -> None:
    append(log, "ha")
    assert list(follower.read_lines()) == []
    append(log, "lf\n")
    assert list(follower.read_lines()) == ["half"]


def test_a_log_that_is_not_there_yet_is_read_from_its_start(log: Path) -> None:
    follower = Follower(log)
    assert list(follower.read_lines()) == []
    append(log, "first\n")
    assert list(follower.read_lines()) == ["first"]
    follower.close()


def test_from_its_start_on_request(log: Path) -> None:
    log.write_text("old\n")
    follower = Follower(log, from_start=True)
    assert list(follower.read_lines()) == ["old"]
    follower.close()


def test_a_rotated_log_is_read_to_its_end_first(log: Path, follower: Follower) -> None:
    append(log, "a\n")
    rotate(log)
    append(log, "b\n")
    assert list(follower.read_lines()) == ["a", "b"]


def test_rotated_often_between_two_looks(log: Path, follower: Follower) -> None:
    for name in "abcde":
        append(log, f"{name}\n")
        rotate(log)
    assert list(follower.read_lines()) == list("abcde")


def test_rotated_out_of_existence(log: Path, follower: Follower) -> None:
    append(log, "a\n")
    rotate(log)
    log.with_name("twistd.log.1").unlink()
    append(log, "b\n")
    assert list(follower.read_lines()) == ["a", "b"]


def test_removed_and_not_there_again_yet(log: Path, follower: Follower) -> None:
    append(log, "a\n")
    log.unlink()
    assert list(follower.read_lines()) == ["a"]
    append(log, "b\n")
    assert list(follower.read_lines()) == ["b"]


def test_what_was_there_before_the_start_is_not_read_after_a_removal(
    log: Path, follower: Follower
) -> None:
    log.with_name("twistd.log.1").write_text("older\n")
    log.unlink()
    append(log, "new\n")
    assert list(follower.read_lines()) == ["new"]


def test_truncated(log: Path, follower: Follower) -> None:
    append(log, "a\n")
    list(follower.read_lines())
    log.write_text("b\n")
    assert list(follower.read_lines()) == ["b"]


def test_truncated_and_longer_again_than_before(log: Path, follower: Follower) -> None:
    append(log, "a\n")
    list(follower.read_lines())
    log.write_text("another text that is much longer\n")
    assert list(follower.read_lines()) == ["another text that is much longer"]


def test_truncated_below_a_writer_that_goes_on_where_it_was(log: Path, follower: Follower) -> None:
    with log.open("r+") as writer:
        writer.seek(200_000)
        writer.write("a\n")
        writer.flush()
        list(follower.read_lines())
        writer.truncate(0)
        writer.write("b\n")
    assert list(follower.read_lines()) == ["b"]


def test_a_line_without_end_is_bounded(log: Path, follower: Follower) -> None:
    append(log, "x" * (3 * LONGEST_LINE) + "\nnext\n")
    first, second = follower.read_lines()
    assert len(first) <= LONGEST_LINE
    assert second == "next"


def test_bytes_that_are_no_text_stop_nothing(log: Path, follower: Follower) -> None:
    with log.open("ab") as file:
        file.write(b"\xff\xfe\nb\n")
    assert list(follower.read_lines())[1] == "b"


LINE = st.text(st.characters(codec="ascii", exclude_categories=("C", "Z")), max_size=9)


@given(st.lists(st.one_of(LINE, st.none()), max_size=30))
def test_nothing_is_lost_or_doubled_however_it_rotates(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str | None]
) -> None:
    log = tmp_path_factory.mktemp("log") / "twistd.log"
    log.touch()
    follower = Follower(log)
    read: list[str] = []
    for number, step in enumerate(steps):
        if step is None:
            rotate(log)
        else:
            append(log, f"{step}\n")
        if number % 3 == 0:
            read += follower.read_lines()
    read += follower.read_lines()
    follower.close()
    assert read == [step for step in steps if step is not None]
