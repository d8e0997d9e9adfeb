"""Commands of git and hg for one checkout, and what they run in; pure."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from runner.chores.repo_settings import Repository

# Nobody is there to be asked. Where these point must not be what our caller happens to work in.
ASK_NOBODY = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "false",
    "SSH_ASKPASS": "false",
    "HGPLAIN": "1",
}
MISLEADING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY")
FULL_ID = 40
DEFAULT = "refs/farmhand/default"

Argv = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Commands:
    """What is run for one checkout; `find` prints the id of what is wanted.

    `check` says whether the clone itself is sound, `ask` whether the remote answers.
    """

    clone: Argv
    fetch: Argv
    find: Argv
    check: Argv
    ask: Argv
    program: Argv
    repo: Repository

    def update(self, node: str) -> tuple[Argv, ...]:
        """Make the files those of an id, and remove all others."""
        base = (*self.program, *inside(self.repo.vcs, str(self.repo.path)))
        if self.repo.vcs == "git":
            checkout = (*base, "checkout", "--quiet", "--force", "--detach", node, "--")
            return checkout, (*base, "clean", "--quiet", "-ffdx")
        purge = ("--config", "extensions.purge=", "purge", "--all")
        return (*base, "update", "--quiet", "--clean", "--rev", node), (*base, *purge)


def inside(vcs: str, path: str) -> Argv:
    """Name a clone, so that a broken one is not taken for a part of one above it.

    >>> inside("git", "/t")
    ('--git-dir=/t/.git', '--work-tree=/t')
    """
    if vcs == "git":
        return (f"--git-dir={path}/.git", f"--work-tree={path}")
    return ("--noninteractive", "--repository", path)


def make_commands(repo: Repository, program: str) -> Commands:
    """Make the commands for a checkout."""
    words = tuple(shlex.split(program))
    base = (*words, *inside(repo.vcs, str(repo.path)))
    if repo.vcs == "git":
        refs = ["+refs/heads/*:refs/remotes/origin/*"]
        wanted = repo.revision or f"refs/remotes/origin/{repo.branch}"
        if repo.revision is None and repo.branch is None:
            wanted = DEFAULT
            refs.append(f"+HEAD:{DEFAULT}")  # the remote's may be another branch by now
        verify = ("rev-parse", "--verify", "--quiet", "--end-of-options")
        return Commands(
            clone=(*words, "clone", "--quiet", "--no-checkout", "--", repo.url, str(repo.path)),
            fetch=(*base, "fetch", "--quiet", "--prune", "--force", "--tags", repo.url, *refs),
            find=(*base, *verify, f"{wanted}^{{commit}}"),
            check=(*base, "fsck", "--connectivity-only", "--no-dangling"),
            ask=(*words, "ls-remote", "--quiet", "--", repo.url, "HEAD"),
            program=words,
            repo=repo,
        )
    hg = (*words, "--noninteractive")
    node = ("log", "--limit", "1", "--template", "{node}\n", "--rev")
    return Commands(
        clone=(*hg, "clone", "--quiet", "--noupdate", "--", repo.url, str(repo.path)),
        fetch=(*base, "pull", "--quiet", "--", repo.url),
        find=(*base, *node, repo.revision or repo.branch or "default"),
        check=(*base, "verify", "--quiet"),
        ask=(*hg, "identify", "--id", "--", repo.url),
        program=words,
        repo=repo,
    )


def is_pinned(repo: Repository) -> bool:
    """Whether a full id names what is wanted, which no fetch can change."""
    revision = repo.revision or ""
    return len(revision) >= FULL_ID and set(revision) <= set("0123456789abcdef")


def make_environ(ours: Mapping[str, str]) -> dict[str, str]:
    """Make the environment of git and hg from our own.

    >>> make_environ({"GIT_DIR": "/x", "HOME": "/h"})["HOME"]
    '/h'
    """
    return {key: value for key, value in ours.items() if key not in MISLEADING} | ASK_NOBODY
