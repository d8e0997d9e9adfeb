"""Results of steps that come when the database says something else by now."""

import pytest

from scanner.judge import judge_result
from scanner.models import Action, BuildState, Fate, Known, StopReason, Verdict
from scanner.steps import Aborted, Cleaned, Collected, Done, Observed, Outcome, Published, Started
from tests.scanner_rows import LIMITS, NOW, make_daemon, make_job, say

VERDICT = Verdict(action=Action.COLLECT, reason="OK", state=BuildState.BUILT, then=Action.CLEAN)
THEN = make_daemon(make_job())
STEPS: dict[str, Done] = {
    "observed": Observed(daemon=THEN, seen=say("BUILDING")),
    "collected": Collected(daemon=THEN, verdict=VERDICT, error="broke off"),
    "started": Started(daemon=THEN, outcome=Outcome.STARTED),
    "cleaned": Cleaned(daemon=THEN),
}


def judged(result: Done, **held: object) -> object:
    rows = {1: make_daemon(**held)} if held else {}  # type: ignore[arg-type]
    return judge_result(result, rows, Known(), NOW, LIMITS)


@pytest.mark.parametrize("step", STEPS)
def test_nothing_follows_where_the_lease_is_lost(step: str) -> None:
    assert judged(STEPS[step]) is None


@pytest.mark.parametrize("step", STEPS)
def test_nothing_follows_where_the_job_is_another_now(step: str) -> None:
    assert judged(STEPS[step], job=make_job(queue_id=8)) is None
    assert judged(STEPS[step], job=None) is None


def test_an_abort_whose_job_is_gone_counts_for_the_daemon() -> None:
    result = Aborted(daemon=THEN, reason=StopReason.SILENT)
    following = judge_result(result, {1: make_daemon()}, Known(), NOW, LIMITS)
    assert following is not None
    assert following.daemon.abort_sent_at == NOW


@pytest.mark.parametrize(
    ("outcome", "fate", "failures"),
    [
        (Outcome.STARTED, Fate.KEPT, 0),
        (Outcome.UNSURE, None, 0),
        (Outcome.PUT_OFF, Fate.REQUEUED, 0),
        (Outcome.REFUSED, Fate.REQUEUED, 1),
    ],
)
def test_what_became_of_giving_a_job(outcome: Outcome, fate: Fate | None, failures: int) -> None:
    result = Started(daemon=THEN, outcome=outcome, reason="so")
    following = judge_result(result, {1: THEN}, Known(), NOW, LIMITS)
    assert following is not None
    assert (following.change.fate if following.change else None) is fate
    assert following.daemon.failure_count == failures


def test_our_own_trouble_counts_against_nobody() -> None:
    result = Collected(daemon=THEN, verdict=VERDICT, error="disk full", ours=True)
    following = judge_result(result, {1: THEN}, Known(), NOW, LIMITS)
    assert following is not None
    assert (following.daemon, following.change) == (THEN, None)


def test_what_is_published_is_no_daemons() -> None:
    assert judge_result(Published(build_id=5), {1: THEN}, Known(), NOW, LIMITS) is None
