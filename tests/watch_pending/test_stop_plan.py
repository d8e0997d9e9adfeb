"""Judgements → which machines stop now, and what is next for those on their way."""

from collections import Counter
from typing import Any

import pytest

from tests.builders import (
    MASTER,
    make_activity,
    make_instance,
    make_judgement,
    make_sight,
    make_stop,
    make_workload,
)
from watch_pending.config_stops import StopIdle
from watch_pending.stop_idle.models import Judgement, Kept, Reason, Step, StopState
from watch_pending.stop_idle.plan import (
    decide,
    is_ours,
    next_step,
    pause_reason,
    plan_stops,
)

OTHER = "bm2.example.com:/builds/bm2"
OURS = {"paused": True, "pause_reason": "farmhand test: idle: idle for 60 min"}
THEIRS = {"paused": True, "pause_reason": "a disk is full"}
UNTOLD = {"paused": True, "pause_reason": None}
GONE: dict[str, Any] = {"connected": False, "masters": ()}
IDLE = {Reason.IDLE, Kept.IDLE_TOO_SHORT, Kept.TOO_YOUNG, Kept.NEEDED}
WORKING = IDLE | {
    Kept.BUILDING,
    Kept.MINIMUM,
    Kept.BOOTING,
    Kept.BETWEEN_ROUNDS,
    Kept.LEAVING,
    Kept.MASTER_AWAY,
}


def stopping(*judgements: Judgement, draining: int = 0, **settings: Any) -> list[str]:
    planned = plan_stops(judgements, StopIdle(**settings), Counter(bld=draining))
    return sorted(each.instance.name for each in planned if isinstance(each.verdict, Reason))


def idle(name: str, minutes: float = 60, **changes: Any) -> Judgement:
    return make_judgement(name, idle_s=minutes * 60, **changes)


def other(name: str, verdict: Reason | Kept, **changes: Any) -> Judgement:
    return make_judgement(name, verdict=verdict, **changes)


# The minimums


def test_without_minimums_all_that_are_idle_stop() -> None:
    assert stopping(idle("w1"), idle("w2")) == ["w1", "w2"]


def test_the_longest_idle_stop_first() -> None:
    machines = [idle("w1", 20), idle("w2", 40), idle("w3", 30)]
    assert stopping(*machines, min_running={"bld": 2}) == ["w2"]
    assert stopping(*machines, min_idle={"bld": 1}) == ["w2", "w3"]


def test_a_minimum_that_keeps_a_machine_says_so() -> None:
    [kept] = plan_stops([idle("w1")], StopIdle(min_running={"bld": 1}), Counter())
    assert (kept.verdict, kept.why) == (Kept.MINIMUM, "idle for 60 min, but min_running is 1")


@pytest.mark.parametrize("verdict", [*Reason, *Kept])
def test_machines_that_do_no_work_are_no_part_of_min_running(verdict: Reason | Kept) -> None:
    two = stopping(idle("w1"), other("w2", verdict, idle_s=0), min_running={"bld": 1})
    assert ("w1" in two) is (verdict in WORKING)


@pytest.mark.parametrize("verdict", [*Reason, *Kept])
def test_only_idle_machines_are_part_of_min_idle(verdict: Reason | Kept) -> None:
    two = stopping(idle("w1"), other("w2", verdict, idle_s=0), min_idle={"bld": 1})
    assert ("w1" in two) is (verdict in IDLE)


@pytest.mark.parametrize(
    "reason", [each for each in Reason if each not in {Reason.IDLE, Reason.TOO_OLD}]
)
def test_no_minimum_keeps_a_machine_that_is_broken(reason: Reason) -> None:
    assert stopping(other("w1", reason), min_running={"bld": 9}, min_idle={"bld": 9}) == ["w1"]


def test_each_type_has_its_own_minimum() -> None:
    other_type = make_judgement("x1", instance=make_instance("x1", instance_type="try"))
    assert stopping(idle("w1"), other_type, min_running={"try": 1}) == ["w1"]


def test_busy_machines_count_for_min_running_and_not_for_min_idle() -> None:
    machines = [idle("w1"), other("w2", Kept.BUILDING)]
    assert stopping(*machines, min_running={"bld": 1}) == ["w1"]
    assert stopping(*machines, min_idle={"bld": 1}) == []


# The too old


def old(name: str, **changes: Any) -> Judgement:
    return other(name, Reason.TOO_OLD, **changes)


