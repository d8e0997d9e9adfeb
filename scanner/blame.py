"""Who is to blame for a failure, daemon or job, and what follows; pure.

Each failure counts for both. Who has failed more often, with others, is to blame: a job that fails
wherever it goes ends, a daemon on which all jobs fail is disabled.
"""

from dataclasses import dataclass
from datetime import timedelta

from scanner.config import Scanner

MOST_DOUBLINGS = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """What follows from a failure that is counted already."""

    disable: bool = False
    release: bool = False
    fail_job: bool = False


def judge(
    daemon_failures: int, job_failures: int | None, *, retry: bool, limits: Scanner
) -> Judgement:
    """Judge by the counts; without a job the daemon alone is judged.

    `retry`: the job may stay where it is, and be tried again.
    """
    worn_out = daemon_failures >= limits.daemon_failures
    if job_failures is None:
        return Judgement(disable=worn_out)
    if job_failures > daemon_failures:
        return Judgement(fail_job=True)
    if daemon_failures > job_failures:
        return Judgement(release=True, disable=worn_out)
    release = not retry or daemon_failures >= limits.equal_failures
    return Judgement(release=release, disable=worn_out and release)


def back_off(failures: int, limits: Scanner) -> timedelta:
    """Say how long nothing is given to who has failed so often: twice as long each time.

    >>> back_off(1, Scanner()).seconds, back_off(3, Scanner()).seconds
    (60, 240)
    """
    doublings = min(max(failures - 1, 0), MOST_DOUBLINGS)
    return timedelta(seconds=limits.back_off_s * 2**doublings)
