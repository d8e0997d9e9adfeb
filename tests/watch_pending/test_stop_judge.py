"""One machine → whether it is of use: each verdict, and which of two goes first."""

from datetime import timedelta
from typing import Any

import pytest

from tests.builders import (
    HOUR,
    MASTER,
    MINUTE,
    NOW,
    make_activity,
    make_config,
    make_instance,
    make_sight,
    make_snapshot,
    make_workload,
)
from watch_pending.config_machines import Market
from watch_pending.config_stops import StopIdle
from watch_pending.models import Instance
from watch_pending.stop_idle.judge import judge, judge_all
from watch_pending.stop_idle.models import Judgement, Kept, Reason, Sight, Workload

ON_DEMAND, SPOT = Market.ON_DEMAND, Market.SPOT
DAY = 24 * HOUR
TWO_HOURS = 2 * HOUR
OURS = "farmhand test: idle: idle for 60 min"
GONE: dict[str, Any] = {"connected": False, "masters": ()}
HUNG = {"building": True, "hung": True}
IMPAIRED: dict[str, Any] = {"impaired": {"i-bld-001": "system check"}}
MAX_AGE: dict[str, Any] = {"max_age_s": {"bld": 3600.0}}


def machine(**changes: Any) -> Instance:
    """Make a machine that was started two hours ago, and has been connected for nearly as long."""
    return make_instance(
        **{"age": TWO_HOURS, "seen": MINUTE, "connected_since": NOW - TWO_HOURS, **changes}
    )


def judge_one(instance: Instance, sight: Sight | None = None, **stop_idle: Any) -> Judgement:
    config = make_config(stop_idle=StopIdle(**stop_idle))
    return judge(instance, sight or make_sight(instance), config)


def sight_of(
    instance: Instance, activity: dict[str, Any] | None, workload: dict[str, Any], **sight: Any
) -> Sight:
    activities = [] if activity is None else [make_activity(**activity)]
    return make_sight(instance, workload=make_workload(*activities, **workload), **sight)


# Whose machines


@pytest.mark.parametrize(
    "changes",
    [
        {"farm": "staging"},
        {"farm": None},
        {"state": "stopping"},
        {"state": "stopped"},
        {"state": "shutting-down"},
        {"state": "terminated"},
    ],
    ids=str,
)
def test_what_is_not_this_farms_or_not_up_is_not_even_judged(changes: dict[str, Any]) -> None:
    assert judge_all(make_sight(machine(**changes)), make_config()) == ()


def test_a_machine_that_ec2_does_not_show_now_is_not_judged() -> None:
    assert judge_all(make_sight(machine(), shown=frozenset()), make_config()) == ()


@pytest.mark.parametrize(
    ("changes", "sight", "verdict"),
    [
        ({"loaned_to": "somebody"}, {}, Kept.LOANED),
        ({"name": ""}, {}, Kept.UNTAGGED),
        ({"instance_type": ""}, {}, Kept.UNTAGGED),
        ({"farm": "staging"}, {}, Kept.UNTAGGED),
        ({"moz_state": "disabled by buildduty"}, {}, Kept.DISABLED),
        ({"moz_state": ""}, {}, Kept.DISABLED),
        ({}, {"disabled": frozenset({"bld-001"})}, Kept.DISABLED),
        ({}, {"disabled": frozenset({"bld-002"})}, Reason.IDLE),
    ],
    ids=str,
)
@pytest.mark.parametrize("useless", [{}, IMPAIRED, {"workload": make_workload()}], ids=str)
def test_a_machine_that_somebody_has_a_hand_on_never_stops(
    changes: dict[str, Any], sight: dict[str, Any], verdict: Kept | Reason, useless: dict[str, Any]
) -> None:
    instance = machine(**changes)
    found = judge_one(instance, make_sight(instance, **sight, **useless), **MAX_AGE).verdict
    assert found == verdict if isinstance(verdict, Kept) else isinstance(found, Reason)


def test_a_machine_on_its_way_out_is_not_stopped_again() -> None:
    snapshot = make_snapshot(instances=(machine(),), stopping={"i-bld-001": "bld-001"})
    sight = make_sight(machine(), snapshot=snapshot)
    assert judge_one(machine(), sight).verdict is Kept.STOPPING


