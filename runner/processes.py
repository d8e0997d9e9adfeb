"""Which processes a task left behind, and how they are ended. Reads /proc, sends signals."""

import ctypes
import os
import select
import signal
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress

from runner.cgroups import Cgroup
from runner.transcript import Output

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
KILL_WAIT_S = 5.0

Process = tuple[int, str]
"""Parent's id, and state as /proc has it."""


def adopt_orphans() -> None:
    """Become the parent of whatever our children leave, however often it has forked.

    Whoever started us may ignore SIGCHLD, which would let children go without a word of how they
    ended. Raises OSError where the kernel refuses.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _control(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Be killed when the process that started us dies: its successor starts another of us.

    Raises OSError where the kernel refuses.
    """
    _control(PR_SET_PDEATHSIG, signal.SIGKILL)


def prepare_to_die() -> Callable[[], object]:
    """Make what a child calls before it becomes another program, to die with the one who forked."""
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _control(what: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(what, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({what})")


def has_children() -> bool:
    """Whether any process is our child, a dead one that nobody asked for too."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def read_processes() -> dict[int, Process]:
    """Read who is whose child."""
    found = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - thousands of Paths are slow
        if name.isdecimal():
            with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                state, parent = file.read().rpartition(b")")[2].split()[:2]
                found[int(name)] = (int(parent), state.decode())
    return found


def find_children(processes: Mapping[int, Process], parent: int) -> set[int]:
    """Choose who is this process's child; dead ones too.

    >>> find_children({2: (1, "S"), 3: (2, "S"), 4: (1, "Z")}, 1)
    {2, 4}
    """
    return {pid for pid, (each, _) in processes.items() if each == parent}


def find_tree(processes: Mapping[int, Process], root: int, apart: Collection[int]) -> set[int]:
    """Choose all below a process, at any distance, but for some children and all below those.

    >>> sorted(find_tree({2: (1, "S"), 3: (2, "S"), 4: (1, "Z"), 5: (4, "S")}, 1, {4}))
    [2, 3]
    """
    below: dict[int, list[int]] = {}
    for pid, (parent, _) in processes.items():
        below.setdefault(parent, []).append(pid)
    found: set[int] = set()
    waiting = [root]
    while waiting:
        fresh = [pid for pid in below.get(waiting.pop(), []) if pid not in apart]
        found.update(fresh)
        waiting.extend(fresh)
    return found


def find_strays(apart: Collection[int], cgroup: Cgroup | None) -> set[int]:
    """Find who lives below us, and reap who is dead; `apart` are children of another's.

    /proc is no snapshot: who forks and ends while it is read is missed, and so is its child. It is
    in our cgroup, though, or by then it is a child of ours.
    """
    strays = _look(apart)
    return strays | (read_children() - set(apart) if cgroup is None else cgroup.read_others())


def read_children() -> set[int]:
    """Read who is our child now, dead ones too; quick enough to signal who lives for a moment."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", "rb") as file:  # noqa: PTH123 - quick
            return set(map(int, file.read().split()))
    except OSError:  # a kernel without it
        return set()


def _look(apart: Collection[int]) -> set[int]:
    processes = read_processes()
    me = os.getpid()
    tree = find_tree(processes, me, apart)
    for pid in tree:
        parent, state = processes[pid]
        if parent == me and state == "Z":
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
    return {pid for pid in tree if processes[pid][1] not in "ZX"}


def end_strays(
    apart: Collection[int], grace_s: float, output: Output, cgroup: Cgroup | None
) -> int:
    """End all below us: TERM, a time of grace, then KILL; return how many could not be ended.

    What they print is read meanwhile: who waits to print does not end. One who forks faster than
    we signal ends with its cgroup; without one, it may be counted in the end.
    """
    strays = find_strays(apart, cgroup)
    _signal(strays, signal.SIGTERM)
    _signal(strays, signal.SIGCONT)  # who is stopped hears nothing else
    _wait_gone(strays, grace_s, output)
    strays = find_strays(apart, cgroup)
    if strays and cgroup is not None:
        cgroup.kill()
    deadline = time.monotonic() + KILL_WAIT_S
    while strays and time.monotonic() < deadline:
        _signal(strays, signal.SIGKILL)
        _wait_gone(strays, KILL_WAIT_S, output)
        strays = find_strays(apart, cgroup)
    if cgroup is not None:
        cgroup.tidy()
    return len(strays)


def _signal(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _wait_gone(pids: Iterable[int], seconds: float, output: Output) -> None:
    """Wait until all these have ended, or time is up."""
    fds: set[int] = set()
    for pid in pids:
        with suppress(ProcessLookupError):
            fds.add(os.pidfd_open(pid))
    deadline = time.monotonic() + seconds
    try:
        while fds and (left := deadline - time.monotonic()) > 0:
            poller = select.poll()
            for fd in (*fds, output.fd) if output.open else fds:
                poller.register(fd, select.POLLIN)
            for fd, _ in poller.poll(left * 1000):
                if fd == output.fd:
                    output.read()
                else:
                    os.close(fd)
                    fds.discard(fd)
    finally:
        for fd in fds:
            os.close(fd)
