"""How one step ended, and what the database says now → what follows; decides by settle.py.

The rows are read anew: whoever has another job now than when the step began is left alone.
"""

from collections.abc import Mapping
from datetime import datetime

from scanner.classify import classify
from scanner.config import Scanner
from scanner.models import Action, Daemon, Known, Next, Verdict
from scanner.settle import (
    blame,
    follow,
    miss,
    put_off,
    settle_abort,
    settle_clean,
    settle_collected,
    settle_learned,
    settle_started,
)
from scanner.steps import Aborted, Cleaned, Collected, Done, Observed, Outcome, Published, Started


def judge_result(
    result: Done, held: Mapping[int, Daemon], known: Known, now: datetime, limits: Scanner
) -> Next | None:
    """Say what follows from one result; nothing where the daemon or its job is not ours now."""
    if isinstance(result, Published):
        return None
    daemon = held.get(result.daemon.id)
    had = result.daemon.job.cookie if result.daemon.job else None
    has = daemon.job.cookie if daemon and daemon.job else None
    if daemon is None or (had != has and not isinstance(result, Aborted)):
        return None
    match result:
        case Observed(seen=seen):
            verdict = classify(daemon, seen, known, now, limits)
            return follow(daemon, seen, verdict, now, limits)
        case Aborted(reason=reason):
            return settle_abort(daemon, had, reason, now)
        case Cleaned(error=error):
            return miss(daemon, _missed(error), now, limits) if error else settle_clean(daemon)
        case Collected():
            return _judge_collected(result, daemon, now, limits)
        case Started():
            return _judge_started(result, daemon, now, limits)


def _judge_collected(result: Collected, daemon: Daemon, now: datetime, limits: Scanner) -> Next:
    if result.harvest is not None:
        return settle_collected(daemon, result.verdict)
    if result.ours:
        return Next(daemon=daemon, verdict=Verdict(action=Action.WAIT, reason=result.error))
    return miss(daemon, _missed(result.error), now, limits)


def _judge_started(result: Started, daemon: Daemon, now: datetime, limits: Scanner) -> Next:
    row = settle_learned(daemon, result.daemon)
    then = Action.ABORT if result.sweep else None
    verdict = Verdict(action=Action.REQUEUE, reason=result.reason, then=then)
    match result.outcome:
        case Outcome.STARTED:
            return settle_started(row, now)
        case Outcome.REFUSED:
            return blame(row, verdict, now, limits, retry=False)
        case Outcome.PUT_OFF:
            return put_off(row, verdict)
        case Outcome.UNSURE:
            return Next(daemon=row, verdict=Verdict(action=Action.WAIT, reason=result.reason))


def _missed(error: str) -> Verdict:
    return Verdict(action=Action.MISS, reason=error)
