"""A daemon's row, what it says now, and the time → what to do about it; pure.

What a daemon says of a build counts only under the cookie that this daemon was given, and while
the database says that it has that job. Everything else is aborted or cleaned, never collected.
"""

from datetime import datetime, timedelta

from scanner.blame import judge
from scanner.config import Scanner
from scanner.models import (
    ENDINGS,
    Action,
    BuildState,
    Daemon,
    Job,
    Known,
    Observation,
    StopReason,
    Verdict,
)
from scanner.rescue import quote_cookie, rescue_reason
from scanner.transport.wire import DaemonState, Status

ABORTING_TAIL = "Waiting for slave process to be terminated"
# The one type of builds whose results' names may have a "/".
WITH_DIRECTORIES = "ci"
BUILDERFAIL_NOTES = "Builder returned BUILDERFAIL when asked for its status"


def classify(
    daemon: Daemon, seen: Observation | None, known: Known, now: datetime, limits: Scanner
) -> Verdict:
    """Say what to do about a daemon; `seen` is None for a disabled one, which is not asked.

    `now` is the database's clock, as all times in rows are.
    """
    job = daemon.job
    if not daemon.enabled:
        if job is None:
            return Verdict(action=Action.NOTHING, reason="is disabled")
        return _release(job, "was disabled while it built", lost=False)
    if seen is None or seen.status is None:
        return _classify_silence(daemon, seen, now)
    status = seen.status
    if job is None:
        return _classify_free(daemon, status, known, now, limits)
    return _classify_busy(daemon, job, status, now, limits)


def find_strange(job: Job, *, moved: bool, now: datetime, limits: Scanner) -> StopReason | None:
    """Say why a running job should be stopped, if it should; `moved`: its log did just now."""
    if job.is_cancelled:
        return StopReason.CANCEL
    began = job.started_at or job.claimed_at
    if now - began > timedelta(seconds=limits.build_s):
        return StopReason.TOO_LONG
    moved_at = job.log_moved_at or began
    if not moved and now - moved_at > timedelta(seconds=limits.log_silent_s):
        return StopReason.SILENT
    return None


def _sweep(status: Status) -> Action | None:
    """Say how what a daemon has is swept away: clean() is legal only where a build has ended."""
    match status.state:
        case DaemonState.BUILDING:
            return Action.ABORT
        case DaemonState.WAITING | DaemonState.ABORTED:
            return Action.CLEAN
        case _:
            return None


def _release(job: Job, reason: str, *, lost: bool, then: Action | None = None) -> Verdict:
    if job.is_cancelled:
        state = BuildState.CANCELLED
        return Verdict(action=Action.END, reason=reason, state=state, then=then)
    return Verdict(action=Action.REQUEUE, reason=reason, lost=lost, then=then)


def _classify_silence(daemon: Daemon, seen: Observation | None, now: datetime) -> Verdict:
    if seen is None or seen.ours:
        return Verdict(action=Action.WAIT, reason=seen.error if seen else "was not asked")
    if daemon.fetching_until is not None and now < daemon.fetching_until:
        return Verdict(action=Action.WAIT, reason="fetches files, and answers nobody meanwhile")
    if seen.unknown:
        return Verdict(action=Action.DISABLE, reason=seen.error, critical=True)
    return Verdict(action=Action.MISS, reason=seen.error)


def _classify_free(
    daemon: Daemon, status: Status, known: Known, now: datetime, limits: Scanner
) -> Verdict:
    """Judge a daemon that has no job of ours."""
    match status.state:
        case DaemonState.IDLE:
            return _classify_idle(daemon, now)
        case DaemonState.ABORTING:
            return _classify_aborting(daemon, now, limits)
        case DaemonState.BUILDING if daemon.abort_sent_at is not None:
            sent = daemon.abort_sent_at
            if now - sent <= timedelta(seconds=limits.abort_s):
                return Verdict(action=Action.WAIT, reason="was told to abort")
            reason = f"did not end what it builds within {limits.abort_s:g} s of abort()"
            return Verdict(action=Action.DISABLE, reason=reason)
        case _:
            strange = rescue_reason(daemon, status.cookie, known)
            return Verdict(
                action=_sweep(status) or Action.WAIT,
                reason=strange or "has what was collected already",
                rescued=strange is not None,
            )