@pytest.mark.parametrize(
    ("machines", "draining", "stop"), [(1, 0, 1), (5, 0, 1), (5, 1, 0), (20, 0, 2), (29, 1, 1)]
)
def test_of_the_too_old_a_tenth_of_their_type_and_one_go_at_a_time(
    machines: int, draining: int, stop: int
) -> None:
    assert len(stopping(*(old(f"w{n}") for n in range(machines)), draining=draining)) == stop


def test_the_too_old_that_wait_for_others_say_so() -> None:
    planned = plan_stops([old("w1"), old("w2")], StopIdle(), Counter())
    assert [(each.instance.name, each.verdict) for each in planned] == [
        ("w1", Reason.TOO_OLD),
        ("w2", Kept.MINIMUM),
    ]


def test_the_too_old_that_are_idle_go_before_those_that_build() -> None:
    assert stopping(old("w1", idle_s=0), old("w2", idle_s=1)) == ["w2"]


def test_no_minimum_keeps_the_too_old_and_idle_ones_stay_in_their_place() -> None:
    assert stopping(old("w1"), idle("w2"), min_running={"bld": 1}) == ["w1"]


# What is next for a machine on its way out

EXPIRED = {"expired": True}
STATES = [each for each in StopState if each is not StopState.CLOSED]
P, T, S, R = STATES


@pytest.mark.parametrize(
    ("state", "stop", "instance", "activity", "step"),
    [
        pytest.param(P, {}, {}, {}, Step.STOP, id="just begun"),
        pytest.param(P, {}, {}, OURS, Step.STOP, id="paused by the run that died"),
        pytest.param(P, {}, {}, UNTOLD, Step.STOP, id="paused, and no reasons are kept"),
        pytest.param(P, {}, {}, THEIRS, Step.CLOSE, id="paused by somebody meanwhile"),
        pytest.param(P, {}, {}, None, Step.STOP, id="Buildbot does not know it"),
        pytest.param(P, {}, {}, GONE, Step.STOP, id="not connected any more"),
        pytest.param(P, {}, {}, {"building": True}, Step.RELEASE, id="has taken a build"),
        pytest.param(P, {}, {}, {"masters": (MASTER, OTHER)}, Step.RELEASE, id="on another too"),
        pytest.param(
            P, {"reason": Reason.TOO_OLD}, {}, {**OURS, "building": True}, Step.STOP, id="draining"
        ),
        pytest.param(
            P,
            {"reason": Reason.TOO_OLD, **EXPIRED},
            {},
            {**OURS, "building": True},
            Step.STOP,
            id="draining for long",
        ),
        pytest.param(
            P,
            {"reason": Reason.TOO_OLD},
            {},
            {"building": True, "masters": (MASTER, OTHER)},
            Step.RELEASE,
            id="draining, but on another too",
        ),
        pytest.param(
            P,
            {"reason": Reason.HUNG},
            {},
            {"building": True, "hung": True},
            Step.STOP,
            id="hangs still",
        ),
        pytest.param(
            P, {"reason": Reason.HUNG}, {}, {"building": True}, Step.RELEASE, id="woke up"
        ),
        pytest.param(P, EXPIRED, {}, OURS, Step.RELEASE, id="took too long"),
        pytest.param(P, {}, {"loaned_to": "somebody"}, OURS, Step.RELEASE, id="loaned meanwhile"),
        pytest.param(P, {}, {"moz_state": "broken"}, OURS, Step.RELEASE, id="disabled meanwhile"),
        pytest.param(P, {}, {"farm": "staging"}, OURS, Step.RELEASE, id="given to another farm"),
        pytest.param(P, {}, {"state": "terminated"}, OURS, Step.WAIT, id="vanished just now"),
        pytest.param(P, {}, None, {**OURS, **GONE}, Step.UNPAUSE, id="vanished"),
        pytest.param(P, {}, None, GONE, Step.CLOSE, id="vanished before the pause"),
        pytest.param(T, {}, {}, OURS, Step.STOP, id="told to terminate, perhaps"),
        pytest.param(T, {}, {"state": "shutting-down"}, OURS, Step.STOP, id="told to terminate"),
        pytest.param(T, EXPIRED, {}, OURS, Step.RELEASE, id="EC2 refuses for long"),
        pytest.param(T, {}, None, {**OURS, **GONE}, Step.UNPAUSE, id="told, and gone"),
        pytest.param(S, {}, {"state": "shutting-down"}, OURS, Step.WAIT, id="shutting down"),
        pytest.param(S, {}, {}, OURS, Step.WAIT, id="EC2 lags"),
        pytest.param(S, EXPIRED, {}, OURS, Step.RELEASE, id="does not end"),
        pytest.param(S, {}, None, OURS, Step.WAIT, id="its master has not noticed"),
        pytest.param(S, EXPIRED, None, OURS, Step.UNPAUSE, id="its master never notices"),
        pytest.param(S, {"masters": ()}, None, OURS, Step.UNPAUSE, id="never connected"),
        pytest.param(S, {}, {"state": "terminated"}, {**OURS, **GONE}, Step.UNPAUSE, id="ended"),
        pytest.param(S, {}, None, GONE, Step.CLOSE, id="was never paused"),
        pytest.param(S, {}, None, {**THEIRS, **GONE}, Step.CLOSE, id="theirs stays paused"),
        pytest.param(S, {}, None, {**UNTOLD, **GONE}, Step.UNPAUSE, id="no reasons: a row of ours"),
        pytest.param(S, {}, None, None, Step.CLOSE, id="unknown, and gone"),
        pytest.param(R, {}, {}, OURS, Step.RELEASE, id="let go by a run that died"),
        pytest.param(P, {"reason": Reason.ABANDONED}, {}, OURS, Step.RELEASE, id="abandoned"),
        pytest.param(R, EXPIRED, None, {**OURS, **GONE}, Step.RELEASE, id="let go, and gone"),
    ],
)
def test_what_is_next(
    state: StopState,
    stop: dict[str, Any],
    instance: dict[str, Any] | None,
    activity: dict[str, Any] | None,
    step: Step,
) -> None:
    workload = make_workload(*([] if activity is None else [make_activity(**activity)]))
    instances = [] if instance is None else [make_instance(**instance)]
    sight = make_sight(*instances, workload=workload)
    assert next_step(make_stop(state=state, **stop), sight, "test")[0] is step


