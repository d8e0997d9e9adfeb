import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.worker.config import WorkerSettings
from runner.worker.decide import (
    ASK_AGAIN_S,
    LEAVE_WITHIN_S,
    Reason,
    Step,
    Stopping,
    choose_step,
    judge_run,
    judge_start,
    name_end,
)
from runner.worker.outcome import Outcome, task_code
from runner.worker.twistd_log import WorkerLog

SETTINGS = WorkerSettings(run_for_s=1800, builds=3, lost_for_s=900, stop_within_s=100)
TOLD = WorkerSettings(stop_within_s=100, kill_builds=True)
WORKS = WorkerLog(started=True, connected=True, was_connected=True, stops_by="file")
AWAY = WorkerLog(started=True, connected=False, was_connected=True, stops_by="file")
HEARD = WorkerLog(started=True, connected=True, stops_by="file", stop_heard=True)
LEAVES = WorkerLog(started=True, connected=False, stop_heard=True, leaving=True)
DEAF = WorkerLog(started=True, connected=True)


@pytest.mark.parametrize(
    ("log", "alive", "late", "outcome"),
    [
        pytest.param(WorkerLog(started=True), True, False, None, id="it may be yet"),
        pytest.param(WorkerLog(duplicate=True), False, False, Outcome.DUPLICATE, id="duplicate"),
        pytest.param(WorkerLog(auth_failed=True), True, False, Outcome.AUTH_FAILED, id="auth"),
        pytest.param(WorkerLog(), False, False, Outcome.NOT_STARTED, id="no start line"),
        pytest.param(WorkerLog(started=True), False, False, Outcome.DIED, id="died"),
        pytest.param(WorkerLog(started=True), True, True, Outcome.NOT_READY, id="late"),
    ],
)
def test_why_a_worker_is_never_connected(
    log: WorkerLog, alive: bool, late: bool, outcome: Outcome | None
) -> None:
    assert judge_start(log, alive=alive, late=late) is outcome


@pytest.mark.parametrize(
    ("builds", "ran_s", "lost_s", "reason"),
    [
        pytest.param(2, 1799, 899, None, id="nothing is over"),
        pytest.param(3, 0, 0, Reason.BUILDS, id="builds"),
        pytest.param(0, 1800, 0, Reason.TIME, id="time"),
        pytest.param(0, 0, 900, Reason.LOST, id="lost"),
    ],
)
def test_why_a_worker_should_stop(
    builds: int, ran_s: float, lost_s: float, reason: Reason | None
) -> None:
    log = WorkerLog(builds=builds)
    assert judge_run(log, SETTINGS, ran_s=ran_s, lost_s=lost_s) is reason


def test_zero_is_no_limit() -> None:
    settings = WorkerSettings(run_for_s=0, builds=0)
    assert judge_run(WorkerLog(builds=99), settings, ran_s=1e9, lost_s=0) is None


@pytest.mark.parametrize(
    ("log", "stopping", "step"),
    [
        pytest.param(WORKS, Stopping(since_s=0), Step.ASK, id="connected"),
        pytest.param(WORKS, Stopping(since_s=9, asked_s=9), Step.WAIT, id="not heard yet"),
        pytest.param(WORKS, Stopping(since_s=99, asked_s=ASK_AGAIN_S), Step.ASK, id="not heard"),
        pytest.param(HEARD, Stopping(since_s=99, asked_s=99), Step.WAIT, id="heard"),
        pytest.param(HEARD, Stopping(since_s=1e6, asked_s=1e6), Step.WAIT, id="builds for days"),
        pytest.param(DEAF, Stopping(since_s=1e6), Step.WAIT, id="can't be asked"),
        pytest.param(AWAY, Stopping(since_s=0), Step.TERM, id="no master"),
        pytest.param(LEAVES, Stopping(since_s=9, leaving_s=1), Step.WAIT, id="leaves"),
        pytest.param(
            LEAVES, Stopping(since_s=99, leaving_s=LEAVE_WITHIN_S), Step.TERM, id="never leaves"
        ),
        pytest.param(HEARD, Stopping(since_s=1, at_once=True), Step.TERM, id="asked twice"),
        pytest.param(AWAY, Stopping(since_s=30, term_s=19), Step.WAIT, id="has its grace"),
        pytest.param(AWAY, Stopping(since_s=30, term_s=20), Step.KILL, id="ignores TERM"),
    ],
)
def test_the_next_step_of_a_stop(log: WorkerLog, stopping: Stopping, step: Step) -> None:
    assert choose_step(log, SETTINGS, stopping) is step


def test_a_build_is_killed_only_when_told_and_late() -> None:
    steps = [choose_step(HEARD, TOLD, Stopping(since_s=s, asked_s=s)) for s in (99, 100)]
    assert steps == [Step.WAIT, Step.TERM]


@given(
    since_s=st.floats(0, 1e9),
    asked_s=st.none() | st.floats(0, 1e9),
    heard=st.booleans(),
    stops_by=st.sampled_from(["file", "signal", None]),
    commands=st.integers(0, 3),
)
def test_untold_nothing_ever_forces_a_connected_worker(
    since_s: float, asked_s: float | None, heard: bool, stops_by: str | None, commands: int
) -> None:
    log = WorkerLog(connected=True, stops_by=stops_by, stop_heard=heard, commands=commands)
    step = choose_step(log, SETTINGS, Stopping(since_s=since_s, asked_s=asked_s))
    assert step in {Step.ASK, Step.WAIT}


@pytest.mark.parametrize(
    ("log", "asked", "killed", "outcome"),
    [
        pytest.param(LEAVES, True, False, Outcome.STOPPED, id="stopped"),
        pytest.param(LEAVES, True, True, Outcome.KILLED, id="killed"),
        pytest.param(LEAVES, False, False, Outcome.LEFT, id="by its master"),
        pytest.param(WorkerLog(terminated=True), False, False, Outcome.DIED, id="by somebody"),
        pytest.param(WorkerLog(duplicate=True), False, False, Outcome.DUPLICATE, id="replaced"),
    ],
)
def test_how_it_ended(log: WorkerLog, asked: bool, killed: bool, outcome: Outcome) -> None:
    assert name_end(log, asked=asked, killed=killed) is outcome


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_a_code_and_only_few_go_on(outcome: Outcome) -> None:
    code = task_code(outcome, "wait")
    healthy = {Outcome.STOPPED, Outcome.LEFT, Outcome.KILLED}
    assert (code == 0) == (outcome in healthy)
    halts = {Outcome.TOO_FAST, Outcome.DISK_FULL, Outcome.TAKEN}
    assert (code == 2) == (outcome in halts)


@pytest.mark.parametrize(
    ("when_idle", "code"), [("go-on", 0), ("halt", 2), ("exit", 3), ("retry", 19), ("wait", 3)]
)
def test_an_idle_machine_ends_as_set(when_idle: str, code: int) -> None:
    assert task_code(Outcome.IDLE, when_idle) == code
