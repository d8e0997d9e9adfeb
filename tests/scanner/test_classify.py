"""What to do about a daemon: the state machine, as a table with the numbers of the scenarios."""

from typing import Any

import pytest

from scanner.classify import BUILDERFAIL_NOTES
from scanner.models import Action, BuildState, Daemon, Known, Observation, QueueStatus, StopReason
from scanner.rescue import parse_cookie
from tests.scanner_rows import (
    HOUR,
    LIMITS,
    MINUTE,
    NOW,
    SECOND,
    SILENCE,
    judge,
    make_daemon,
    make_job,
    say,
    waiting,
)

CANCELLING = {"status": QueueStatus.CANCELLING}
ABORTED = {"stop_reason": StopReason.CANCEL, "abort_sent_at": NOW - MINUTE}
LATE = {"abort_sent_at": NOW - HOUR}
TOO_LONG = {"stop_reason": StopReason.TOO_LONG, "abort_sent_at": NOW - MINUTE}
SILENT = {"stop_reason": StopReason.SILENT, "abort_sent_at": NOW - MINUTE}


def busy(**job: Any) -> Daemon:
    return make_daemon(make_job(**job))


# Number of the facts' scenario, or section; daemon; what it says; action, build's state, then.
BUSY: list[tuple[str, Daemon, Observation | None, tuple[Any, ...]]] = [
    ("2 disabled mid-job", make_daemon(make_job(), enabled=False), None, (Action.REQUEUE,)),
    ("3 builds", busy(), say("BUILDING"), (Action.FOLLOW,)),
    ("7 no answer", busy(), SILENCE, (Action.MISS,)),
    ("11 of the list era", busy(), say("BUILDING", log_tail=b""), (Action.FOLLOW,)),
    (
        "18 another job",
        busy(),
        say("BUILDING", "9-9"),
        (Action.REQUEUE, None, Action.ABORT),
    ),
    ("21 cancel", busy(**CANCELLING), say("BUILDING"), (Action.STOP,)),
    ("21 no second abort", busy(**CANCELLING, **ABORTED), say("BUILDING"), (Action.WAIT,)),
    ("21 aborting", busy(**CANCELLING, **ABORTED), say("ABORTING"), (Action.WAIT,)),
    (
        "22 cancel takes too long",
        busy(**CANCELLING, **LATE),
        say("BUILDING"),
        (Action.END, BuildState.CANCELLED),
    ),
    (
        "25 wrong cookie",
        busy(),
        waiting("OK", cookie="9-9"),
        (Action.REQUEUE, None, Action.CLEAN),
    ),
    ("32 forgot while cancelling", busy(**CANCELLING), say("IDLE"), (Action.END,)),
    ("55 ended", busy(), waiting("OK"), (Action.COLLECT, BuildState.BUILT, Action.CLEAN)),
    (
        "57 package failed",
        busy(),
        waiting("PACKAGEFAIL"),
        (Action.COLLECT, BuildState.FAILED, Action.CLEAN),
    ),
    (
        "57 dependency",
        busy(),
        waiting("DEPFAIL"),
        (Action.COLLECT, BuildState.DEPENDENCY_WAIT, Action.CLEAN),
    ),
    (
        "57 chroot failed",
        busy(),
        waiting("CHROOTFAIL"),
        (Action.COLLECT, BuildState.CHROOT_WAIT, Action.CLEAN),
    ),
    (
        "58 cancelled",
        busy(**CANCELLING, **ABORTED),
        waiting("ABORTED"),
        (Action.COLLECT, BuildState.CANCELLED, Action.CLEAN),
    ),
    (
        "58 ended before the abort",
        busy(**CANCELLING, **ABORTED),
        waiting("OK"),
        (Action.COLLECT, BuildState.CANCELLED, Action.CLEAN),
    ),
    (
        "58 aborted by nobody",
        busy(),
        waiting("ABORTED"),
        (Action.REQUEUE, None, Action.CLEAN),
    ),
    (
        "56 left a name that is none",
        busy(),
        waiting("OK", refused="a file may not be named '../a'"),
        (Action.COLLECT, BuildState.FAILED, Action.CLEAN),
    ),
    (
        "56 only a build of type ci has directories",
        busy(),
        waiting("OK", files={"logs/all": "0" * 40}),
        (Action.COLLECT, BuildState.FAILED, Action.CLEAN),
    ),
    (
        "56 a build of type ci",
        busy(build_type="ci"),
        waiting("OK", files={"logs/all": "0" * 40}),
        (Action.COLLECT, BuildState.BUILT, Action.CLEAN),
    ),
    (
        "6 too many files",
        busy(),
        waiting("OK", files={f"f{number}": "0" * 40 for number in range(1001)}),
        (Action.COLLECT, BuildState.FAILED, Action.CLEAN),
    ),
    (
        "57 a dependency that can't be taken",
        busy(),
        waiting("DEPFAIL", refused="the list of dependencies has 16001 characters"),
        (Action.COLLECT, BuildState.DEPENDENCY_WAIT, Action.CLEAN),
    ),
    ("59 given back", busy(), waiting("GIVENBACK"), (Action.REQUEUE, None, Action.CLEAN)),
    ("59 unknown", busy(), waiting("NEWFAIL"), (Action.MISS,)),
    ("2.1 builder failed", busy(), waiting("BUILDERFAIL"), (Action.DISABLE,)),
    ("2.1 forgot", busy(), say("IDLE"), (Action.REQUEUE,)),
    ("2.1 aborted", busy(), say("ABORTED"), (Action.REQUEUE, None, Action.CLEAN)),
    (
        "2.1 aborted when cancelled",
        busy(**CANCELLING, **ABORTED),
        say("ABORTED"),
        (Action.COLLECT, BuildState.CANCELLED, Action.CLEAN),
    ),
    (
        "1.5 not killable",
        busy(**CANCELLING, **ABORTED),
        waiting("BUILDERFAIL"),
        (Action.COLLECT, BuildState.CANCELLED, Action.CLEAN),
    ),
    (
        "1.5 wedged at once",
        busy(log_moved_at=None, log_tail=None, started_at=NOW - 5 * HOUR),
        say("BUILDING"),
        (Action.STOP,),
    ),
    (
        "6 a silent log",
        busy(log_moved_at=NOW - 5 * HOUR),
        say_so := say("BUILDING", log_tail=b"so far"),
        (Action.STOP,),
    ),
    (
        "1.3 of the seed's era, which tells no log",
        busy(log_moved_at=None, log_tail=None, started_at=NOW - 5 * HOUR),
        say("BUILDING", log_tail=None),
        (Action.FOLLOW,),
    ),
    (
        "6 silent no more",
        busy(log_moved_at=NOW - 5 * HOUR),
        say("BUILDING", log_tail=b"on"),
        (Action.FOLLOW,),
    ),
    (
        "6 for ever",
        busy(started_at=NOW - 25 * HOUR),
        say("BUILDING", log_tail=b"on"),
        (Action.STOP,),
    ),
    (
        "6 stopped for its length",
        busy(**TOO_LONG),
        waiting("ABORTED"),
        (Action.COLLECT, BuildState.FAILED, Action.CLEAN),
    ),
    (
        "6 stopped for its silence",
        busy(**SILENT),
        waiting("ABORTED"),
        (Action.REQUEUE, None, Action.CLEAN),
    ),
    ("6 does not stop", busy(**{**SILENT, **LATE}), say_so, (Action.DISABLE,)),
    (
        "6 aborts for ever",
        make_daemon(make_job(**SILENT), aborting_since=NOW - HOUR),
        say("ABORTING"),
        (Action.DISABLE,),
    ),
    (
        "5 fetches",
        make_daemon(make_job(), fetching_until=NOW + MINUTE),
        SILENCE,
        (Action.WAIT,),
    ),
    (
        "5 has fetched too long",
        make_daemon(make_job(), fetching_until=NOW - SECOND),
        SILENCE,
        (Action.MISS,),
    ),
    ("our own trouble", busy(), Observation(status=None, error="-", ours=True), (Action.WAIT,)),
    (
        "2.1 unknown state",
        busy(),
        Observation(status=None, error="-", unknown=True),
        (Action.DISABLE,),
    ),
]