def _classify_idle(daemon: Daemon, now: datetime) -> Verdict:
    if daemon.manual:
        return Verdict(action=Action.NOTHING, reason="is idle, and takes nothing: manual")
    if daemon.not_before is not None and now < daemon.not_before:
        return Verdict(action=Action.NOTHING, reason="is idle, and takes nothing yet: it failed")
    return Verdict(action=Action.READY, reason="is idle")


def _classify_busy(
    daemon: Daemon, job: Job, status: Status, now: datetime, limits: Scanner
) -> Verdict:
    """Judge a daemon that was given a job."""
    if status.state is DaemonState.IDLE:
        return _release(job, "builder forgot about build", lost=True)
    if status.cookie != job.cookie:
        reason = f"has another job ({quote_cookie(status.cookie)}) instead of {job.cookie}"
        return _release(job, reason, lost=True, then=_sweep(status))
    match status.state:
        case DaemonState.BUILDING:
            return _classify_building(job, status, now, limits)
        case DaemonState.ABORTING:
            return _classify_aborting(daemon, now, limits)
        case DaemonState.ABORTED:
            return _classify_aborted(daemon, job, status, limits)
        case DaemonState.WAITING:
            return _classify_waiting(daemon, job, status, limits)


def _classify_building(job: Job, status: Status, now: datetime, limits: Scanner) -> Verdict:
    if job.abort_sent_at is not None:
        if now - job.abort_sent_at <= timedelta(seconds=limits.abort_s):
            return Verdict(action=Action.WAIT, reason=f"was told to abort: {job.stop_reason}")
        return _give_up(job, f"did not abort within {limits.abort_s:g} s")
    moved = status.log_tail is None or read_tail(status) != (job.log_tail or "")
    strange = find_strange(job, moved=moved, now=now, limits=limits)
    if strange is not None:
        return Verdict(action=Action.STOP, reason=_say_why(strange, limits), stop_reason=strange)
    return Verdict(action=Action.FOLLOW, reason="builds")


def _say_why(reason: StopReason, limits: Scanner) -> str:
    match reason:
        case StopReason.CANCEL:
            return "is to be cancelled"
        case StopReason.TOO_LONG:
            return f"builds for longer than {limits.build_s:g} s"
        case StopReason.SILENT:
            return f"has written nothing to its log for {limits.log_silent_s:g} s"


def _give_up(job: Job, reason: str) -> Verdict:
    """Let a job go whose daemon does not: a cancelled one ends, another is given elsewhere."""
    if job.is_cancelled:
        return Verdict(action=Action.END, reason=reason, state=BuildState.CANCELLED)
    if job.stop_reason is StopReason.TOO_LONG:
        state = BuildState.FAILED
        return Verdict(action=Action.DISABLE, reason=reason, state=state)
    return Verdict(action=Action.DISABLE, reason=reason)


def _classify_aborting(daemon: Daemon, now: datetime, limits: Scanner) -> Verdict:
    since = daemon.aborting_since or now
    if now - since <= timedelta(seconds=limits.abort_s):
        return Verdict(action=Action.WAIT, reason="is aborting")
    reason = f"is ABORTING for longer than {limits.abort_s:g} s; restart it"
    if daemon.job is None:
        return Verdict(action=Action.DISABLE, reason=reason)
    verdict = _give_up(daemon.job, reason)
    if verdict.action is Action.END:
        return Verdict(action=Action.DISABLE, reason=reason, state=verdict.state)
    return verdict


