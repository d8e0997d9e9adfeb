"""Notices of EC2 that it takes this machine away, read while a worker runs; a thread asks for them.

Source: EC2 User Guide, "Spot Instance interruption notices" and "EC2 instance rebalance
recommendations", which both say to ask every 5 seconds.
"""

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from runner.metadata import Metadata, NoMetadata
from runner.stops import Stops
from runner.worker.config import WorkerSettings

log = logging.getLogger("runner.worker")

INTERRUPTION = "spot/instance-action"
REBALANCE = "events/recommendations/rebalance"
WARNED_S = 120.0  # a notice comes so long before its time, never longer


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """What EC2 announces: `name` is the halt's reason; `left_s` until then, None without a time."""

    name: str
    words: str
    left_s: float | None = None


def parse_interruption(text: str, now: datetime) -> Notice | None:
    """Read `instance-action`; None where it is none. A clock that is wrong makes no time longer.

    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> parse_interruption('{"action": "terminate", "time": "2026-01-01T12:01:30Z"}', noon).left_s
    90.0
    """
    try:
        said = json.loads(text)
        action, at = str(said["action"]), datetime.fromisoformat(said["time"])
        left_s = (at - now).total_seconds()
    except (ValueError, TypeError, KeyError):
        return None
    if action not in {"terminate", "stop", "hibernate"}:
        return None
    words = f"EC2 is to {action} this machine at {said['time']}"
    left_s = min(WARNED_S, max(0.0, left_s))
    return Notice(name=f"spot-{action}", words=words, left_s=left_s)


REBALANCING = Notice(
    name="spot-rebalance", words="EC2 says that this machine may soon be taken away"
)


@contextmanager
def watching(
    metadata: Metadata | None, settings: WorkerSettings, asked: Stops
) -> Iterator["Watcher | None"]:
    """Ask for notices as long as this lasts; without an EC2 to ask, nothing is done at all."""
    if metadata is None:
        yield None
        return
    watcher = Watcher(metadata, settings, asked)
    thread = threading.Thread(target=watcher.run, name="notices", daemon=True)
    thread.start()
    try:
        yield watcher
    finally:
        watcher.close()


class Watcher:
    """Asks, and lets the worker's life know: `notice` is the last that came, and holds."""

    def __init__(self, metadata: Metadata, settings: WorkerSettings, asked: Stops) -> None:
        self.metadata = metadata
        self.settings = settings
        self.asked = asked
        self.notice: Notice | None = None
        self.closing = threading.Event()
        self.telling = threading.Lock()
        self.token: str | None = None
        self.failing = False

    def close(self) -> None:
        """Tell nothing any more; the thread may still wait for an answer."""
        with self.telling:
            self.closing.set()

    def run(self) -> None:
        """Ask until the worker's life is over."""
        while not self.closing.is_set():
            try:
                found = self.ask()
            except NoMetadata as err:
                self.token = None
                if not self.failing:
                    log.warning("no notices: %s; asking on", err)
                self.failing = True
            else:
                if self.failing:
                    log.info("notices can be read again")
                self.failing = False
                if found is not None and (self.notice is None or found.name != self.notice.name):
                    with self.telling:
                        self.tell(found)
            self.closing.wait(self.settings.notice_poll_s)

    def ask(self) -> Notice | None:
        """Ask for what is announced now; raises NoMetadata."""
        text = self.read(INTERRUPTION)
        if text is not None:
            notice = parse_interruption(text, datetime.now(UTC))
            if notice is None:
                raise NoMetadata(f"{INTERRUPTION} says {text[:100]!r}")
            return notice
        if self.notice is None and self.settings.heed_rebalance:
            return REBALANCING if self.read(REBALANCE) is not None else None
        return None

    def read(self, path: str) -> str | None:
        """Read with the token we have; one that is refused is replaced, once."""
        if self.token is not None:
            try:
                return self.metadata.read_with(self.token, path)
            except NoMetadata:
                self.token = None
        self.token = self.metadata.fetch_token()
        return self.metadata.read_with(self.token, path)

    def tell(self, notice: Notice) -> None:
        """Let the worker leave at once, and say what becomes of its build."""
        if self.closing.is_set():
            return
        self.notice = notice
        if notice.left_s is None:
            log.warning("%s: the worker leaves after its build", notice.words)
            self.asked.leave()
            return
        build_s = max(0.0, notice.left_s - self.settings.notice_margin_s)
        log.warning(
            "%s: the worker leaves; a build that runs has %.0f s, then its master retries it",
            notice.words,
            build_s,
        )
        self.asked.leave(until=time.monotonic() + build_s)
