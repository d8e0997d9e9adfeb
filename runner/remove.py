"""Remove what others may write in: by descriptors, never through a link, never into a mount.

A directory is renamed before anything in it goes, so that what is half removed is nobody's build;
who comes after a kill finishes it. It is emptied without recursion: a directory in it moves up
into it and is looked into there. A mount can't be moved, and what we look into can't be swapped for
a link any more.
"""

import errno
import os
import re
import secrets
import stat
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path, PurePath
from typing import TypeVar

TRASH = ".farmhand-trash-"
MOST_LINKS = 40
MOST_DEPTH = 100
# Of a rename: no room for another name, or a layer below that can't be moved.
UNMOVABLE = {errno.ENOSPC, errno.EDQUOT, errno.EXDEV, errno.ENAMETOOLONG}
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
MOUNTS = Path("/proc/self/mountinfo")
ESCAPED = re.compile(rb"\\([0-7]{3})")
OTHER_DEVICE = "it is another file system"
Result = TypeVar("Result")


def open_directory(path: Path) -> int:
    """Open a directory; a link on the way to it must be root's or our own.

    Raises OSError.
    """
    waiting = [*reversed(path.absolute().parts[1:])]
    links = 0
    with ExitStack() as held:

        def step(name: str, **where: int) -> int:
            found = os.open(name, os.O_PATH | os.O_NOFOLLOW, **where)
            held.callback(os.close, found)
            return found

        here = step("/")
        while waiting:
            found = step(waiting.pop(), dir_fd=here)
            status = os.fstat(found)
            if not stat.S_ISLNK(status.st_mode):
                here = found
                continue
            links += 1
            if links > MOST_LINKS or status.st_uid not in (0, os.geteuid()):
                raise OSError(errno.ELOOP, "a link of somebody else's is on the way", str(path))
            target = PurePath(os.readlink("", dir_fd=found))
            waiting += reversed([part for part in target.parts if part != "/"])
            here = step("/") if target.is_absolute() else here
        return os.open(".", DIRECTORY, dir_fd=here)


def remove(parent: int, name: str) -> str:
    """Remove a file, link or directory of an open directory; return why some of it is left."""
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if not stat.S_ISDIR(found.st_mode):
            os.unlink(name, dir_fd=parent)
            return ""
        if found.st_dev != os.fstat(parent).st_dev:
            return OTHER_DEVICE
        if mount := find_mount(parent, name):
            return f"{mount} is mounted in it"
        return _remove_directory(parent, _rename_away(parent, name))
    except FileNotFoundError:
        return ""
    except OSError as err:
        return str(err.strerror)


def finish_trash(parent: int) -> list[str]:
    """Remove what an earlier run had begun to; return why some of it is left."""
    names = [name for name in os.listdir(parent) if name.startswith(TRASH)]
    left = [(name, _remove_directory(parent, name)) for name in names]
    return [f"{name}: {why}" for name, why in left if why]


def find_mount(parent: int, name: str) -> str | None:
    """Find what is mounted on or below a directory; None where nothing is."""
    top = str(Path(f"/proc/self/fd/{parent}").readlink() / name)
    try:
        lines = MOUNTS.read_bytes().splitlines()
    except OSError:
        return None
    for line in lines:
        point = os.fsdecode(ESCAPED.sub(lambda found: bytes([int(found[1], 8)]), line.split()[4]))
        if point == top or point.startswith(f"{top}/"):
            return point
    return None


def _rename_away(parent: int, name: str) -> str:
    """Give it a name that is nobody's build; where that has no room, it keeps its own."""
    trash = f"{TRASH}{secrets.token_hex(8)}"
    try:
        os.rename(name, trash, src_dir_fd=parent, dst_dir_fd=parent)
    except OSError as err:
        if err.errno not in UNMOVABLE:
            raise
        return name
    return trash


def _remove_directory(parent: int, name: str, depth: int = 0) -> str:
    """Empty a directory and remove it; return why it is left."""
    try:
        root = _open_below(parent, name)
    except FileNotFoundError:
        return ""
    except OSError as err:
        if err.errno in (errno.ENOTDIR, errno.ELOOP):  # a file, or a link
            return _try(lambda: os.unlink(name, dir_fd=parent))
        return str(err.strerror)
    try:
        why = _Emptying(root, depth).empty()
    finally:
        os.close(root)
    return why or _try(lambda: os.rmdir(name, dir_fd=parent))


def _open_below(parent: int, name: str) -> int:
    """Open a directory of the same file system; raises OSError."""
    below = _with_permission(parent, name, lambda: os.open(name, DIRECTORY, dir_fd=parent))
    if os.fstat(below).st_dev != os.fstat(parent).st_dev:
        os.close(below)
        raise OSError(errno.EXDEV, OTHER_DEVICE)
    return below


def _try(act: Callable[[], None]) -> str:
    try:
        act()
    except FileNotFoundError:
        return ""
    except OSError as err:
        return str(err.strerror)
    return ""


def _with_permission(parent: int, name: str, act: Callable[[], Result]) -> Result:
    """Do something with a directory; where it forbids that, let its owner into it and try again."""
    try:
        return act()
    except PermissionError:
        # By a descriptor: the name may be a link's by now.
        found = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=parent)
        try:
            os.chmod(f"/proc/self/fd/{found}", 0o700)  # noqa: PTH101
        finally:
            os.close(found)
        return act()


class _Emptying:
    """How far we are with one directory."""

    def __init__(self, root: int, depth: int) -> None:
        self.root = root
        self.depth = depth
        self.names = secrets.token_hex(4)
        self.done = 0
        self.why = ""

    def empty(self) -> str:
        """Go on as long as something goes; return why the rest does not."""
        before = -1
        while self.done > before:
            before, self.why = self.done, ""
            _unlock(self.root)
            self._each(self.root, self._dissolve)
        return self.why

    def _each(self, directory: int, take: Callable[[str], None]) -> None:
        """Unlink what is no directory, and do something to those that are."""
        with os.scandir(directory) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for name, is_directory in found:
            try:
                if is_directory:
                    take(name)
                else:
                    os.unlink(name, dir_fd=directory)
                self.done += 1
            except FileNotFoundError:
                continue
            except OSError as err:
                if err.errno != errno.ENOTEMPTY or not self.why:  # which follows from another
                    self.why = str(err.strerror)

    def _dissolve(self, name: str) -> None:
        """Take a directory's content out of it, and remove it."""
        below = _open_below(self.root, name)
        try:
            _unlock(below)
            self._each(below, lambda each: self._move_up(below, each))
        finally:
            os.close(below)
        os.rmdir(name, dir_fd=self.root)

    def _move_up(self, below: int, name: str) -> None:
        fresh = f"{self.names}-{self.done}"

        def move() -> None:
            os.rename(name, fresh, src_dir_fd=below, dst_dir_fd=self.root)

        try:
            _with_permission(below, name, move)
        except OSError as err:
            if err.errno not in UNMOVABLE or self.depth >= MOST_DEPTH:
                raise
            if why := _remove_directory(below, name, self.depth + 1):
                raise OSError(err.errno, why) from err


def _unlock(directory: int) -> None:
    """Let its owner, us, into an open directory."""
    found = os.fstat(directory)
    if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) & 0o700 != 0o700:
        with suppress(OSError):
            os.fchmod(directory, 0o700)
