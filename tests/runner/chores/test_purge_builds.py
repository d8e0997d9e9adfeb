"""Builds go from a real directory until there is room; what is missing then has a name."""

from pathlib import Path

import pytest

from runner.chores.disk_settings import PurgeBuilds
from runner.chores.frame import Outcome
from runner.chores.purge_builds import plan
from runner.remove import TRASH
from tests.chore_builds import NOW, age, make_build
from tests.chores import make_call
from tests.small_disk import names

ENDLESS_GIB = 1e9


def purge(tmp_path: Path, **settings: object) -> Outcome:
    """Purge `tmp_path`/base, where there never is room enough, unless said otherwise."""
    given = {"paths": (tmp_path / "base",), "free_gib": ENDLESS_GIB, **settings}
    return plan(make_call(tmp_path, now=NOW), PurgeBuilds(**given)).act()  # type: ignore[arg-type]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    make_build(tmp_path / "base/a", 3)
    make_build(tmp_path / "base/b", 2)
    (tmp_path / "base/info").mkdir()
    (tmp_path / "base/.hidden").mkdir()
    (tmp_path / "base/buildbot.tac").touch()
    return tmp_path / "base"


def test_where_there_is_room_nothing_goes(base: Path, tmp_path: Path) -> None:
    assert purge(tmp_path, free_gib=0.0).counts == {"removed": 0, "left": 0}


def test_only_builds_go_never_the_workers_own_files(base: Path, tmp_path: Path) -> None:
    assert purge(tmp_path).counts == {"removed": 2, "left": 0}
    assert names(base) == [".hidden", "buildbot.tac", "info"]


def test_what_is_too_old_goes_though_there_is_room(base: Path, tmp_path: Path) -> None:
    purge(tmp_path, free_gib=0.0, max_age="60h")
    assert "a" not in names(base)
    assert "b" in names(base)


def test_a_change_in_it_makes_a_build_young(base: Path, tmp_path: Path) -> None:
    age(base / "a/build", 0.1)
    age(base / "a", 3)
    purge(tmp_path, free_gib=0.0, max_age="1d")
    assert {"a", "b"} & set(names(base)) == {"a"}


def test_a_link_to_a_build_is_unlinked_only(base: Path, tmp_path: Path) -> None:
    (base / "link").symlink_to(tmp_path / "outside")
    (base / "circle").symlink_to("circle")
    (tmp_path / "outside/kept").touch()
    purge(tmp_path)
    assert "link" not in names(base)
    assert names(tmp_path / "outside") == ["kept"]


def test_the_next_run_finishes_what_a_killed_one_began(base: Path, tmp_path: Path) -> None:
    make_build(base / f"{TRASH}1", 0)
    purge(tmp_path, free_gib=0.0)
    assert names(base) == [".hidden", "a", "b", "buildbot.tac", "info"]


@pytest.mark.parametrize(("when_short", "code"), [("go-on", 0), ("retry", 1), ("halt", 2)])
def test_too_little_room_has_a_name_and_a_code(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], when_short: str, code: int
) -> None:
    outcome = purge(tmp_path, when_short=when_short)
    assert outcome.code == code
    assert "GiB free of 1e+09 wanted, and nothing more may go" in outcome.why
    assert ("@runner reason disk-full: " in capsys.readouterr().out) == (when_short != "go-on")


def test_builds_that_are_not_there_yet_are_no_mistake(tmp_path: Path) -> None:
    assert purge(tmp_path).code == 0


def test_a_plan_names_what_goes_first_and_removes_nothing(base: Path, tmp_path: Path) -> None:
    settings = PurgeBuilds(paths=(base,), free_gib=ENDLESS_GIB)
    lines = plan(make_call(tmp_path, now=NOW), settings).lines
    assert lines[1] == f"until that is free: {base}/a (3.0 days), {base}/b (2.0 days)"
    assert {"a", "b"} <= set(names(base))
