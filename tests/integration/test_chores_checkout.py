"""Checkouts, with real git and hg repositories on disk: made, updated, pinned, mended."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from farmhand.errors import BadInput
from runner.chores.checkout import beside, check_place, plan
from runner.chores.frame import RETRY, Outcome
from runner.chores.repo_settings import Checkout, Repository
from runner.protocol import TaskCode
from tests.chores import make_call
from tests.forks import RUNNER, Forked, forks_of
from tests.repositories import Remote, Vcs, find_hg, make_remote
from tests.runner_machine import wait_until

pytestmark = pytest.mark.integration
VCS: tuple[Vcs, ...] = ("git", "hg")


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[Vcs, Remote]:
    directory = tmp_path_factory.mktemp("remotes")
    return {vcs: make_remote(vcs, directory / vcs) for vcs in VCS}


@pytest.fixture(params=VCS)
def remote(request: pytest.FixtureRequest, templates: dict[Vcs, Remote], tmp_path: Path) -> Remote:
    template = templates[request.param]
    shutil.copytree(template.path, tmp_path / "remote", symlinks=True)
    return Remote(vcs=template.vcs, path=tmp_path / "remote")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "builds" / "tools"


def bring(remote: Remote, place: Path, settings: Mapping[str, Any] | None = None) -> Outcome:
    repo = Repository(url=str(remote.path), path=place, vcs=remote.vcs, **(settings or {}))
    checkout = Checkout(repositories={"tools": repo}, hg=find_hg(), timeout_s=60)
    return plan(make_call(place.parent, os.environ), checkout).act()


def files(place: Path) -> set[str]:
    return {path.name for path in place.iterdir()} - {".git", ".hg"}


def test_a_checkout_is_what_is_wanted(remote: Remote, place: Path) -> None:
    first = remote.head()
    assert bring(remote, place).code == TaskCode.OK
    assert files(place) == {"first"}
    remote.commit("second")
    (place / "first").write_text("changed here")
    (place / "left by a build\n").write_text("")
    assert bring(remote, place).code == TaskCode.OK
    assert files(place) == {"first", "second"}
    assert (place / "first").read_text() == "first"
    remote.branch("release")
    remote.commit("third")
    assert bring(remote, place, {"branch": "release"}).code == TaskCode.OK
    assert files(place) == {"first", "second", "third"}
    assert bring(remote, place, {"revision": first}).code == TaskCode.OK
    assert files(place) == {"first"}


@pytest.mark.fault(
    "a repository's server does not answer, or has no such revision",
    "the task asks for another try and says which; the checkout stays",
)
@pytest.mark.parametrize(
    "remote", ["git", pytest.param("hg", marks=pytest.mark.soak)], indirect=True
)
def test_what_the_remote_does_not_say_costs_a_try_and_not_the_checkout(
    remote: Remote, place: Path
) -> None:
    bring(remote, place)
    before = place.stat().st_ino
    outcome = bring(remote, place, {"revision": "nowhere"})
    assert (outcome.code, "has no nowhere" in outcome.why) == (RETRY, True)
    first = remote.head()
    remote.path.rename(remote.path.with_name("away"))
    outcome = bring(remote, place)
    assert (outcome.code, "does not answer" in outcome.why) == (RETRY, True)
    assert bring(remote, place, {"revision": first}).code == TaskCode.OK
    assert (place.stat().st_ino, files(place)) == (before, {"first"})


def damage(place: Path) -> None:
    """Empty the objects of a git clone, or the changes of one of hg."""
    for path in [*place.glob(".git/objects/*/*"), *place.glob(".hg/store/00changelog.i")]:
        path.unlink()
        path.write_bytes(b"")


def behead(place: Path) -> None:
    """Take away what makes it a clone at all."""
    for path in (place / ".git/HEAD", place / ".hg/requires"):
        path.unlink(missing_ok=True)


@pytest.mark.fault("a clone is broken: {id}", "it is made anew; what was left beside it goes")
@pytest.mark.parametrize(
    ("remote", "how"),
    [
        pytest.param("git", damage, id="git-damaged"),
        pytest.param("git", behead, id="git-beheaded"),
        pytest.param("hg", damage, id="hg-damaged"),
        pytest.param("hg", behead, id="hg-beheaded", marks=pytest.mark.soak),
    ],
    indirect=["remote"],
)
def test_a_broken_clone_is_made_anew_and_what_was_left_beside_it_goes(
    remote: Remote, place: Path, how: Callable[[Path], None]
) -> None:
    bring(remote, place)
    how(place)
    (beside(place, "new") / ".git").mkdir(parents=True)
    beside(place, "old").symlink_to(place)
    assert bring(remote, place).code == TaskCode.OK
    assert files(place) == {"first"}
    assert sorted(path.name for path in place.parent.iterdir()) == [".tools.lock", "tools"]


@pytest.mark.fault(
    "a broken clone stands inside another one", "it is made anew; the other is left alone"
)
def test_a_broken_clone_inside_another_leaves_that_one_alone(tmp_path: Path, place: Path) -> None:
    remote = make_remote("git", tmp_path / "remote")
    outer = place.parent
    subprocess.run(["git", "init", "-q", outer], check=True)
    (outer / "precious").write_text("")
    (place / ".git").mkdir(parents=True)
    assert bring(remote, place).code == TaskCode.OK
    assert (outer / "precious").exists()
    assert files(place) == {"first"}


@pytest.mark.fault("a checkout is killed (kill -9) when it is: {moment}", "the next one heals it")
@pytest.mark.parametrize("moment", ["new", "whole", "updated"])
def test_killed_in_between_the_next_one_heals(tmp_path: Path, place: Path, moment: str) -> None:
    remote = make_remote("git", tmp_path / "remote")
    if moment == "updated":
        bring(remote, place)
        (place / ".git/FETCH_HEAD").unlink()
    remote.commit("second")
    sign = {
        "new": beside(place, "new") / ".git",
        "whole": place / ".git",
        "updated": place / ".git/FETCH_HEAD",
    }
    process = start_chore(remote, place)
    wait_until(sign[moment].exists)
    process.kill()
    process.wait(60)
    # What git itself has started may take a moment to end: as for the runner, it is tried again.
    assert any(bring(remote, place).code == TaskCode.OK for _ in range(3))
    assert files(place) == {"first", "second"}


def start_chore(remote: Remote, place: Path) -> Forked:
    config = remote.path.with_name("runner.cfg")
    config.write_text(
        f"[checkout]\nrepositories.tools.url = {remote.path}\nrepositories.tools.path = {place}\n"
    )
    words = ["-m", "runner.cli", "chore", "-q", "checkout", "-c", str(config)]
    environ = {**os.environ, "FARMHAND_STATE": str(config.with_name("state"))}
    return forks_of(RUNNER).start(words, directory=config.parent, environ=environ)


# What is refused


def test_what_is_no_clone_stays(place: Path) -> None:
    place.mkdir(parents=True)
    assert check_place(place) is False
    (place / "thesis.txt").write_text("")
    with pytest.raises(BadInput, match="is no clone"):
        check_place(place)


def test_a_link_is_not_replaced(place: Path, tmp_path: Path) -> None:
    place.parent.mkdir()
    place.symlink_to(tmp_path)
    with pytest.raises(BadInput, match="no directory"):
        check_place(place)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a directory away")
def test_a_clone_of_another_user_is_left_alone(place: Path) -> None:
    (place / ".git").mkdir(parents=True)
    os.chown(place, 12345, 12345)
    with pytest.raises(BadInput, match=r"belongs to user 12345.*tasks\.checkout\.user"):
        check_place(place)


def test_nobody_is_asked_for_a_password_and_one_failure_stops_no_other(
    tmp_path: Path, place: Path
) -> None:
    remote = make_remote("git", tmp_path / "remote")
    wrong = Repository(url="https://127.0.0.1:1/private", path=tmp_path / "wrong")
    right = Repository(url=str(remote.path), path=place)
    outcome = plan(make_call(tmp_path, os.environ), Checkout(repositories={"a": wrong, "b": right}))
    done = outcome.act()
    assert (done.code, done.counts) == (RETRY, {"checkouts": 2, "failed": 1})
    assert files(place) == {"first"}
