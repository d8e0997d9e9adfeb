"""Which processes are strays: a user's, none of the baseline, not ours, not protected; pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePath

SHOWN = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """A process; `start` is the kernel's own count, so that pid and start together never return."""

    pid: int
    start: int
    parent: int
    uid: int
    name: str
    program: str = ""
    dead: bool = False
    kernel: bool = False

    @property
    def key(self) -> tuple[int, int]:
        """Return what no other process has, or will have until the next boot."""
        return self.pid, self.start


def find_owned(processes: Iterable[Process], uid: int) -> list[Process]:
    """Choose a user's processes; a dead one is nobody's, and the kernel's threads are its own."""
    return [each for each in processes if each.uid == uid and not (each.dead or each.kernel)]


def choose_strays(
    processes: Mapping[int, Process],
    uid: int,
    me: int,
    baseline: Collection[tuple[int, int]],
    protect: Collection[str],
) -> list[Process]:
    """Choose whom to end: nobody of the baseline, neither us nor whom we come from.

    A protected name protects what is below it, as a login's shell is.
    """
    spared = find_ancestors(processes, me)
    return [
        each
        for each in find_owned(processes.values(), uid)
        if each.pid not in spared
        and each.key not in baseline
        and not any(
            is_protected(processes[above], protect)
            for above in find_ancestors(processes, each.pid)
            if above in processes
        )
    ]


def find_ancestors(processes: Mapping[int, Process], pid: int) -> set[int]:
    """Return a process and all above it."""
    found: set[int] = set()
    while pid in processes and pid not in found:
        found.add(pid)
        pid = processes[pid].parent
    return found


def is_protected(process: Process, protect: Iterable[str]) -> bool:
    """Whether its name, or that of its program, has one of these patterns."""
    names = {process.name, PurePath(process.program).name}
    return any(fnmatchcase(name, pattern) for name in names for pattern in protect)


def format_processes(processes: Collection[Process]) -> str:
    """Name the first few.

    >>> format_processes([Process(pid=7, start=1, parent=1, uid=2, name="adb")])
    'adb (7)'
    """
    names = [f"{each.name} ({each.pid})" for each in processes]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
