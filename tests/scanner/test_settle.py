"""What follows from a verdict: the rows, the job's fate, the blame."""

from dataclasses import replace

import pytest

from scanner.blame import Judgement
from scanner.blame import judge as judge_counts
from scanner.classify import ABORTING_TAIL
from scanner.models import (
    Action,
    BuildState,
    Daemon,
    Fate,
    Next,
    Observation,
    QueueStatus,
    StopReason,
    Verdict,
)
from scanner.settle import blame, settle_abort, settle_clean, settle_collected, settle_started
from tests.scanner_rows import (
    HOUR,
    LIMITS,
    MINUTE,
    NOW,
    SECOND,
    SILENCE,
    make_daemon,
    make_job,
    say,
    settle,
    waiting,
)

FAILED = Verdict(action=Action.MISS, reason="it failed")


def fate(following: Next) -> tuple[Fate, BuildState] | None:
    change = following.change
    return None if change is None else (change.fate, change.state)


REQUEUED = (Fate.REQUEUED, BuildState.NEEDS_BUILD)


# Sightings


def test_a_daemon_that_answers_is_written_down() -> None:
    row = settle(make_daemon(), say("IDLE", version="254")).daemon
    assert (row.last_seen_at, row.last_state, row.version) == (NOW, "IDLE", "254")


def test_a_daemon_of_another_dialect_is_asked_anew_how_it_is_spoken_to() -> None:
    row = settle(make_daemon(dialect=None), say("IDLE")).daemon
    assert (row.arity, row.build_type) == (None, None)


def test_the_tail_of_a_log_is_text_whatever_is_in_it() -> None:
    following = settle(make_daemon(make_job()), say("BUILDING", log_tail=b"\xa9 caf\xc3\xa9\0!"))
    assert following.change is not None
    assert following.change.job.log_tail == "\ufffd café!"
    assert following.change.job.log_moved_at == NOW


def test_a_tail_that_stays_is_not_written_again() -> None:
    assert settle(make_daemon(make_job()), say("BUILDING", log_tail=b"so far")).change is None


def test_while_it_aborts_the_tail_says_so() -> None:
    following = settle(make_daemon(make_job()), say("ABORTING"))
    assert following.change is not None
    assert following.change.job.log_tail == ABORTING_TAIL
    assert following.daemon.aborting_since == NOW


# A job leaves its daemon


def test_a_lost_job_is_queued_again_with_its_score_and_its_place() -> None:
    following = settle(make_daemon(make_job(score=7)), say("IDLE"))
    assert following.change is not None
    assert fate(following) == REQUEUED
    assert (following.change.job.score, following.change.job.queued_at) == (7, NOW - HOUR)
    assert (following.daemon.job, following.daemon.clean) == (None, False)
    assert following.change.job.failure_count == 0


def test_a_job_that_every_daemon_loses_ends_at_last() -> None:
    following = settle(make_daemon(make_job(lost_count=LIMITS.losses - 1)), say("IDLE"))
    assert fate(following) == (Fate.ENDED, BuildState.FAILED)


def test_a_cancelled_job_is_never_queued_again() -> None:
    job = make_job(status=QueueStatus.CANCELLING, failure_count=2)
    for seen in (say("IDLE"), say("BUILDING", "9-9"), waiting("BUILDERFAIL", cookie="9-9")):
        assert fate(settle(make_daemon(job), seen)) == (Fate.ENDED, BuildState.CANCELLED)


def test_builderfail_disables_at_once_and_does_not_clean() -> None:
    following = settle(make_daemon(make_job()), waiting("BUILDERFAIL"))
    assert following.disabled == "Builder returned BUILDERFAIL when asked for its status"
    assert (fate(following), following.then) == (REQUEUED, None)


def test_a_job_that_breaks_daemon_after_daemon_ends_with_its_log() -> None:
    job = make_job(failure_count=LIMITS.job_failures - 1)
    following = settle(make_daemon(job), waiting("BUILDERFAIL"))
    assert (following.then, following.verdict.state) == (Action.COLLECT, BuildState.FAILED)
    last = settle_collected(following.daemon, following.verdict)
    assert (fate(last), last.then) == ((Fate.ENDED, BuildState.FAILED), None)
    assert last.disabled == "Builder returned BUILDERFAIL when asked for its status"


def test_a_build_that_falls_silent_on_daemon_after_daemon_ends_with_its_log() -> None:
    silent = {"stop_reason": StopReason.SILENT, "abort_sent_at": NOW - MINUTE}
    first = settle(make_daemon(make_job(**silent)), waiting("ABORTED"))
    assert (fate(first), first.then) == (REQUEUED, Action.CLEAN)
    again = settle(make_daemon(make_job(**silent, failure_count=1)), waiting("ABORTED"))
    assert (again.then, again.verdict.state) == (Action.COLLECT, BuildState.FAILED)


# Blame: scenarios 12 to 16 and 28 to 32


def test_a_silent_daemon_is_borne_with_for_a_while() -> None:
    first = settle(make_daemon(make_job()), SILENCE)
    assert (first.daemon.failing_since, first.daemon.failure_count) == (NOW, 0)
    late = make_daemon(make_job(), failing_since=NOW - LIMITS.silent_s * SECOND + SECOND)
    assert settle(late, SILENCE).change is None


