"""Clean up what is in no build's directory: logs that grow, temporary files, whatever is named."""

import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from runner.chores.builds import show
from runner.chores.directories import list_names, opened
from runner.chores.disk_settings import Cleanup, parse_age
from runner.chores.frame import Call, Outcome, Plan, log
from runner.chores.reading import find_uid, find_workers, read_processes
from runner.chores.strays import find_owned, format_processes
from runner.remove import remove

MOST_DEPTH = 100


def plan(call: Call, settings: Cleanup) -> Plan:
    """Clean up, unless a worker runs whose build may need what is there."""
    uid = os.getuid() if settings.owner is None else find_uid(settings.owner)
    if workers := find_workers(find_owned(read_processes().values(), uid)):
        who = format_processes(workers)
        return Plan(lines=(f"a worker runs, {who}: its build may need what is there",))
    return plan_for(settings, uid, call.run.now.timestamp())


def plan_for(settings: Cleanup, uid: int, now: float) -> Plan:
    """Find what goes."""
    before = now - parse_age(settings.temp_age)
    logs = [path for path in settings.truncate if is_log(path, uid)]
    gone = [path for pattern in settings.remove for path in find_named(pattern)]
    gone += [path for directory in settings.temp for path in find_old(directory, uid, before)]
    lines = [f"empty {path}" for path in logs] + [f"remove {show(str(path))}" for path in gone]

    def act() -> Outcome:
        counts = {"emptied": 0, "removed": 0, "left": 0}
        for path in logs:
            counts["emptied"] += empty_log(path, uid)
        for path in gone:
            counts["left" if (why := remove_path(path)) else "removed"] += 1
            if why:
                log.warning("%s can't be removed: %s", show(str(path)), why)
        return Outcome(counts=counts)

    return Plan(lines=tuple(lines), act=act)


def is_log(path: Path, uid: int) -> bool:
    """Whether it is a file with something in it that is worth emptying."""
    with opened(path.parent) as parent:
        if parent is None:
            return False
        try:
            return may_empty(os.stat(path.name, dir_fd=parent, follow_symlinks=False), uid)
        except OSError:
            return False


def may_empty(found: os.stat_result, uid: int) -> bool:
    """Whether a file may be emptied: a link to it, hard or not, may be one to somebody else's."""
    ours = found.st_uid in (uid, os.geteuid())
    return stat.S_ISREG(found.st_mode) and ours and found.st_nlink == 1 and found.st_size > 0


def empty_log(path: Path, uid: int) -> bool:
    """Empty a file that somebody may go on writing; return whether it was."""
    with opened(path.parent) as parent:
        if parent is None:
            return False
        try:
            file = os.open(path.name, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
        except OSError as err:
            log.warning("%s: %s", path, err.strerror)
            return False
        try:
            if may_empty(os.fstat(file), uid):
                os.ftruncate(file, 0)
                return True
            return False
        finally:
            os.close(file)


def remove_path(path: Path) -> str:
    """Remove one, whatever it is by now; return why it is left."""
    with opened(path.parent) as parent:
        return remove(parent, path.name) if parent is not None else ""


def find_named(pattern: Path) -> Iterator[Path]:
    """Find what a pattern names in its directory, hidden names only where it begins so."""
    with opened(pattern.parent) as parent:
        for name in list_names(parent) if parent is not None else ():
            hidden = name.startswith(".") and not pattern.name.startswith(".")
            if fnmatchcase(name, pattern.name) and not hidden:
                yield pattern.parent / name


def find_old(directory: Path, uid: int, before: float) -> Iterator[Path]:
    """Find a user's files and directories in which nothing has changed since."""
    with opened(directory) as parent:
        for name in list_names(parent) if parent is not None else ():
            if is_old(parent, name, before, uid):
                yield directory / name


def is_old(parent: int | None, name: str, before: float, uid: int | None, depth: int = 0) -> bool:
    """Whether nothing in it has changed since; a socket may be somebody's who listens."""
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        kind = stat.S_IFMT(found.st_mode)
        if found.st_mtime > before or (uid is not None and found.st_uid != uid):
            return False
        if kind != stat.S_IFDIR or depth > MOST_DEPTH:
            return kind in (stat.S_IFREG, stat.S_IFLNK, stat.S_IFDIR)
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        try:
            return all(is_old(below, each, before, None, depth + 1) for each in list_names(below))
        finally:
            os.close(below)
    except OSError:
        return False
