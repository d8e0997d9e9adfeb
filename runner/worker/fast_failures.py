"""Builds that fail too fast, one after another, as far as a worker's log tells; pure."""

import re
from dataclasses import dataclass, replace

from runner.worker.twistd_log import Event, Kind, WorkerLog

EXIT = re.compile(r"finished with signal None, exit code (-?\d+)\b")


@dataclass(frozen=True, kw_only=True, slots=True)
class Streak:
    """How many builds in a row have failed within `fast_s`, but for the last one.

    Of that, when it began, and how and when its last command ended, `code` None where that was
    killed. There is no line for the end of a build: it has ended when the next one begins. Times
    are the log's, in seconds.
    """

    fast_s: float
    count: int = 0
    begun_at: float | None = None
    ended_at: float = 0.0
    code: int | None = None


def follow(streak: Streak, before: WorkerLog, after: WorkerLog, event: Event) -> Streak:
    """Add an event, and what was known before and after it.

    A build that lost its master counts neither way: it is built again elsewhere.
    """
    if after.builds > before.builds:
        return replace(settle(streak), begun_at=event.at)
    if streak.begun_at is None:
        return streak
    if event.kind is Kind.COMMAND_EXIT and event.at is not None:
        return replace(streak, code=read_exit(event.text), ended_at=event.at)
    if event.kind is Kind.DISCONNECTED and before.commands:
        return replace(streak, begun_at=None, code=None)
    return streak


def settle(streak: Streak) -> Streak:
    """Count the last build, as one that has ended; one that was killed counts neither way."""
    done = replace(streak, begun_at=None, code=None)
    if streak.begun_at is None or streak.code is None:
        return done
    fast = streak.code != 0 and streak.ended_at - streak.begun_at < streak.fast_s
    return replace(done, count=streak.count + 1 if fast else 0)


def read_exit(text: str) -> int | None:
    """Read how a command ended; None of one that was killed.

    >>> read_exit("command finished with signal None, exit code 1, elapsedTime: 1.0")
    1
    """
    found = EXIT.search(text)
    return int(found[1]) if found else None