@pytest.mark.parametrize(
    ("daemon", "seen", "expected"), [row[1:] for row in BUSY], ids=[row[0] for row in BUSY]
)
def test_a_daemon_with_a_job(
    daemon: Daemon, seen: Observation | None, expected: tuple[Any, ...]
) -> None:
    verdict = judge(daemon, seen)
    assert (verdict.action, verdict.state, verdict.then)[: len(expected)] == expected


FREE: list[tuple[str, Daemon, Observation | None, Action]] = [
    ("1 idle and clean", make_daemon(), say("IDLE"), Action.READY),
    ("5 manual", make_daemon(manual=True), say("IDLE"), Action.NOTHING),
    ("5 manual, finished", make_daemon(manual=True), waiting("OK"), Action.CLEAN),
    ("6 disabled", make_daemon(enabled=False), None, Action.NOTHING),
    ("16 no answer", make_daemon(), SILENCE, Action.MISS),
    ("19 builds what is not ours", make_daemon(), say("BUILDING"), Action.ABORT),
    ("26 dirty and builds", make_daemon(clean=False), say("BUILDING"), Action.ABORT),
    ("44 dirty and idle", make_daemon(clean=False), say("IDLE"), Action.READY),
    ("44 waits", make_daemon(clean=False), waiting("OK"), Action.CLEAN),
    ("44 aborts", make_daemon(clean=False), say("ABORTING"), Action.WAIT),
    ("44 aborted", make_daemon(clean=False), say("ABORTED"), Action.CLEAN),
    ("44 abort sent", make_daemon(abort_sent_at=NOW - MINUTE), say("BUILDING"), Action.WAIT),
    ("44 abort failed", make_daemon(abort_sent_at=NOW - HOUR), say("BUILDING"), Action.DISABLE),
    ("aborts for ever", make_daemon(aborting_since=NOW - HOUR), say("ABORTING"), Action.DISABLE),
    ("backed off", make_daemon(not_before=NOW + MINUTE), say("IDLE"), Action.NOTHING),
    ("backed off long ago", make_daemon(not_before=NOW), say("IDLE"), Action.READY),
]


