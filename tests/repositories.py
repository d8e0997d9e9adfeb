"""Real git and hg repositories on disk."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.forks import MERCURIAL, forks_of

Vcs = Literal["git", "hg"]
GIT = ("git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")


@dataclass(frozen=True, kw_only=True, slots=True)
class Remote:
    """A repository that others clone; each commit adds a file of its name."""

    vcs: Vcs
    path: Path

    def run(self, *args: str) -> str:
        """Run git or hg in it."""
        program = GIT if self.vcs == "git" else (find_hg(), "--config", "ui.username=t")
        done = subprocess.run(
            [*program, *args], cwd=self.path, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, name: str) -> None:
        """Commit a file of this name."""
        (self.path / name).write_text(name)
        if self.vcs == "git":
            self.run("add", name)
            self.run("commit", "--quiet", "-m", name)
        else:
            self.run("commit", "--quiet", "--addremove", "-m", name)

    def branch(self, name: str) -> None:
        """Go on in a branch."""
        self.run(*(("checkout", "-qb", name) if self.vcs == "git" else ("branch", name)))

    def head(self) -> str:
        """Say the id of the last commit."""
        if self.vcs == "git":
            return self.run("rev-parse", "HEAD")
        return self.run("log", "--limit", "1", "--template", "{node}")


def find_hg() -> str:
    """Return the path of an hg that starts at once."""
    return str(forks_of(MERCURIAL).folder / "hg")


def make_remote(vcs: Vcs, path: Path) -> Remote:
    """Make one with a first commit."""
    path.mkdir(parents=True)
    remote = Remote(vcs=vcs, path=path)
    remote.run("init", "--quiet")
    remote.commit("first")
    return remote
