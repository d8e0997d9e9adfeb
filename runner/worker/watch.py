"""One worker under watch: its process, and its log from where it was when the watch began."""

import logging
import select
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from runner.stops import Stops
from runner.worker.fast_failures import Streak, follow
from runner.worker.follow import Follower, rotated
from runner.worker.process import WorkerProcess
from runner.worker.start import LOG_FILE
from runner.worker.twistd_log import Event, Kind, WorkerLog, advance, parse_line

log = logging.getLogger("runner.worker")

TAIL_LINES = 20
TAIL_CHARACTERS = 500


class Watch:
    """What we know of a worker now. `lost_at` is on the monotonic clock, None while connected."""

    def __init__(self, basedir: Path, *, seen: WorkerLog | None = None) -> None:
        self.basedir = basedir
        self.log = seen or WorkerLog()
        self.process: WorkerProcess | None = None
        self.streak = Streak(fast_s=0.0)
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.lost_at: float | None = None
        self.begun = time.monotonic()
        self.connected_s: float | None = None
        self.follower = Follower(basedir / LOG_FILE)

    def close(self) -> None:
        """Let the process and the log go."""
        self.follower.close()
        if self.process is not None:
            self.process.close()

    def is_alive(self) -> bool:
        """Whether the process is there."""
        return self.process is not None and self.process.is_alive()

    def update(self) -> bool:
        """Read on in the log; return whether the process was there before that.

        So that nothing is judged by a log that ends before the process did.
        """
        alive = self.is_alive()
        for line in self.follower.read_lines():
            self.tail.append(line[:TAIL_CHARACTERS])
            self._add(line)
        return alive

    def _add(self, line: str) -> None:
        event = parse_line(line)
        if event is None:
            return
        before, self.log = self.log, advance(self.log, event)
        self.streak = follow(self.streak, before, self.log, event)
        if event.kind is Kind.STARTED and before.started:
            log.warning("the worker was started anew by somebody else")
        if self.log.builds > before.builds:
            log.info("build %d has begun", self.log.builds)
        if before.connected and self.log.connected is False and not self.log.leaving:
            log.warning("the worker has lost its master: %s", event.text)
        if before.was_connected and before.connected is False and self.log.connected:
            log.info("the worker is connected again")
        self.lost_at = None if self.log.connected is not False else self.lost_at or time.monotonic()

    def wait(self, asked: Stops, seconds: float) -> None:
        """Wait so long, or until the process is gone, or until we are asked once more to stop."""
        files = [asked.fd]
        if self.process is not None and self.process.fd is not None:
            files.append(self.process.fd)
        select.select(files, [], [], seconds)
        asked.drain()

    def lost_s(self) -> float:
        """Return for how long it has been without its master."""
        return 0.0 if self.lost_at is None else time.monotonic() - self.lost_at

    def log_tail(self) -> None:
        """Show the end of what we have read."""
        log.warning("the last lines of %s:", self.basedir / LOG_FILE)
        for line in self.tail or ["(nothing since we watch it)"]:
            log.warning("| %s", line)


def read_past(path: Path) -> WorkerLog:
    """Read what a worker's log tells of it since its last start, rotated files included."""
    files = []
    for each in rotated(path):
        if not each.exists():
            break
        files.append(each)
        if any(event.kind is Kind.STARTED for event in _read_events(each)):
            break
    known = WorkerLog()
    for each in reversed(files):
        for event in _read_events(each):
            known = advance(known, event)
    return known


def _read_events(path: Path) -> Iterator[Event]:
    with path.open("rb") as file:
        for line in file:
            if event := parse_line(line.decode("utf-8", "replace").rstrip("\n")):
                yield event
