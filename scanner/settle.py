"""A verdict, or how a step ended → the rows to write, and what to do next; pure.

A job leaves a daemon in one of two ways only: it is queued again under a new id, or its build ends.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from scanner.blame import back_off, judge
from scanner.classify import ABORTING_TAIL, read_tail
from scanner.config import Scanner
from scanner.models import (
    Action,
    BuildState,
    Daemon,
    Fate,
    Job,
    JobChange,
    Next,
    Observation,
    StopReason,
    Verdict,
)
from scanner.transport.wire import DaemonState

# After these it is not known yet whether the daemon does what it should.
UNPROVEN = frozenset((Action.MISS, Action.COLLECT, Action.CLEAN))


def follow(
    daemon: Daemon, seen: Observation | None, verdict: Verdict, now: datetime, limits: Scanner
) -> Next:
    """Say what follows from a verdict."""
    row = note_sighting(daemon, seen, verdict, now)
    match verdict.action:
        case Action.NOTHING | Action.WAIT | Action.FOLLOW:
            if row.job is None and row.last_state == DaemonState.IDLE and seen and seen.status:
                row = replace(row, clean=True, abort_sent_at=None)
            return Next(daemon=row, verdict=verdict, change=_follow_log(row, seen, now))
        case Action.READY:
            row = replace(row, clean=True, abort_sent_at=None, fetching_until=None)
            return Next(daemon=row, verdict=verdict)
        case Action.COLLECT | Action.STOP:
            return Next(daemon=row, verdict=verdict, then=_step_of(verdict.action))
        case Action.ABORT | Action.CLEAN:
            return Next(daemon=replace(row, clean=False), verdict=verdict, then=verdict.action)
        case Action.REQUEUE | Action.END:
            return _let_go(row, verdict, now, limits)
        case Action.MISS:
            return miss(row, verdict, now, limits)
        case Action.DISABLE:
            return _disable(row, verdict, now, limits)


def _step_of(action: Action) -> Action:
    return Action.ABORT if action is Action.STOP else action


def note_sighting(
    daemon: Daemon, seen: Observation | None, verdict: Verdict, now: datetime
) -> Daemon:
    """Write down what a daemon says of itself."""
    if seen is None:
        return daemon
    status = seen.status
    if status is None:
        return replace(daemon, last_error=seen.error)
    aborting = status.state is DaemonState.ABORTING
    fine = verdict.action not in UNPROVEN
    changed = status.dialect is not daemon.dialect
    return replace(
        daemon,
        last_seen_at=now,
        last_state=status.state.value,
        last_cookie=status.cookie[:128] if status.cookie else None,
        last_error=None if fine else verdict.reason,
        dialect=status.dialect,
        arity=None if changed else daemon.arity,
        build_type=None if changed else daemon.build_type,
        version=status.version or daemon.version,
        aborting_since=(daemon.aborting_since or now) if aborting else None,
        failing_since=None if fine else daemon.failing_since,
        counted_at=None if fine else daemon.counted_at,
    )


def _follow_log(daemon: Daemon, seen: Observation | None, now: datetime) -> JobChange | None:
    job = daemon.job
    status = seen.status if seen else None
    if job is None or status is None or status.cookie != job.cookie:
        return None
    tail = ABORTING_TAIL if status.state is DaemonState.ABORTING else read_tail(status)
    moved = tail != (job.log_tail or "")
    if job.started_at is not None and not moved:
        return None
    job = replace(
        job,
        started_at=job.started_at or now,
        log_tail=tail,
        log_moved_at=now if moved else job.log_moved_at,
    )
    return _keep(daemon, job)


def _keep(daemon: Daemon, job: Job) -> JobChange:
    return JobChange(job=job, daemon_id=daemon.id, fate=Fate.KEPT, state=BuildState.BUILDING)


def _end(daemon: Daemon, job: Job, state: BuildState, reason: str) -> JobChange:
    return JobChange(job=job, daemon_id=daemon.id, fate=Fate.ENDED, state=state, reason=reason)


def _requeue(daemon: Daemon, job: Job, verdict: Verdict, not_before: datetime | None) -> JobChange:
    if job.is_cancelled:
        return _end(daemon, job, BuildState.CANCELLED, verdict.reason)
    job = replace(job, score=job.score if verdict.score is None else verdict.score)
    return JobChange(
        job=job,
        daemon_id=daemon.id,
        fate=Fate.REQUEUED,
        state=BuildState.NEEDS_BUILD,
        reason=verdict.reason,
        not_before=not_before,
    )


def _without_job(daemon: Daemon) -> Daemon:
    return replace(daemon, clean=False, fetching_until=None, job=None)


def _let_go(daemon: Daemon, verdict: Verdict, now: datetime, limits: Scanner) -> Next:
    """Take a job away from its daemon."""
    job = daemon.job
    if job is None:
        return Next(daemon=daemon, verdict=verdict)
    if verdict.blamed:
        return blame(daemon, verdict, now, limits, retry=False)
    row = _without_job(daemon)
    if verdict.action is Action.END and verdict.state is not None:
        change = _end(daemon, job, verdict.state, verdict.reason)
    else:
        change = _lose(daemon, job, verdict, limits)
    return Next(daemon=row, verdict=verdict, change=change, then=verdict.then)


def _lose(daemon: Daemon, job: Job, verdict: Verdict, limits: Scanner) -> JobChange:
    if verdict.lost:
        job = replace(job, lost_count=job.lost_count + 1)
        if job.lost_count >= limits.losses and not job.is_cancelled:
            reason = f"was lost {job.lost_count} times; at last: {verdict.reason}"
            return _end(daemon, job, BuildState.FAILED, reason)
    return _requeue(daemon, job, verdict, None)


def miss(daemon: Daemon, verdict: Verdict, now: datetime, limits: Scanner) -> Next:
    """Bear with a daemon for a while; then each run's failure counts."""
    since = daemon.failing_since or now
    row = replace(daemon, failing_since=since, last_error=verdict.reason)
    counted = row.counted_at
    borne = now - since < timedelta(seconds=limits.silent_s)
    if borne or (counted and now - counted < timedelta(seconds=limits.recount_s)):
        return Next(daemon=row, verdict=verdict)
    return blame(replace(row, counted_at=now), verdict, now, limits, retry=True)


