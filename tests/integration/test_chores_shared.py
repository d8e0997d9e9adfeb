"""Shared clones: pulled in parallel, by patterns, until a deadline; services restarted."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from runner.chores import restart_services, update_shared_repos
from runner.chores.frame import RETRY
from runner.chores.repo_settings import UpdateSharedRepos
from runner.chores.settings import RestartServices
from runner.protocol import TaskCode
from tests.chores import make_call
from tests.repositories import Remote, find_hg, make_remote

pytestmark = pytest.mark.integration
# Notes when it begins, and ends once as many have begun as may run at a time.
TOGETHER = """#!/bin/sh
echo x >> {notes}
while [ "$(wc -l < {notes})" -lt 3 ]; do sleep 0.01; done
"""


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return make_remote("git", tmp_path / "remote")


@pytest.fixture
def shared(tmp_path: Path, remote: Remote) -> Path:
    """Clones of git, bare and not, one level deep and two; and what is none."""
    directory = tmp_path / "shared"
    for name in ("tools", "l10n/de", "try"):
        subprocess.run(["git", "clone", "-q", remote.path, directory / name], check=True)
    bare = directory / "bare\nwith a line end"
    subprocess.run(["git", "clone", "-q", "--mirror", remote.path, bare], check=True)
    (directory / "link").symlink_to(directory / "tools")
    (directory / "empty").mkdir()
    return directory


def update(tmp_path: Path, settings: UpdateSharedRepos) -> tuple[int, dict[str, int]]:
    outcome = update_shared_repos.plan(make_call(tmp_path, os.environ), settings).act()
    return outcome.code, dict(outcome.counts)


def has(clone: Path, commit: str) -> bool:
    argv = ["git", "-C", str(clone), "cat-file", "-e", commit]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


@pytest.mark.fault(
    "one of the shared repositories is broken", "one warning that names it; the others are pulled"
)
def test_all_but_the_excluded_are_pulled_and_one_failure_stops_no_other(
    tmp_path: Path, remote: Remote, shared: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = shared / "broken"
    (broken / ".git").mkdir(parents=True)
    remote.commit("second")
    settings = UpdateSharedRepos(directory=shared, exclude=("l10n", "try$"))
    assert update(tmp_path, settings) == (TaskCode.OK, {"clones": 3, "failed": 1})
    names = ("tools", "bare\nwith a line end", "l10n/de", "try")
    assert [has(shared / name, remote.head()) for name in names] == [True, True, False, False]
    warned = [each.message for each in caplog.records if each.levelname == "WARNING"]
    assert len(warned) == 1
    assert warned[0].startswith(str(broken))


@pytest.mark.fault("a pull of hg was killed", "it is taken back and done again")
def test_a_killed_pull_of_hg_is_taken_back(tmp_path: Path) -> None:
    remote = make_remote("hg", tmp_path / "remote")
    clone = tmp_path / "shared/tools"
    shutil.copytree(remote.path, clone)
    (clone / ".hg/hgrc").write_text(f"[paths]\ndefault = {remote.path}\n")
    remote.commit("second")
    # As one that was killed while it appended to the list of changes.
    size = (clone / ".hg/store/00changelog.i").stat().st_size
    (clone / ".hg/store/journal").write_text(f"00changelog.i\0{size}\n")
    settings = UpdateSharedRepos(directory=clone.parent, hg=find_hg())
    assert update(tmp_path, settings) == (TaskCode.OK, {"clones": 1, "failed": 0})
    assert Remote(vcs="hg", path=clone).run("log", "-r", "tip", "-T", "{rev}") == "1"


def test_as_many_as_allowed_pull_at_a_time_and_none_begins_after_the_deadline(
    tmp_path: Path, shared: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program = tmp_path / "git"
    program.write_text(TOGETHER.format(notes=tmp_path / "notes"))
    program.chmod(0o755)
    settings = UpdateSharedRepos(directory=shared, git=str(program), parallel=3, deadline_s=20)
    assert update(tmp_path, settings) == (TaskCode.OK, {"clones": 4, "failed": 0})
    (tmp_path / "notes").unlink()
    settings = UpdateSharedRepos(directory=shared, git=str(program), parallel=1, deadline_s=0.2)
    assert update(tmp_path, settings) == (TaskCode.OK, {"clones": 4, "failed": 4})
    assert "no end within 0." in caplog.text
    assert "not begun in time" in caplog.text


def test_without_the_directory_nothing_is_to_do(tmp_path: Path) -> None:
    assert update(tmp_path, UpdateSharedRepos()) == (0, {})
    assert update(tmp_path, UpdateSharedRepos(directory=tmp_path / "none")) == (0, {})


# Services


def test_a_service_that_can_not_be_restarted_stops_no_other(tmp_path: Path) -> None:
    program = tmp_path / "systemctl"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/notes\n[ "$2" != bad.service ]\n')
    program.chmod(0o755)
    settings = RestartServices(
        services=("bad.service", "good.service"),
        command=f"{program} restart",
        commands=(f"{program} 'a b'", "/nonexistent", "sh -c 'sleep 60'"),
        timeout_s=0.5,
    )
    outcome = restart_services.plan(make_call(tmp_path), settings).act()
    notes = (tmp_path / "notes").read_text().splitlines()
    assert notes == ["restart bad.service", "restart good.service", "a b"]
    assert outcome.code == RETRY
    for what in ("bad.service: exit code 1", "could not be started", "no end within 0.5 s"):
        assert what in outcome.why
