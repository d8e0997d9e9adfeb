"""Directories of builds as they are: who lives in them, how old each is, how much room is left."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from runner.chores.builds import BuildDirectory, Room, show
from runner.remove import finish_trash, open_directory, remove
from runner.worker.process import find_worker

log = logging.getLogger("runner.chore")


@contextmanager
def opened(path: Path) -> Iterator[int | None]:
    """Open a directory; None, with a warning, where it can't be, and without one where none is."""
    try:
        descriptor = open_directory(path)
    except FileNotFoundError:
        yield None
        return
    except OSError as err:
        log.warning("%s: %s", path, err.strerror)
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def list_names(directory: int) -> list[str]:
    """List what is in an open directory, in order."""
    return sorted(os.listdir(directory))


def has_worker(base: Path) -> bool:
    """Whether a worker runs in it, whose build is not to be disturbed: the next one adopts it."""
    worker = find_worker(base)
    if worker is None:
        return False
    worker.close()
    return True


def find_bases(paths: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Find those in which no worker runs, and say of the others that one does."""
    busy = [path for path in paths if has_worker(path)]
    lines = [f"{path}: its worker runs, so that nothing there is removed" for path in busy]
    return [path for path in paths if path not in busy], lines


def read_builds(base: Path, parent: int) -> list[BuildDirectory]:
    """List directories, and links in the place of one; what begins with a dot is none."""
    found = []
    with os.scandir(parent) as entries:
        for entry in entries:
            if entry.name.startswith(".") or not is_build(entry):
                continue
            with suppress(FileNotFoundError):
                changed = read_change(parent, entry)
                found.append(BuildDirectory(base=str(base), name=entry.name, changed=changed))
    return found


def is_build(entry: "os.DirEntry[str]") -> bool:
    """Whether it is a directory, or a link that leads to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def read_change(parent: int, entry: "os.DirEntry[str]") -> float:
    """Read when it or what stands directly in it was changed last."""
    newest = entry.stat(follow_symlinks=False).st_mtime
    if entry.is_symlink():
        return newest
    with suppress(OSError):
        directory = os.open(entry.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        try:
            with os.scandir(directory) as entries:
                for each in entries:
                    with suppress(FileNotFoundError):
                        newest = max(newest, each.stat(follow_symlinks=False).st_mtime)
        finally:
            os.close(directory)
    return newest


def read_room(parent: int) -> Room:
    """Read what is free for who is not root; no limit of inodes is endless room."""
    found = os.fstatvfs(parent)
    inodes = found.f_favail if found.f_files else float("inf")
    return Room(size=found.f_bavail * found.f_frsize, inodes=inodes)


def tidy(base: Path, parent: int) -> int:
    """Finish what an earlier run had begun to remove; return of how much some is left."""
    left = finish_trash(parent)
    for each in left:
        log.warning("%s", show(f"{base}/{each}"))
    return len(left)


def take(parent: int | None, each: BuildDirectory, why: str) -> str:
    """Remove one, and say so; return whether it is `removed` or `left`."""
    if parent is None:
        return "left"
    path = show(f"{each.base}/{each.name}")
    if left := remove(parent, each.name):
        log.warning("%s can't be removed: %s", path, left)
        return "left"
    log.info("removed %s: %s", path, why)
    return "removed"