def _classify_aborted(daemon: Daemon, job: Job, status: Status, limits: Scanner) -> Verdict:
    """Judge the end of a build that was aborted, by us or by somebody else."""
    then = _sweep(status)
    if job.is_cancelled or job.stop_reason is StopReason.TOO_LONG:
        state = BuildState.CANCELLED if job.is_cancelled else BuildState.FAILED
        reason = "was cancelled" if job.is_cancelled else "took too long"
        return Verdict(
            action=Action.COLLECT, reason=reason, state=state, then=then, log_required=False
        )
    if job.stop_reason is StopReason.SILENT:
        reason = "was stopped: its log had ended"
        counts = daemon.failure_count + 1, job.failure_count + 1
        if judge(*counts, retry=False, limits=limits).fail_job:
            state = BuildState.FAILED
            return Verdict(
                action=Action.COLLECT, reason=reason, state=state, then=then, log_required=False
            )
        return Verdict(action=Action.REQUEUE, reason=reason, then=then, blamed=True)
    return _release(job, "was aborted, and not by us", lost=True, then=then)


def _classify_waiting(daemon: Daemon, job: Job, status: Status, limits: Scanner) -> Verdict:
    said = status.build_status or ""
    stopped = said == "BUILDERFAIL" and job.stop_reason is not None
    if said == "ABORTED" or job.is_cancelled or stopped:
        return _classify_aborted(daemon, job, status, limits)
    if said in ENDINGS:
        return _classify_ended(daemon, job, status, limits)
    if said == "BUILDERFAIL":
        return _classify_broken(job, limits)
    if said == "GIVENBACK":
        reason = "was given back"
        return Verdict(action=Action.REQUEUE, reason=reason, then=Action.CLEAN, lost=True, score=0)
    return Verdict(action=Action.MISS, reason=f"says {said}, which nobody knows", critical=True)


def _classify_ended(daemon: Daemon, job: Job, status: Status, limits: Scanner) -> Verdict:
    """Judge a build that came to its own end; one that left what can't be taken has failed."""
    said = status.build_status or ""
    refused = find_refusal(job, status, limits)
    if refused and ENDINGS[said] is BuildState.BUILT:
        reason = f"left what can't be taken: {refused}"
        state = BuildState.FAILED
        return Verdict(action=Action.COLLECT, reason=reason, state=state, then=Action.CLEAN)
    reason = {
        "DEPFAIL": f"***** {daemon.name} is MANUALDEPWAIT *****",
        "CHROOTFAIL": f"***** {daemon.name} is CHROOTWAIT *****",
    }.get(said, said)
    return Verdict(
        action=Action.COLLECT,
        reason=reason,
        state=ENDINGS[said],
        then=Action.CLEAN,
        critical=said in {"DEPFAIL", "CHROOTFAIL"},
    )


def find_refusal(job: Job, status: Status, limits: Scanner) -> str:
    """Say why what a build left can't be taken, if it can't."""
    if len(status.files) > limits.build_most_files:
        return (
            f"{len(status.files)} files; {limits.build_most_files} are the most (build_most_files)"
        )
    if job.build_type != WITH_DIRECTORIES and any("/" in name for name in status.files):
        return f'only a build of type "{WITH_DIRECTORIES}" has directories'
    return status.refused


def _classify_broken(job: Job, limits: Scanner) -> Verdict:
    """Judge a daemon that broke down under a job; one that does that to each ends, with its log."""
    if job.failure_count + 1 < limits.job_failures:
        return Verdict(action=Action.DISABLE, reason=BUILDERFAIL_NOTES)
    return Verdict(
        action=Action.COLLECT,
        reason=BUILDERFAIL_NOTES,
        state=BuildState.FAILED,
        log_required=False,
        disables=True,
    )


def read_tail(status: Status) -> str:
    r"""Return a log's tail as text, whatever is in it.

    >>> from scanner.transport.wire import Dialect
    >>> tail = Status(state=DaemonState.BUILDING, dialect=Dialect.DICT, log_tail=b"\xa9 a\0b")
    >>> read_tail(tail)
    '\ufffd ab'
    """
    return (status.log_tail or b"").decode("utf-8", "replace").replace("\0", "")