def test_then_each_scan_counts_one_failure_of_daemon_and_job() -> None:
    since = NOW - LIMITS.silent_s * SECOND
    following = settle(make_daemon(make_job(), failing_since=since), SILENCE)
    assert following.change is not None
    assert (following.daemon.failure_count, following.change.job.failure_count) == (1, 1)
    assert fate(following) == (Fate.KEPT, BuildState.BUILDING)
    again = replace(following.daemon, job=following.change.job)
    assert settle(again, SILENCE).daemon.failure_count == 1  # a moment later
    later = replace(again, counted_at=NOW - MINUTE)
    assert settle(later, SILENCE).daemon.failure_count == 2


def test_an_answer_ends_a_streak() -> None:
    failing = make_daemon(make_job(), failing_since=NOW - HOUR, counted_at=NOW)
    row = settle(failing, say("BUILDING")).daemon
    assert (row.failing_since, row.counted_at) == (None, None)


@pytest.mark.parametrize("seen", [waiting("OK"), waiting("NEWFAIL")], ids=["OK", "unknown"])
def test_an_answer_that_leads_nowhere_yet_does_not(seen: Observation) -> None:
    failing = make_daemon(make_job(), failing_since=NOW - HOUR, counted_at=NOW)
    assert settle(failing, seen).daemon.failing_since == NOW - HOUR


@pytest.mark.parametrize(
    ("daemon", "job", "retry", "expected"),
    [
        pytest.param(4, None, True, Judgement(), id="16 alone"),
        pytest.param(5, None, True, Judgement(disable=True), id="16 alone, at the limit"),
        pytest.param(2, 2, True, Judgement(), id="28 equal"),
        pytest.param(3, 3, True, Judgement(release=True), id="28 equal at the threshold"),
        pytest.param(1, 1, False, Judgement(release=True), id="28 no retry"),
        pytest.param(3, 1, True, Judgement(release=True), id="29 daemon worse"),
        pytest.param(5, 1, True, Judgement(release=True, disable=True), id="29 at the limit"),
        pytest.param(1, 2, True, Judgement(fail_job=True), id="30 job worse"),
        pytest.param(5, 6, True, Judgement(fail_job=True), id="30 job worse at the limit"),
    ],
)
def test_who_is_to_blame(daemon: int, job: int | None, retry: bool, expected: Judgement) -> None:
    assert judge_counts(daemon, job, retry=retry, limits=LIMITS) == expected


def blamed(daemon: Daemon) -> Next:
    return blame(daemon, FAILED, NOW, LIMITS, retry=False)


def test_a_job_that_is_to_blame_ends_and_absolves_its_daemon() -> None:
    following = blamed(make_daemon(make_job(failure_count=1), failure_count=0))
    assert fate(following) == (Fate.ENDED, BuildState.FAILED)
    assert (following.daemon.failure_count, following.daemon.not_before) == (0, None)


def test_a_daemon_that_is_to_blame_is_left_alone_for_a_while_then_disabled() -> None:
    following = blamed(make_daemon(make_job(), failure_count=1))
    assert (fate(following), following.daemon.not_before) == (REQUEUED, NOW + 2 * MINUTE)
    last = blamed(make_daemon(make_job(), failure_count=LIMITS.daemon_failures - 1))
    assert last.disabled == "failed 5 times in a row: it failed"


def test_failing_while_it_is_cancelled_cancels() -> None:
    job = make_job(status=QueueStatus.CANCELLING)
    for count in (0, 1, 3):
        following = blamed(make_daemon(replace(job, failure_count=count), failure_count=1))
        assert fate(following) == (Fate.ENDED, BuildState.CANCELLED)


# How steps ended


def test_an_abort_counts_from_the_first_time() -> None:
    first = settle_abort(make_daemon(make_job()), "5-7", StopReason.SILENT, NOW)
    assert first.change is not None
    assert (first.change.job.stop_reason, first.change.job.abort_sent_at) == ("silent", NOW)
    job = replace(first.change.job, abort_sent_at=NOW - HOUR)
    again = settle_abort(make_daemon(job), "5-7", StopReason.SILENT, NOW)
    assert again.change is not None
    assert again.change.job.abort_sent_at == NOW - HOUR


def test_an_abort_of_what_is_not_ours_is_the_daemons_alone() -> None:
    following = settle_abort(make_daemon(), None, None, NOW)
    assert (following.change, following.daemon.abort_sent_at) == (None, NOW)


def test_a_cleaned_daemon_is_ready() -> None:
    following = settle_clean(make_daemon(clean=False, failing_since=NOW))
    assert (following.daemon.clean, following.daemon.failing_since) == (True, None)
    assert following.verdict.action is Action.READY


def test_a_collected_build_ends_and_its_daemon_is_cleaned_then() -> None:
    verdict = Verdict(action=Action.COLLECT, reason="OK", state=BuildState.BUILT, then=Action.CLEAN)
    following = settle_collected(make_daemon(make_job()), verdict)
    assert (fate(following), following.then) == ((Fate.ENDED, BuildState.BUILT), Action.CLEAN)
    cancelled = make_job(status=QueueStatus.CANCELLING)
    assert fate(settle_collected(make_daemon(cancelled), verdict)) == (
        Fate.ENDED,
        BuildState.CANCELLED,
    )


def test_a_daemon_that_takes_a_job_has_no_failures_any_more() -> None:
    following = settle_started(make_daemon(make_job(started_at=None), failure_count=4), NOW)
    assert following.change is not None
    assert (following.daemon.failure_count, following.change.job.started_at) == (0, NOW)
