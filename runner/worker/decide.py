"""What to do with a worker next, from its log and the time that has passed; pure."""

from dataclasses import dataclass
from enum import StrEnum

from runner.worker.config import WorkerSettings
from runner.worker.outcome import Outcome
from runner.worker.twistd_log import WorkerLog

ASK_AGAIN_S = 30.0  # a worker looks for its stamp each 10 s
LEAVE_WITHIN_S = 60.0  # from its last word to the end of the process


class Reason(StrEnum):
    """Why a worker that runs is to run no longer."""

    GONE = "its process is gone"
    ASKED = "we were asked to end"
    TIME = "its time is over"
    BUILDS = "it has begun its last build"
    LOST = "it has lost its master for too long"
    TOO_FAST = "its builds fail too fast"
    DISK_FULL = "its disk is too full"


class Step(StrEnum):
    """The next thing to do to a worker that shall leave."""

    WAIT = "wait"
    ASK = "ask"
    TERM = "TERM"
    KILL = "KILL"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stopping:
    """How far a stop is; each time is in seconds since, None where it has not happened.

    `at_once` is what somebody said who asked twice.
    """

    since_s: float
    asked_s: float | None = None
    leaving_s: float | None = None
    term_s: float | None = None
    at_once: bool = False


def judge_start(log: WorkerLog, *, alive: bool, late: bool) -> Outcome | None:
    """Say why a worker that is not connected yet never will be; None while it may be.

    Of one that is merely late, NOT_READY: the log tells no more, its master's port may.
    """
    if log.duplicate:
        return Outcome.DUPLICATE
    if log.auth_failed:
        return Outcome.AUTH_FAILED
    if not alive:
        return Outcome.DIED if log.started else Outcome.NOT_STARTED
    return Outcome.NOT_READY if late else None


def judge_run(
    log: WorkerLog, settings: WorkerSettings, *, ran_s: float, lost_s: float
) -> Reason | None:
    """Say why a worker should stop now; None while it should not.

    `lost_s` is how long it has been without its master, 0 while it has it.
    """
    if settings.builds and log.builds >= settings.builds:
        return Reason.BUILDS
    if settings.run_for_s and ran_s >= settings.run_for_s:
        return Reason.TIME
    return Reason.LOST if lost_s >= settings.lost_for_s else None


def judge_health(
    log: WorkerLog, settings: WorkerSettings, *, fast_failures: int, free_gib: float
) -> Reason | None:
    """Say why a machine should have no further build; None while it may.

    `fast_failures` counts the last build too, which may go on while one of its commands runs.
    """
    if free_gib < settings.min_free_gib:
        return Reason.DISK_FULL
    counted = settings.fast_failures > 0 and not log.commands
    return Reason.TOO_FAST if counted and fast_failures >= settings.fast_failures else None


def choose_step(log: WorkerLog, settings: WorkerSettings, stopping: Stopping) -> Step:
    """Choose what to do next to a worker that shall leave.

    A worker that may be building is killed only when told: by `kill_builds` once its time is over,
    or by `at_once`. TERM is for one that has no master, whose build is lost anyway, and for one
    that has said its last word but stays.
    """
    if stopping.term_s is not None:
        return Step.KILL if stopping.term_s >= settings.kill_grace_s else Step.WAIT
    told = settings.kill_builds and stopping.since_s >= settings.stop_within_s
    if stopping.at_once or told:
        return Step.TERM
    if stopping.leaving_s is not None:
        return Step.TERM if stopping.leaving_s >= LEAVE_WITHIN_S else Step.WAIT
    if log.connected is False:
        return Step.TERM
    if log.stops_by is None or log.stop_heard:
        return Step.WAIT
    return Step.ASK if stopping.asked_s is None or stopping.asked_s >= ASK_AGAIN_S else Step.WAIT


def name_end(log: WorkerLog, *, asked: bool, killed: bool) -> Outcome:
    """Name the end of a worker that was connected and whose process is gone."""
    if killed:
        return Outcome.KILLED
    if asked:
        return Outcome.STOPPED
    if log.duplicate:
        return Outcome.DUPLICATE
    return Outcome.LEFT if log.leaving and not log.terminated else Outcome.DIED