@pytest.mark.parametrize("state", STATES)
def test_a_machine_whose_region_does_not_answer_waits(state: StopState) -> None:
    sight = make_sight(make_instance(), listed=frozenset({"us-west-2"}))
    assert next_step(make_stop(state=state), sight, "test")[0] is Step.WAIT


# After the second look


@pytest.mark.parametrize(
    ("stop", "activity", "starting", "step"),
    [
        pytest.param({}, OURS, False, Step.STOP, id="paused"),
        pytest.param({}, OURS, True, Step.WAIT, id="its master is about to start a build"),
        pytest.param({}, {}, False, Step.WAIT, id="not paused yet"),
        pytest.param({}, THEIRS, False, Step.CLOSE, id="paused by somebody else"),
        pytest.param({}, UNTOLD, False, Step.STOP, id="paused, no reasons kept"),
        pytest.param({}, GONE, False, Step.STOP, id="not connected"),
        pytest.param({}, None, False, Step.STOP, id="unknown to Buildbot"),
        pytest.param({}, {**OURS, "building": True}, False, Step.RELEASE, id="took a build"),
        pytest.param({"masters": ()}, {}, False, Step.RELEASE, id="connected just now"),
        pytest.param(
            {"reason": Reason.TOO_OLD}, {**OURS, "building": True}, False, Step.DRAIN, id="builds"
        ),
        pytest.param({"reason": Reason.TOO_OLD}, OURS, False, Step.STOP, id="has built"),
        pytest.param(
            {"reason": Reason.HUNG},
            {**OURS, "building": True, "hung": True},
            False,
            Step.STOP,
            id="hangs",
        ),
        pytest.param(
            {"reason": Reason.HUNG}, {**OURS, "building": True}, False, Step.RELEASE, id="woke up"
        ),
    ],
)
def test_a_machine_that_was_to_be_paused_and(
    stop: dict[str, Any], activity: dict[str, Any] | None, starting: bool, step: Step
) -> None:
    seen = None if activity is None else make_activity(**activity)
    assert decide(make_stop(**stop), seen, "test", starting=starting)[0] is step


# Whose pause


def test_a_pause_bears_the_farms_name() -> None:
    reason = pause_reason("prod", make_stop())
    assert reason == "farmhand prod: idle: idle for 60 min"
    assert is_ours(make_activity(paused=True, pause_reason=reason), "prod")
    assert not is_ours(make_activity(paused=True, pause_reason=reason), "staging")
