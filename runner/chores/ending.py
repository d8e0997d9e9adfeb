"""End processes that are not ours to wait for, and those that they fork meanwhile."""

import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from runner.chores.strays import Process
from runner.record import read_start

KILL_S = 10.0

Find = Callable[[], list[Process]]


def end_processes(find: Find, grace_s: float) -> list[Process]:
    """End all that `find` finds: TERM, a time of grace, KILL; return whom that does not end.

    All are stopped before the KILL: who is stopped does not fork, so that nobody is new any more.
    """
    first = find()
    send(first, signal.SIGTERM)
    send(first, signal.SIGCONT)  # who is stopped hears nothing else
    wait_gone(first, grace_s)
    deadline = time.monotonic() + KILL_S
    while (left := find()) and time.monotonic() < deadline:
        stopped: set[tuple[int, int]] = set()
        while fresh := [each for each in left if each.key not in stopped]:
            send(fresh, signal.SIGSTOP)
            stopped |= {each.key for each in fresh}
            if time.monotonic() > deadline:
                break
            left = find()
        send(left, signal.SIGKILL)
        wait_gone(left, deadline - time.monotonic())
    return left


def send(processes: Sequence[Process], number: signal.Signals) -> None:
    """Signal each, unless its number is another's by now."""
    for each in processes:
        with suppress(ProcessLookupError, PermissionError):
            fd = os.pidfd_open(each.pid)
            try:
                if read_start(each.pid) == each.start:
                    signal.pidfd_send_signal(fd, number)
            finally:
                os.close(fd)


def wait_gone(processes: Sequence[Process], seconds: float) -> None:
    """Wait until all of them have ended, or time is up."""
    deadline = time.monotonic() + seconds
    for each in processes:
        with suppress(ProcessLookupError):
            fd = os.pidfd_open(each.pid)
            try:
                if read_start(each.pid) == each.start:
                    poller = select.poll()
                    poller.register(fd, select.POLLIN)
                    poller.poll(max(0.0, deadline - time.monotonic()) * 1000)
            finally:
                os.close(fd)