# What it does


@pytest.mark.parametrize(
    ("instance", "activity", "workload", "verdict"),
    [
        pytest.param({}, {}, {}, Reason.IDLE, id="idle"),
        pytest.param({}, {"building": True}, {}, Kept.BUILDING, id="building"),
        pytest.param({}, HUNG, {}, Reason.HUNG, id="hung"),
        pytest.param({}, {**HUNG, "paused": True}, {}, Kept.BUILDING, id="hung, and paused"),
        pytest.param({}, {"paused": True}, {}, Kept.PAUSED, id="paused"),
        pytest.param({}, {"pause_reason": OURS}, {}, Reason.IDLE, id="unpaused by us"),
        pytest.param({}, {**GONE, "paused": True}, {}, Kept.PAUSED, id="paused and gone"),
        pytest.param(
            {}, {"paused": True, "pause_reason": None}, {}, Kept.PAUSED, id="no reasons kept"
        ),
        pytest.param(
            {}, {"paused": True, "pause_reason": OURS}, {}, Reason.ABANDONED, id="paused by us"
        ),
        pytest.param(
            {},
            {"paused": True, "pause_reason": OURS, "building": True},
            {},
            Kept.BUILDING,
            id="paused by us, and building",
        ),
        pytest.param(
            {},
            {"paused": True, "pause_reason": OURS.replace("test", "prod")},
            {},
            Kept.PAUSED,
            id="paused by another farm",
        ),
        pytest.param({}, {"graceful": True}, {}, Kept.LEAVING, id="leaving"),
        pytest.param({}, {**GONE, "graceful": True}, {}, Kept.BETWEEN_ROUNDS, id="has left"),
        pytest.param({}, GONE, {}, Kept.BETWEEN_ROUNDS, id="between rounds"),
        pytest.param({"seen": HOUR}, GONE, {}, Reason.LOST, id="lost"),
        pytest.param({"seen": HOUR}, None, {}, Reason.LOST, id="lost, and unknown by now"),
        pytest.param({"seen": None}, None, {}, Reason.NEVER_CONNECTED, id="Buildbot has no such"),
        pytest.param({"seen": None}, GONE, {}, Reason.NEVER_CONNECTED, id="never connected"),
        pytest.param({"seen": None, "age": MINUTE}, None, {}, Kept.BOOTING, id="booting"),
        pytest.param({"seen": None, "age": -MINUTE}, None, {}, Kept.BOOTING, id="EC2 is ahead"),
        pytest.param({"seen": None, "state": "pending"}, None, {}, Kept.BOOTING, id="pending"),
    ],
)
def test_a_worker_that_is(
    instance: dict[str, Any],
    activity: dict[str, Any] | None,
    workload: dict[str, Any],
    verdict: Reason | Kept,
) -> None:
    made = machine(**instance)
    assert judge_one(made, sight_of(made, activity, workload)).verdict is verdict


# Masters that are away


@pytest.mark.parametrize(
    ("instance", "activity", "workload", "verdict"),
    [
        pytest.param(
            {"seen": HOUR}, {**GONE, "away": (MASTER,)}, {}, Kept.MASTER_AWAY, id="its own"
        ),
        pytest.param(
            {"seen": None}, {**GONE, "away": (MASTER,)}, {}, Kept.MASTER_AWAY, id="its first"
        ),
        pytest.param({}, {"away": ("other:/b",)}, {}, Reason.IDLE, id="one of its two"),
        pytest.param(
            {"seen": HOUR},
            GONE,
            {"masters_away": frozenset({"other:/b"})},
            Kept.MASTER_AWAY,
            id="any, of one that was here",
        ),
        pytest.param(
            {"seen": None},
            GONE,
            {"masters_away": frozenset({"other:/b"})},
            Reason.NEVER_CONNECTED,
            id="another, of one that never was",
        ),
        pytest.param(
            {"seen": HOUR}, GONE, {"masters_alive": frozenset()}, Kept.MASTER_AWAY, id="all, lost"
        ),
        pytest.param(
            {"seen": None}, None, {"masters_alive": frozenset()}, Kept.MASTER_AWAY, id="all, never"
        ),
    ],
)
def test_nothing_is_lost_while_a_master_is_away(
    instance: dict[str, Any],
    activity: dict[str, Any] | None,
    workload: dict[str, Any],
    verdict: Reason | Kept,
) -> None:
    made = machine(**instance)
    assert judge_one(made, sight_of(made, activity, workload)).verdict is verdict


