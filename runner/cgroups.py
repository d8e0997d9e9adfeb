"""A cgroup of our own, where cgroup v2 lets us make one: all that is in it dies at one word.

The runner itself stands in it, so whatever it starts is born there and no fork can be too early.
To be born in a cgroup costs nothing; to be moved makes the kernel wait for all its CPUs, 10 to
20 ms. So we move, and only ourselves, when we leave something behind: to kill it, or to let it be.

Source: Documentation/admin-guide/cgroup-v2.rst of Linux, "Processes" and "Core Interface Files".
"""

import errno
import logging
import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

log = logging.getLogger("runner")

KEPT = ".kept"
KILL_WAIT_S = 5.0
LEAVE_WAIT_S = 0.2


def find_own(cgroup: str, mountinfo: str) -> Path | None:
    """Find our cgroup's directory in what /proc/self has; None where no cgroup v2 is mounted.

    >>> mounts = "25 1 0:23 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw"
    >>> str(find_own("1:cpu:/x\\n0::/system.slice/runner.service\\n", mounts))
    '/sys/fs/cgroup/system.slice/runner.service'
    """
    ours = next((line[3:] for line in cgroup.splitlines() if line.startswith("0::/")), None)
    for line in mountinfo.splitlines():
        mount, _, kind = line.partition(" - ")
        root, place = mount.split()[3:5]
        if ours and kind.startswith("cgroup2 ") and f"{ours}/".startswith(f"{root.rstrip('/')}/"):
            return Path(place, ours.removeprefix(root).lstrip("/"))
    return None


def name_groups(state_directory: Path) -> str:
    """Name what one machine's runners make: who holds that directory's lock may end them all."""
    found = state_directory.stat()
    return f"farmhand-{found.st_dev:x}-{found.st_ino:x}-"


class Cgroup:
    """The cgroup that we stand in. One that `keeps` something outlives us, with what is in it."""

    def __init__(self, home: Path, prefix: str) -> None:
        self.home = home
        self.prefix = prefix
        self.path = home
        self.keeps = False

    def enter(self, *, keeps: bool = False) -> None:
        """Go on in a new one; who is in the old one stays there. Raises OSError."""
        path = self._make(KEPT if keeps else "")
        try:
            move_here(path)
        except OSError:
            path.rmdir()
            raise
        self.path, self.keeps = path, keeps
        self.tidy()

    def _make(self, suffix: str) -> Path:
        for number in count():
            path = self.home / f"{self.prefix}{number}{suffix}"
            with suppress(FileExistsError):
                path.mkdir()
                return path
        raise AssertionError  # pragma: no cover - numbers have no end

    def stand(self, *, keeps: bool) -> None:
        """Go on in one that keeps what is in it, or does not; where that fails, here."""
        if keeps is not self.keeps:
            self._renew(keeps=keeps)

    def kill(self) -> None:
        """Kill all that is in ours, at one word, but for ourselves; where that fails, nothing."""
        left = self.path
        if self._renew(keeps=self.keeps):
            kill_all(left)

    def read_others(self) -> set[int]:
        """Read who is in ours beside us."""
        return read_members(self.path) - {os.getpid()}

    def leave(self) -> None:
        """Go back to where we began."""
        with suppress(OSError):
            move_here(self.home)
            self.path = self.home
        self.tidy()

    def tidy(self) -> None:
        """Remove those in which nobody is any more.

        Who was waited for may be on its way out of one for a moment more (Linux 6.18 and later).
        """
        for path in self.others():
            if not read_members(path):
                wait_for(path, "populated 0", LEAVE_WAIT_S)
                with suppress(OSError):
                    path.rmdir()

    def others(self) -> list[Path]:
        """List those of ours, and of runners before us, that we do not stand in."""
        return [path for path in self.home.glob(f"{self.prefix}*") if path != self.path]

    def _renew(self, *, keeps: bool) -> bool:
        try:
            self.enter(keeps=keeps)
        except OSError as err:
            log.warning("no new cgroup in %s: %s", self.home, err.strerror)
            return False
        return True


def move_here(path: Path) -> None:
    """Move this process into a cgroup; raises OSError."""
    (path / "cgroup.procs").write_text("0")


def read_members(path: Path) -> set[int]:
    """Read who is in a cgroup; nobody where it is gone. Who is in no sight of ours is 0 there."""
    try:
        return set(map(int, (path / "cgroup.procs").read_text().split())) - {0}
    except OSError:
        return set()


def kill_all(path: Path) -> None:
    """Kill all that is in a cgroup, before any of it can fork once more."""
    try:
        (path / "cgroup.kill").write_text("1")
    except OSError:
        kill_frozen(path)


def kill_frozen(path: Path) -> None:
    """Kill all that is in a cgroup where the kernel has no cgroup.kill (before 5.14).

    Who is frozen can't fork, and can be killed all the same.
    """
    with suppress(OSError):
        (path / "cgroup.freeze").write_text("1")
    wait_for(path, "frozen 1", KILL_WAIT_S)
    _signal(path, signal.SIGKILL)


def wait_for(path: Path, event: str, seconds: float) -> None:
    """Wait until cgroup.events has this line, or time is up, or the cgroup is gone."""
    deadline = time.monotonic() + seconds
    with suppress(OSError), (path / "cgroup.events").open() as file:
        poller = select.poll()
        poller.register(file, select.POLLPRI)
        while event not in file.read() and (left := deadline - time.monotonic()) > 0:
            poller.poll(left * 1000)
            file.seek(0)


def _signal(path: Path, number: int) -> None:
    for pid in read_members(path):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def end_left(cgroup: Cgroup, grace_s: float) -> None:
    """End what a runner before us left when it was killed, but for what it kept."""
    for path in cgroup.others():
        left = read_members(path)
        if not left or path.name.endswith(KEPT):
            continue
        log.warning("a runner before this one left %d processes behind; they are ended", len(left))
        _signal(path, signal.SIGTERM)
        wait_for(path, "populated 0", grace_s)
        kill_all(path)
        wait_for(path, "populated 0", KILL_WAIT_S)
    cgroup.tidy()


@contextmanager
def own_cgroup(state_directory: Path, grace_s: float) -> Iterator[Cgroup | None]:
    """Stand in a cgroup of our own; None where we may not make one, as without delegation.

    Needs the lock of the state directory, which says whose the others are.
    """
    try:
        about_us = (Path("/proc/self/cgroup").read_text(), Path("/proc/self/mountinfo").read_text())
        home = find_own(*about_us)
        if home is None:
            raise FileNotFoundError(errno.ENOENT, "no cgroup v2 is mounted")
        cgroup = Cgroup(home, name_groups(state_directory))
        end_left(cgroup, grace_s)
        cgroup.enter()
    except OSError as err:
        log.debug("no cgroup of our own: %s", err.strerror)
        yield None
        return
    try:
        yield cgroup
    finally:
        cgroup.leave()