def blame(daemon: Daemon, verdict: Verdict, now: datetime, limits: Scanner, *, retry: bool) -> Next:
    """Count a failure for daemon and job, and let the counts decide."""
    failures = daemon.failure_count + 1
    not_before = now + back_off(failures, limits)
    row = replace(daemon, failure_count=failures, not_before=not_before)
    job = daemon.job
    if job is not None:
        job = replace(job, failure_count=job.failure_count + 1)
    judgement = judge(failures, job.failure_count if job else None, retry=retry, limits=limits)
    change = None
    if job is not None and judgement.fail_job:
        state = BuildState.CANCELLED if job.is_cancelled else BuildState.FAILED
        change = _end(daemon, job, state, f"failed {job.failure_count} times: {verdict.reason}")
        row = replace(_without_job(row), failure_count=0, not_before=None)
    elif job is not None and judgement.release:
        wait = now + back_off(job.failure_count, limits)
        change = _requeue(daemon, job, verdict, wait)
        row = _without_job(row)
    elif job is not None:
        change = _keep(daemon, job)
    disabled = None
    if judgement.disable:
        disabled = f"failed {failures} times in a row: {verdict.reason}"
    then = None if change is not None and change.fate is Fate.KEPT else verdict.then
    return Next(daemon=row, verdict=verdict, change=change, disabled=disabled, then=then)