@pytest.mark.parametrize("seen", [None, HOUR])
def test_a_machine_is_gone_only_at_the_second_sight(seen: timedelta | None) -> None:
    made = machine(seen=seen)
    sight = sight_of(made, GONE, {}, known=frozenset())
    assert judge_one(made, sight).verdict is Kept.BETWEEN_ROUNDS


# Which machine the worker is on


def test_a_worker_that_is_connected_from_another_machine_is_not_this_one() -> None:
    made = machine(seen=HOUR)
    sight = sight_of(made, {"host": "i-another0"}, {})
    assert judge_one(made, sight).verdict is Reason.LOST


def test_a_name_that_two_instances_bear_is_the_one_that_the_worker_tells_of() -> None:
    twins = [machine(instance_id=f"i-{n}", seen=HOUR) for n in (1, 2)]
    workload = make_workload(make_activity(host="i-1", building=True))
    judged = judge_all(make_sight(*twins, workload=workload), make_config())
    assert [each.verdict for each in judged] == [Kept.BUILDING, Reason.LOST]


# EC2's own checks


@pytest.mark.parametrize(
    ("instance", "activity", "verdict"),
    [
        pytest.param({}, {}, Reason.IMPAIRED, id="idle"),
        pytest.param({}, GONE, Reason.IMPAIRED, id="between rounds"),
        pytest.param({}, {"building": True}, Kept.BUILDING, id="building"),
        pytest.param({}, {"paused": True}, Kept.PAUSED, id="paused"),
        pytest.param({}, {**GONE, "away": (MASTER,)}, Kept.MASTER_AWAY, id="its master away"),
        pytest.param({"age": 19 * MINUTE}, None, Kept.BOOTING, id="booting"),
        pytest.param({"age": 21 * MINUTE}, None, Reason.IMPAIRED, id="booting no more"),
        pytest.param({"age": 19 * MINUTE}, {"building": True}, Kept.BUILDING, id="young, building"),
        pytest.param(
            {"age": 19 * MINUTE, "connected_since": NOW},
            {"last_build_ended_at": None},
            Kept.IDLE_TOO_SHORT,
            id="young, connected",
        ),
    ],
)
def test_an_impaired_machine_that_is(
    instance: dict[str, Any], activity: dict[str, Any] | None, verdict: Reason | Kept
) -> None:
    made = machine(**instance)
    assert judge_one(made, sight_of(made, activity, {}, **IMPAIRED)).verdict is verdict


def test_that_another_machine_is_impaired_says_nothing() -> None:
    sight = make_sight(machine(), impaired={"i-bld-002": "system check"})
    assert judge_one(machine(), sight).verdict is Reason.IDLE


# Idle, needed, too old


@pytest.mark.parametrize(
    ("market", "settings", "idle_min", "age_min", "verdict"),
    [
        (SPOT, {}, 11, 16, Reason.IDLE),
        (SPOT, {}, 9, 16, Kept.IDLE_TOO_SHORT),
        (SPOT, {}, 11, 14, Kept.TOO_YOUNG),
        (ON_DEMAND, {}, 11, 31, Reason.IDLE),
        (ON_DEMAND, {}, 9, 31, Kept.IDLE_TOO_SHORT),
        (ON_DEMAND, {}, 11, 29, Kept.TOO_YOUNG),
        (SPOT, {"idle_s": {SPOT: 60.0}}, 2, 16, Reason.IDLE),
        (SPOT, {"idle_s": {ON_DEMAND: 60.0}}, 2, 16, Kept.IDLE_TOO_SHORT),
        (SPOT, {"min_age_s": {SPOT: 60.0}}, 11, 14, Reason.IDLE),
        (ON_DEMAND, {"min_age_s": {SPOT: 60.0}}, 11, 14, Kept.TOO_YOUNG),
    ],
)
def test_how_long_it_idles_and_lives_is_the_markets(
    market: Market, settings: dict[str, Any], idle_min: int, age_min: int, verdict: Reason | Kept
) -> None:
    made = machine(market=market, age=age_min * MINUTE, connected_since=None)
    ended = {"last_build_ended_at": NOW - idle_min * MINUTE}
    assert judge_one(made, sight_of(made, ended, {}), **settings).verdict is verdict


