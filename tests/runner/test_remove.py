"""What is removed is what was named, whatever it holds and whoever changes it meanwhile."""

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from runner.remove import TRASH, finish_trash, open_directory, remove
from tests.small_disk import names

MOST_SWAPS = 1000
AWKWARD = [b"new\nline", b"\xff\xfe not utf-8", b" ", b"-rf", b"*", b"a" * 255]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A directory of builds, beside which there is something that must stay."""
    (tmp_path / "base").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/kept").touch()
    return tmp_path / "base"


@pytest.fixture
def parent(base: Path) -> Iterator[int]:
    descriptor = open_directory(base)
    yield descriptor
    os.close(descriptor)


def is_outside_whole(base: Path) -> bool:
    return names(base.parent / "outside") == ["kept"]


@pytest.mark.parametrize("name", AWKWARD, ids=ascii)
def test_any_name_is_removed_with_what_is_in_it(base: Path, parent: int, name: bytes) -> None:
    inside = os.fsencode(base) + b"/" + name + b"/" + name
    Path(os.fsdecode(inside + b"/" + name)).mkdir(parents=True)
    Path(os.fsdecode(inside + b"/file")).touch()
    assert remove(parent, os.fsdecode(name)) == ""
    assert names(base) == []


def test_a_link_is_unlinked_and_never_followed(base: Path, parent: int) -> None:
    (base / "link").symlink_to(base.parent / "outside")
    (base / "build/sub").mkdir(parents=True)
    (base / "build/sub/link").symlink_to(base.parent / "outside")
    assert [remove(parent, name) for name in ("link", "build")] == ["", ""]
    assert names(base) == []
    assert is_outside_whole(base)


def test_what_is_gone_already_is_no_problem(parent: int) -> None:
    assert remove(parent, "gone") == ""


def test_a_half_removed_build_is_finished_by_the_next_run(base: Path, parent: int) -> None:
    (base / f"{TRASH}0123/sub").mkdir(parents=True)
    (base / f"{TRASH}link").symlink_to(base.parent / "outside")
    (base / "build").mkdir()
    assert finish_trash(parent) == []
    assert names(base) == ["build"]
    assert is_outside_whole(base)


def test_a_link_of_ours_may_lead_to_the_directory(base: Path) -> None:
    (base / "build").mkdir()
    (base.parent / "link").symlink_to("base")
    descriptor = open_directory(base.parent / "link/../link/build/..")
    assert os.stat("build", dir_fd=descriptor)
    os.close(descriptor)


def test_links_that_lead_nowhere_are_refused(base: Path) -> None:
    (base / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="somebody else's") as refused:
        open_directory(base / "loop")
    assert refused.value.errno == errno.ELOOP


def test_who_swaps_directories_for_links_meanwhile_gains_nothing(base: Path, parent: int) -> None:
    for number in range(30):
        (base / f"build/{number}/sub").mkdir(parents=True)
    ended = threading.Event()

    def swap() -> None:
        """Put a link in the place of whatever directory is found, as fast as can be."""
        number = 0
        while not ended.is_set() and number < MOST_SWAPS:
            with suppress(OSError):  # it was removed first
                for found in base.glob("*/*"):
                    number += 1
                    link = base.parent / f"link-{number}"
                    link.symlink_to(base.parent / "outside")
                    found.rename(found.with_name(f"{number}-away"))
                    link.rename(found)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        remove(parent, "build")
    finally:
        ended.set()
        thread.join()
    finish_trash(parent)
    assert names(base) == []
    assert is_outside_whole(base)
