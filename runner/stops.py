"""SIGTERM and SIGINT as requests that are counted: the first lets finish, each further one ends.

SIGHUP, by which services are told to read their files anew, is none: we do so before each round.
"""

import math
import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(kw_only=True, slots=True)
class Stops:
    """How often this process was asked to stop; `fd` can be read when it is asked.

    Who has to leave for another reason is `leaving`, and is so `now` from `leave_by` on, a time of
    the monotonic clock.
    """

    fd: int
    wake_fd: int
    count: int = 0
    leaving: bool = False
    leave_by: float = math.inf

    @property
    def asked(self) -> bool:
        """Whether to come to an end."""
        return self.count > 0 or self.leaving

    @property
    def now(self) -> bool:
        """Whether to come to it at once, whatever it costs."""
        return self.count > 1 or time.monotonic() >= self.leave_by

    def leave(self, until: float = math.inf) -> None:
        """Ask to come to an end, at once from a time on; may be called by another thread."""
        self.leave_by = min(self.leave_by, until)
        self.leaving = True
        os.write(self.wake_fd, b"\0")

    def wait(self, seconds: float) -> None:
        """Wait so long, or until asked to stop; at once where that was before."""
        deadline = time.monotonic() + seconds
        while not self.asked and (left := deadline - time.monotonic()) > 0:
            select.select([self.fd], [], [], left)
            self.drain()

    def drain(self) -> None:
        """Read away what woke us; the count stays."""
        try:
            os.read(self.fd, 4096)
        except BlockingIOError:
            return


@contextmanager
def listening() -> Iterator[Stops]:
    """Count requests to stop instead of ending by them."""
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    stops = Stops(fd=read_fd, wake_fd=write_fd)

    def count(_signal: int, _frame: object) -> None:
        stops.count += 1

    before = [(number, signal.signal(number, count)) for number in SIGNALS]
    # Not SIG_IGN: tasks would inherit that.
    before.append((signal.SIGHUP, signal.signal(signal.SIGHUP, lambda *_: None)))
    woken_before = signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    try:
        yield stops
    finally:
        signal.set_wakeup_fd(woken_before)
        for number, action in before:
            signal.signal(number, action)
        os.close(read_fd)
        os.close(write_fd)
