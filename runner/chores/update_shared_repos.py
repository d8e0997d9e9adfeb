"""Pull into the clones that builds share, some at a time; one that fails stops no other."""

import logging
import os
import re
import shlex
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from farmhand.errors import BadInput
from runner.chores.frame import Call, Outcome, Plan
from runner.chores.programs import Program, Ran, run_program
from runner.chores.repo_settings import UpdateSharedRepos
from runner.chores.vcs import make_environ

log = logging.getLogger("runner.chore")
BARE = {"HEAD", "objects", "refs"}
RECOVER = "hg recover"


@dataclass(frozen=True, kw_only=True, slots=True)
class Clone:
    """A clone below the directory."""

    path: Path
    pull: tuple[str, ...]
    recover: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Times:
    """How long one may take, and when all must be done, by the monotonic clock."""

    pull_s: float
    deadline: float


def plan(call: Call, settings: UpdateSharedRepos) -> Plan:
    """Find the clones. What fails is a warning: builds pull what is missing."""
    if settings.directory is None:
        return Plan(lines=("no directory of shared clones is configured",))
    if not settings.directory.is_dir():
        return Plan(lines=(f"{settings.directory} is not there: no build has shared anything",))
    clones = choose(settings.directory, tuple(find_clones(settings.directory, settings)), settings)
    environ = make_environ(call.run.environ)

    def act() -> Outcome:
        times = Times(
            pull_s=settings.pull_s,
            deadline=time.monotonic() + settings.deadline_s,
        )
        problems = pull_all(clones, times, environ, settings.parallel)
        for problem in problems:
            log.warning("%s", problem)
        return Outcome(counts={"clones": len(clones), "failed": len(problems)})

    return Plan(lines=tuple(f"pull into {clone.path}" for clone in clones), act=act)


def find_clones(directory: Path, settings: UpdateSharedRepos, depth: int = 1) -> Iterator[Clone]:
    """Find clones at most so deep, in order; links are not followed, nor what is in a clone."""
    try:
        with closing(os.scandir(directory)) as entries:
            found = sorted(
                (each for each in entries if each.is_dir(follow_symlinks=False)),
                key=lambda each: each.name,
            )
    except OSError as err:
        if depth == 1:
            raise BadInput(f"{directory}: {err.strerror}") from err
        log.warning("%s: %s", directory, err.strerror)
        return
    for entry in found:
        path = Path(entry.path)
        clone = read_clone(path, settings)
        if clone is not None:
            yield clone
        elif depth < settings.depth:
            yield from find_clones(path, settings, depth + 1)


def read_clone(path: Path, settings: UpdateSharedRepos) -> Clone | None:
    """Say how one pulls into a directory; None where it is no clone."""
    git, hg = tuple(shlex.split(settings.git)), tuple(shlex.split(settings.hg))
    fetch = ("fetch", "--quiet", "--all", "--prune")
    try:
        names = set(os.listdir(path))  # noqa: PTH208 - names are all we need
    except OSError as err:
        log.warning("%s: %s", path, err.strerror)
        return None
    if ".hg" in names:
        base = (*hg, "--noninteractive", "--repository", str(path))
        return Clone(path=path, pull=(*base, "pull", "--quiet"), recover=(*base, "recover"))
    if ".git" in names or names >= BARE:
        inside = path / ".git" if ".git" in names else path
        return Clone(path=path, pull=(*git, f"--git-dir={inside}", *fetch))
    return None


def choose(
    directory: Path, clones: tuple[Clone, ...], settings: UpdateSharedRepos
) -> tuple[Clone, ...]:
    """Leave out those whose path in the directory a pattern matches from its start."""

    def is_excluded(clone: Clone) -> bool:
        name = clone.path.relative_to(directory).as_posix()
        return any(re.match(pattern, name) for pattern in settings.exclude)

    return tuple(clone for clone in clones if not is_excluded(clone))


def pull_all(
    clones: tuple[Clone, ...], times: Times, environ: Mapping[str, str], parallel: int
) -> list[str]:
    """Pull into all, so many at a time; return what went wrong."""
    pool = ThreadPoolExecutor(parallel)
    try:
        futures = [pool.submit(pull, clone, times, environ) for clone in clones]
        return [problem for each in futures if (problem := each.result())]
    finally:
        pool.shutdown(cancel_futures=True)


def pull(clone: Clone, times: Times, environ: Mapping[str, str]) -> str:
    """Pull into one; return what went wrong, or nothing.

    A pull that was killed leaves hg's transaction behind, which is taken back first.
    """
    ran = run_before(clone, clone.pull, times, environ)
    if ran.code not in {0, None} and clone.recover and any(RECOVER in line for line in ran.tail):
        run_before(clone, clone.recover, times, environ)
        ran = run_before(clone, clone.pull, times, environ)
    return "" if ran.code == 0 else f"{clone.path}: {ran.describe()}"


def run_before(
    clone: Clone, argv: tuple[str, ...], times: Times, environ: Mapping[str, str]
) -> Ran:
    """Run a command as long as there is time."""
    left_s = times.deadline - time.monotonic()
    if left_s <= 0:
        return Ran(code=None, problem="not begun in time")
    timeout_s = min(times.pull_s, left_s)
    program = Program(argv=argv, timeout_s=timeout_s, environ=environ, label=clone.path.name)
    return run_program(program)
