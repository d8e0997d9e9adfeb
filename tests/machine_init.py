"""Process 1 of a machine that runs here: it boots, keeps what others leave, and ends with all.

Run as a file, with nothing but the standard library: `python -I machine_init.py SCRIPT`. It runs
SCRIPT, as a machine runs its user data, and adopts whatever is orphaned below it. The power goes,
and all processes with it, unasked: when stdin closes, as its host wants it or has died (exit code
3); by SIGUSR1, which is what `shutdown -h now` sends here (0); and when nothing runs any more (0).
"""

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

PR_SET_CHILD_SUBREAPER = 36
KILL_ROUNDS = 1000
LOOK_S = 0.01
UNPLUGGED = 3


def main() -> int:
    """Run until the power goes."""
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError("this kernel lets no process adopt orphans")
    waker, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGUSR1):
        signal.signal(number, _wake_up)
    Path("run/init.pid").write_text(str(os.getpid()))
    script = sys.argv[1]
    os.posix_spawn(script, [script], os.environ, setsid=True)
    code = _live(waker)
    _end_all()
    return code


def _wake_up(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the wake-up descriptor has the number."""


def _live(waker: int) -> int:
    while _reap():
        ready, _, _ = select.select([waker, 0], [], [])
        if 0 in ready and not os.read(0, 4096):
            return UNPLUGGED
        if waker in ready and signal.SIGUSR1 in os.read(waker, 4096):
            return 0
    return 0


def _reap() -> bool:
    """Bury the dead; whether anybody is left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _end_all() -> None:
    """Kill all below us at once; who forks meanwhile is found in the next round."""
    for _ in range(KILL_ROUNDS):
        for pid in _find_below(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not _reap():
            return
        time.sleep(LOOK_S)


def _find_below(root: int) -> Iterator[int]:
    """Find a process's children, and theirs."""
    below: dict[int, list[int]] = {}
    for name in filter(str.isdecimal, os.listdir("/proc")):  # noqa: PTH208 - a list of names
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
            parent = int(file.read().rpartition(b")")[2].split()[1])
            below.setdefault(parent, []).append(int(name))
    waiting = [root]
    while waiting:
        children = below.get(waiting.pop(), [])
        yield from children
        waiting += children


if __name__ == "__main__":
    sys.exit(main())