@pytest.mark.parametrize(
    ("daemon", "seen", "expected"), [row[1:] for row in FREE], ids=[row[0] for row in FREE]
)
def test_a_daemon_without_a_job(daemon: Daemon, seen: Observation | None, expected: Action) -> None:
    assert judge(daemon, seen).action is expected


# Rescue: the seed's words

KNOWN = Known(builds=frozenset((2, 7)), attempts={1: (2, 1, True), 3: (2, 9, False)})


@pytest.mark.parametrize(
    ("cookie", "reason"),
    [
        ("7-1", "7-1: Job build entry mismatch"),
        ("1000-10000", "1000-10000: The object Build by the ID 1000 does not exist"),
        ("2-8", "2-8: The object BuildQueue by the ID 8 does not exist"),
        ("2-3", "2-3: Job was given to another builder"),
        ("1-1-1", "1-1-1: Malformed job identifier"),
        ("\x1b[31m-1", "\\x1b[31m-1: Malformed job identifier"),
    ],
)
@pytest.mark.parametrize("state", ["BUILDING", "WAITING"])
def test_what_is_not_a_daemons_own_is_rescued_and_never_collected(
    state: str, cookie: str, reason: str
) -> None:
    more = {"build_status": "OK"} if state == "WAITING" else {}
    verdict = judge(make_daemon(), say(state, cookie, **more), KNOWN)
    action = Action.ABORT if state == "BUILDING" else Action.CLEAN
    assert (verdict.action, verdict.reason, verdict.rescued) == (action, reason, True)


def test_what_was_collected_already_is_only_cleaned() -> None:
    verdict = judge(make_daemon(), waiting("OK", cookie="2-1"), KNOWN)
    assert (verdict.action, verdict.rescued) == (Action.CLEAN, False)


@pytest.mark.parametrize(
    "cookie", [None, "", "1", "1-", "-1", "0-1", "01-1", "1-1 ", "1-1-1", "٣-1", "9" * 19 + "-1"]
)
def test_a_cookie_is_two_plain_numbers(cookie: str | None) -> None:
    assert parse_cookie(cookie) is None


def test_the_originals_words() -> None:
    assert judge(busy(), waiting("BUILDERFAIL")).reason == BUILDERFAIL_NOTES
    assert BUILDERFAIL_NOTES == "Builder returned BUILDERFAIL when asked for its status"
    assert judge(busy(), say("IDLE")).reason == "builder forgot about build"
    said = {end: judge(busy(), waiting(end)) for end in ("DEPFAIL", "CHROOTFAIL")}
    assert said["DEPFAIL"].reason == "***** bob is MANUALDEPWAIT *****"
    assert said["CHROOTFAIL"].reason == "***** bob is CHROOTWAIT *****"
    assert all(verdict.critical for verdict in said.values())


def test_a_given_back_job_goes_to_the_end_of_the_queue() -> None:
    assert judge(busy(), waiting("GIVENBACK")).score == 0


def test_the_time_that_counts_is_the_databases() -> None:
    limit = LIMITS.log_silent_s
    quiet = say("BUILDING", log_tail=b"so far")
    at = NOW - limit * SECOND
    assert judge(busy(log_moved_at=at), quiet).action is Action.FOLLOW
    assert judge(busy(log_moved_at=at - SECOND), quiet).action is Action.STOP