@pytest.mark.parametrize(
    ("since", "ended", "idle"),
    [
        (2 * HOUR, HOUR, HOUR),
        (HOUR, 2 * HOUR, HOUR),
        (HOUR, None, HOUR),
        (None, None, TWO_HOURS),
        (-HOUR, None, timedelta(0)),
        (2 * HOUR, -HOUR, timedelta(0)),
    ],
    ids=str,
)
def test_it_idles_since_its_last_build_or_since_it_came(
    since: timedelta | None, ended: timedelta | None, idle: timedelta
) -> None:
    made = machine(connected_since=None if since is None else NOW - since)
    activity = {"last_build_ended_at": None if ended is None else NOW - ended}
    assert judge_one(made, sight_of(made, activity, {})).idle_s == idle.total_seconds()


def test_a_machine_that_builds_is_not_idle() -> None:
    assert judge_one(machine(), sight_of(machine(), {"building": True}, {})).idle_s == 0


def test_a_machine_that_a_waiting_job_can_take_stays() -> None:
    sight = make_sight(machine(), needed=frozenset({"bld-001"}))
    assert judge_one(machine(), sight).verdict is Kept.NEEDED


@pytest.mark.parametrize(
    ("activity", "sight", "verdict"),
    [
        pytest.param({}, {}, Reason.TOO_OLD, id="idle"),
        pytest.param({"last_build_ended_at": NOW}, {}, Reason.TOO_OLD, id="just done"),
        pytest.param({"building": True}, {}, Reason.TOO_OLD, id="building: it is drained"),
        pytest.param({"building": True, "paused": True}, {}, Kept.BUILDING, id="paused, building"),
        pytest.param({"building": True, "masters": ()}, {}, Kept.BUILDING, id="can't be paused"),
        pytest.param({"paused": True}, {}, Kept.PAUSED, id="paused"),
        pytest.param({"graceful": True}, {}, Kept.LEAVING, id="leaving"),
        pytest.param({}, {"needed": frozenset({"bld-001"})}, Kept.NEEDED, id="needed"),
        pytest.param(GONE, {}, Reason.TOO_OLD, id="between rounds"),
        pytest.param(HUNG, {}, Reason.HUNG, id="hung"),
    ],
)
def test_a_machine_that_is_too_old_and(
    activity: dict[str, Any], sight: dict[str, Any], verdict: Reason | Kept
) -> None:
    made = machine()
    assert judge_one(made, sight_of(made, activity, {}, **sight), **MAX_AGE).verdict is verdict


def test_only_types_with_a_max_age_grow_too_old() -> None:
    assert judge_one(machine(), max_age_s={"try": 3600.0}).verdict is Reason.IDLE
    assert judge_one(machine(), max_age_s={"bld": 7201.0}).verdict is Reason.IDLE


# Before Buildbot 0.9


@pytest.mark.parametrize(
    ("workload", "verdict"),
    [
        ({"busy": True}, Kept.BUILDING),
        ({"ended_at": NOW - HOUR}, Reason.IDLE),
        ({"ended_at": NOW - MINUTE}, Kept.IDLE_TOO_SHORT),
        ({}, Reason.IDLE),
    ],
    ids=str,
)
def test_where_nobody_knows_who_builds_all_build_while_any_does(
    workload: dict[str, Any], verdict: Reason | Kept
) -> None:
    sight = make_sight(machine(), workload=Workload(clock=NOW, workers=None, **workload))
    assert judge_one(machine(connected_since=None), sight).verdict is verdict
