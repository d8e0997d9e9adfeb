"""Where state lives, and the lock of one host."""

import os
from pathlib import Path

import pytest

from farmhand import state
from farmhand.errors import BadInput, LockHeld
from farmhand.state import exclusive, find_state_directory, make_writable


@pytest.fixture
def no_system_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "SYSTEM_DIRECTORY", tmp_path / "none")


@pytest.mark.usefixtures("no_system_directory")
@pytest.mark.parametrize(
    ("environ", "directory"),
    [
        ({"FARMHAND_STATE": "/srv/farm", "XDG_STATE_HOME": "/xdg", "HOME": "/h"}, "/srv/farm"),
        ({"XDG_STATE_HOME": "/xdg", "HOME": "/h"}, "/xdg/farmhand"),
        ({"HOME": "/h"}, "/h/.local/state/farmhand"),
        ({"FARMHAND_STATE": "", "XDG_STATE_HOME": "", "HOME": "/h"}, "/h/.local/state/farmhand"),
        ({}, "/.local/state/farmhand"),
    ],
)
def test_without_a_system_directory_state_lives_in(environ: dict[str, str], directory: str) -> None:
    assert find_state_directory(environ) == Path(directory)


def test_the_system_directory_is_used_where_it_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "SYSTEM_DIRECTORY", tmp_path)
    assert find_state_directory({"HOME": "/h"}) == tmp_path


def test_a_chosen_directory_goes_before_the_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "SYSTEM_DIRECTORY", tmp_path)
    assert find_state_directory({"FARMHAND_STATE": "/srv/farm"}) == Path("/srv/farm")


def test_a_missing_directory_is_made_with_its_parents(tmp_path: Path) -> None:
    make_writable(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_directory_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "farmhand.db").write_text("kept")
    make_writable(tmp_path)
    assert (tmp_path / "farmhand.db").read_text() == "kept"


@pytest.mark.fault(
    "the state directory {id}", "exit 2: let this user write it, or set FARMHAND_STATE"
)
@pytest.mark.parametrize("below", ["", "state"], ids=["is a file", "is below a file"])
def test_a_directory_is_refused_that(tmp_path: Path, below: str) -> None:
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(BadInput, match=r"state directory .*; let this user write it, or set FARM"):
        make_writable(path / below)


def test_a_directory_that_cannot_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(BadInput, match="can't be written; let this user write it"):
        make_writable(tmp_path)


def test_a_lock_keeps_the_second_out_at_once(tmp_path: Path) -> None:
    with (
        exclusive(tmp_path, "watch-pending-run"),
        pytest.raises(LockHeld, match=r"another run holds .*/watch-pending-run\.lock"),
        exclusive(tmp_path, "watch-pending-run"),
    ):
        pass


def test_a_lock_is_free_after_its_holder(tmp_path: Path) -> None:
    with exclusive(tmp_path, "run"):
        pass
    with exclusive(tmp_path, "run"):
        assert (tmp_path / "run.lock").exists()


def test_a_lock_is_free_after_its_holder_failed(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), exclusive(tmp_path, "run"):
        raise RuntimeError
    with exclusive(tmp_path, "run"):
        pass


def test_locks_of_other_names_are_others(tmp_path: Path) -> None:
    with exclusive(tmp_path, "one"), exclusive(tmp_path, "two"):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["one.lock", "two.lock"]


@pytest.mark.fault("the lock file can't be opened", "exit 2, a line that names it")
def test_a_lock_file_that_cannot_be_opened_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "run.lock").mkdir()
    with pytest.raises(BadInput, match=r"lock .*/run\.lock"), exclusive(tmp_path, "run"):
        pass
