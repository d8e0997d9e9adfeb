"""Things of the scanner's world, each in one line, with defaults for what a test does not name.

The default daemon `bob` is clean, enabled and idle; the default job is 5-7, a minute old, and runs.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from scanner.classify import classify
from scanner.config import Scanner
from scanner.models import (
    Candidate,
    Daemon,
    Free,
    Job,
    Known,
    Next,
    Observation,
    QueueStatus,
    Verdict,
)
from scanner.settle import follow
from scanner.transport.wire import DaemonState, Dialect, Status

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
LIMITS = Scanner()


def make_job(**changes: Any) -> Job:
    """Make a job that was given a minute ago, and has written to its log since."""
    default: dict[str, Any] = {
        "queue_id": 7,
        "build_id": 5,
        "name": "hello 1.0-1",
        "status": QueueStatus.RUNNING,
        "score": 100,
        "processor_id": 1,
        "queued_at": NOW - HOUR,
        "claimed_at": NOW - MINUTE,
        "started_at": NOW - MINUTE,
        "log_tail": "so far",
        "log_moved_at": NOW - MINUTE,
    }
    return Job(**{**default, **changes})


def make_daemon(job: Job | None = None, **changes: Any) -> Daemon:
    """Make a daemon; with a job it is not clean."""
    default: dict[str, Any] = {
        "id": 1,
        "name": "bob",
        "url": "http://bob:8221",
        "clean": job is None,
        "dialect": Dialect.DICT,
        "arity": 4,
        "build_type": "binarypackage",
        "job": job,
    }
    return Daemon(**{**default, **changes})


def say(state: str, cookie: str | None = "5-7", **more: Any) -> Observation:
    """Make what a daemon says."""
    found = DaemonState(state)
    cookie = None if found is DaemonState.IDLE else cookie
    values = {"dialect": Dialect.DICT, "cookie": cookie, **more}
    return Observation(status=Status(state=found, **values))


def waiting(build_status: str, **more: Any) -> Observation:
    """Make what a daemon says of a build that ended."""
    return say("WAITING", build_status=build_status, **more)


SILENCE = Observation(status=None, error="bob: no answer")


def judge(
    daemon: Daemon, seen: Observation | None, known: Known | None = None, limits: Scanner = LIMITS
) -> Verdict:
    """Classify."""
    return classify(daemon, seen, known or Known(), NOW, limits)


def settle(
    daemon: Daemon, seen: Observation | None, known: Known | None = None, limits: Scanner = LIMITS
) -> Next:
    """Classify, and say what follows."""
    return follow(daemon, seen, judge(daemon, seen, known, limits), NOW, limits)


def make_candidate(queue_id: int = 1, **changes: Any) -> Candidate:
    """Make a job that waits."""
    default: dict[str, Any] = {
        "queue_id": queue_id,
        "build_id": queue_id,
        "processor_id": 1,
        "tags": frozenset(),
        "score": 0,
        "queued_at": NOW - HOUR,
    }
    return Candidate(**{**default, **changes})


def make_free(daemon_id: int = 1, processors: tuple[int, ...] = (1,), *tags: str) -> Free:
    """Make a daemon that takes a job."""
    return Free(daemon_id=daemon_id, processors=frozenset(processors), tags=frozenset(tags))
