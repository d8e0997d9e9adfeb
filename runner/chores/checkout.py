"""Checkouts of tools as they are wanted: cloned, updated, and made anew where they are broken.

A clone is made beside its place and moved there when it is whole: who is killed leaves nothing that
the next one takes for good.
"""

import logging
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from farmhand.errors import BadInput, FarmError, Unavailable
from farmhand.state import exclusive
from runner.chores.frame import RETRY, Call, Outcome, Plan
from runner.chores.programs import Program, Ran, run_program
from runner.chores.repo_settings import Checkout, Repository
from runner.chores.vcs import Argv, Commands, is_pinned, make_commands, make_environ

log = logging.getLogger("runner.chore")
MARKS = (".git", ".hg")


class Broken(Exception):
    """This clone can't be mended, though its remote answers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """One checkout to bring up to date."""

    name: str
    repo: Repository
    commands: Commands
    environ: Mapping[str, str]
    timeout_s: float

    def at(self, path: Path, program: str) -> "Work":
        """Return the same elsewhere."""
        repo = replace(self.repo, path=path)
        return replace(self, repo=repo, commands=make_commands(repo, program))

    def run(self, argv: Argv) -> tuple[Ran, str]:
        """Run a command, outside of all checkouts; return also what it said last."""
        program = Program(
            argv=argv,
            timeout_s=self.timeout_s,
            cwd=Path("/"),
            environ=self.environ,
            label=self.name,
        )
        ran = run_program(program)
        return ran, ran.tail[-1] if ran.tail else ""


def plan(call: Call, settings: Checkout) -> Plan:
    """List the checkouts; one that fails stops no other."""
    works = {}
    for name, repo in settings.repositories.items():
        program = settings.git if repo.vcs == "git" else settings.hg
        works[name] = Work(
            name=name,
            repo=repo,
            commands=make_commands(repo, program),
            environ=make_environ(call.run.environ),
            timeout_s=settings.timeout_s,
        )

    def act() -> Outcome:
        failed = []
        for name, work in works.items():
            try:
                with exclusive(make_parent(work.repo.path), f".{work.repo.path.name}"):
                    log.info("%s: %s", name, bring(work, settings))
            except FarmError as err:
                failed.append(f"{name}: {err}")
        counts = {"checkouts": len(works), "failed": len(failed)}
        return Outcome(code=RETRY if failed else 0, why="; ".join(failed), counts=counts)

    lines = tuple(describe(name, work.repo) for name, work in works.items())
    return Plan(lines=lines or ("no repositories are configured",), act=act)


def describe(name: str, repo: Repository) -> str:
    """Say what is wanted."""
    wanted = repo.revision or repo.branch or "the default branch"
    return f"{name}: {wanted} of {repo.url} in {repo.path}"


def make_parent(path: Path) -> Path:
    """Make the directory that a checkout is in; raises BadInput."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise BadInput(f"{path.parent}: {err.strerror}") from err
    return path.parent


def bring(work: Work, settings: Checkout) -> str:
    """Bring a checkout up to date, or make it anew; return its id. Raises FarmError."""
    path = work.repo.path
    there = check_place(path)
    for rest in (beside(path, "new"), beside(path, "old")):
        remove(rest)
    if there:
        try:
            return update(work)
        except Broken as err:
            log.warning("%s: %s; it is made anew", work.name, err)
    fresh = work.at(beside(path, "new"), settings.git if work.repo.vcs == "git" else settings.hg)
    ran, _ = fresh.run(fresh.commands.clone)
    if ran.code != 0:
        raise Unavailable(f"{work.repo.url} can't be cloned: {ran.describe()}")
    try:
        node = update(fresh) if work.repo.vcs == "git" else settle(fresh)
    except Broken as err:
        raise FarmError(f"a new clone of {work.repo.url}: {err}") from err
    put_in_place(fresh.repo.path, path)
    return node


def check_place(path: Path) -> bool:
    """Whether a clone is there, which may be replaced.

    Raises BadInput where something is there that is none, or not ours: nobody asked to lose that.
    """
    try:
        found = path.lstat()
        if path.is_symlink() or not path.is_dir():
            raise BadInput(f"{path} is no directory: nothing is put in its place")
        if found.st_uid != os.geteuid():
            owner = f"user {found.st_uid}, and we are user {os.geteuid()}"
            raise BadInput(f"{path} belongs to {owner}: see runner.tasks.checkout.user")
        names = os.listdir(path)  # noqa: PTH208 - names are all we need
    except FileNotFoundError:
        return False
    except OSError as err:
        raise BadInput(f"{path}: {err.strerror}") from err
    if names and not set(MARKS) & set(names):
        raise BadInput(f"{path} has files, but is no clone: nothing is put in its place")
    return bool(names)


def update(work: Work) -> str:
    """Fetch and check out; raises Broken where only a new clone helps, Unavailable, FarmError."""
    commands = work.commands
    if is_pinned(work.repo) and work.run(commands.find)[0].code == 0:
        return settle(work)
    ran, _ = work.run(commands.fetch)
    if ran.code is None:
        raise Unavailable(f"{work.repo.url}: {ran.describe()}")
    if ran.code != 0:
        asked, _ = work.run(commands.ask)
        if asked.code != 0:
            raise Unavailable(f"{work.repo.url} does not answer: {asked.describe()}")
        raise Broken(f"{work.repo.path} can't be updated: {ran.describe()}")
    return settle(work)


def settle(work: Work) -> str:
    """Make the files what is wanted, and return its id; raises Broken, FarmError."""
    ran, node = work.run(work.commands.find)
    if ran.code != 0 or not node:
        if work.run(work.commands.check)[0].code != 0:
            raise Broken(f"{work.repo.path} is damaged")
        wanted = work.repo.revision or work.repo.branch or "default branch"
        raise FarmError(f"{work.repo.url} has no {wanted}")
    for argv in work.commands.update(node):
        ran, _ = work.run(argv)
        if ran.code != 0:
            raise Broken(f"{work.repo.path}: {ran.describe()}")
    return node


def beside(path: Path, what: str) -> Path:
    """Name what stands beside a checkout while it is replaced."""
    return path.with_name(f".{path.name}.{what}")


def remove(path: Path) -> None:
    """Remove what a run that was killed has left; raises FarmError."""
    try:
        if path.is_symlink():
            path.unlink()
        else:
            with suppress(FileNotFoundError):
                shutil.rmtree(path)
    except OSError as err:
        raise FarmError(f"{path} can't be removed: {err.strerror}") from err


def put_in_place(fresh: Path, path: Path) -> None:
    """Put a whole clone in the place of the old one; raises FarmError."""
    old = beside(path, "old")
    try:
        with suppress(FileNotFoundError):
            path.rename(old)
        fresh.rename(path)
    except OSError as err:
        raise FarmError(f"{path} can't be replaced: {err.strerror}") from err
    remove(old)