def _disable(daemon: Daemon, verdict: Verdict, now: datetime, limits: Scanner) -> Next:
    """Disable a daemon at once; its job goes elsewhere, unless it does that to every daemon."""
    job, change = daemon.job, None
    if job is not None:
        job = replace(job, failure_count=job.failure_count + 1)
        if verdict.state is not None:
            change = _end(daemon, job, verdict.state, verdict.reason)
        elif job.failure_count >= limits.job_failures and not job.is_cancelled:
            reason = f"failed {job.failure_count} times: {verdict.reason}"
            change = _end(daemon, job, BuildState.FAILED, reason)
        else:
            change = _requeue(daemon, job, verdict, now + back_off(job.failure_count, limits))
    row = replace(_without_job(daemon), failure_count=daemon.failure_count + 1)
    return Next(daemon=row, verdict=verdict, change=change, disabled=verdict.reason)


# How steps ended


def settle_abort(
    daemon: Daemon, cookie: str | None, reason: StopReason | None, now: datetime
) -> Next:
    """Write that abort() was called, for the job of this cookie or for what is not ours.

    Whether it did anything, the next status tells; so it counts even where it failed.
    """
    verdict = Verdict(action=Action.WAIT, reason="was told to abort")
    job = daemon.job
    if job is None or job.cookie != cookie:
        row = replace(daemon, clean=False, abort_sent_at=daemon.abort_sent_at or now)
        return Next(daemon=row, verdict=verdict)
    job = replace(job, stop_reason=reason, abort_sent_at=job.abort_sent_at or now)
    return Next(daemon=daemon, verdict=verdict, change=_keep(daemon, job))


def settle_clean(daemon: Daemon) -> Next:
    """Write that a daemon is clean: it may take another job at once."""
    row = replace(
        daemon,
        clean=True,
        abort_sent_at=None,
        failing_since=None,
        counted_at=None,
        last_error=None,
        last_state=DaemonState.IDLE.value,
        last_cookie=None,
    )
    return Next(daemon=row, verdict=Verdict(action=Action.READY, reason="was cleaned"))


def settle_collected(daemon: Daemon, verdict: Verdict) -> Next:
    """End the build whose log and files are stored; its daemon is cleaned after that."""
    job = daemon.job
    if job is None or verdict.state is None:
        return Next(daemon=daemon, verdict=verdict)
    state = BuildState.CANCELLED if job.is_cancelled else verdict.state
    change = _end(daemon, job, state, verdict.reason)
    row = replace(_without_job(daemon), failing_since=None, counted_at=None, last_error=None)
    disabled = verdict.reason if verdict.disables else None
    return Next(daemon=row, verdict=verdict, change=change, disabled=disabled, then=verdict.then)


def settle_started(daemon: Daemon, now: datetime) -> Next:
    """Write that a daemon took its job."""
    verdict = Verdict(action=Action.FOLLOW, reason="took the job")
    if daemon.job is None:
        return Next(daemon=daemon, verdict=verdict)
    row = replace(
        daemon,
        fetching_until=None,
        failure_count=0,
        not_before=None,
        last_state=DaemonState.BUILDING.value,
        last_cookie=daemon.job.cookie,
    )
    job = replace(daemon.job, started_at=now, log_moved_at=now)
    return Next(daemon=row, verdict=verdict, change=_keep(daemon, job))


def settle_learned(daemon: Daemon, learned: Daemon) -> Daemon:
    """Write what was learned of a daemon while it was given a job; it fetches nothing now."""
    return replace(
        daemon,
        fetching_until=None,
        arity=learned.arity,
        build_type=learned.build_type,
        arch_tag=learned.arch_tag,
    )


def put_off(daemon: Daemon, verdict: Verdict) -> Next:
    """Take a job back that its daemon could not be given; nobody is to blame."""
    if daemon.job is None:
        return Next(daemon=daemon, verdict=verdict)
    change = _requeue(daemon, daemon.job, verdict, None)
    return Next(daemon=_without_job(daemon), verdict=verdict, change=change)
