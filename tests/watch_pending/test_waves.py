"""One plan after another in the same run: what was learned, and the sum of it all."""

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import (
    EAST,
    make_config,
    make_open_launch,
    make_pending,
    make_snapshot,
    make_spot,
)
from tests.plans import make_exhausted, make_outcomes, make_plan, only, plan_for, zones
from watch_pending.config import WatchPending
from watch_pending.config_machines import Market
from watch_pending.models import Cut, DemandPlan, Plan, Snapshot, Status
from watch_pending.waves import settle, with_outcomes

# What was learned


def apply(snapshot: Snapshot, plan: Plan, status: Status, **changes: Any) -> Snapshot:
    return with_outcomes(snapshot, make_outcomes(plan.launches, status, **changes))


@pytest.mark.parametrize(
    ("status", "left"),
    [
        (Status.LAUNCHED, 0),
        (Status.UNKNOWN, 0),
        (Status.FAILED, 3),
        (Status.NO_CAPACITY, 3),
        (Status.NOT_TRIED, 3),
    ],
)
def test_what_was_launched_or_may_have_been_is_not_planned_again(status: Status, left: int) -> None:
    snapshot = make_snapshot(make_pending(requests=3))
    assert len(make_plan(apply(snapshot, make_plan(snapshot), status)).launches) == left


def test_a_launch_is_in_flight_under_its_token() -> None:
    snapshot = apply(make_snapshot(), plan_for(1), Status.LAUNCHED)
    assert snapshot.open_launches == (make_open_launch("bld-001"),)


def test_what_was_launched_is_counted_for_the_run() -> None:
    snapshot = apply(make_snapshot(launched_this_run=2), plan_for(3), Status.UNKNOWN)
    assert snapshot.launched_this_run == 5


def test_what_was_learned_is_kept_once() -> None:
    exhausted = make_exhausted(region=EAST)
    snapshot = apply(make_snapshot(), plan_for(3), Status.NO_CAPACITY, exhausted=exhausted)
    assert snapshot.exhausted == (exhausted,)


def test_no_capacity_in_one_zone_moves_on_to_the_next() -> None:
    snapshot = make_snapshot(make_pending(requests=3))
    exhausted = make_exhausted(availability_zone="us-east-1a", market=Market.SPOT)
    after = apply(snapshot, make_plan(snapshot), Status.NO_CAPACITY, exhausted=exhausted)
    assert zones(make_plan(after)) == {"us-east-1b": 3}


# The sum of a run


def settle_waves(*waves: Status, requests: int = 2, **config: Any) -> DemandPlan:
    """Plan and apply, each time with one status for all; return the sum."""
    snapshot, made, outcomes = make_snapshot(make_pending(requests=requests)), [], []
    settings: WatchPending = make_config(**config)
    for status in waves:
        made.append(make_plan(snapshot, settings))
        wave = make_outcomes(made[-1].launches, status)
        outcomes += wave
        snapshot = with_outcomes(snapshot, wave)
    made.append(make_plan(snapshot, settings))
    return only(settle(made, outcomes))


def test_a_run_is_summed_up_by_what_happened() -> None:
    assert [launch.name for launch in settle_waves(Status.LAUNCHED).launches] == [
        "bld-001",
        "bld-002",
    ]


def test_what_failed_is_not_in_the_sum() -> None:
    assert settle_waves(Status.FAILED).unmet == 2


def test_what_failed_and_was_launched_the_second_time_is_in_the_sum_once() -> None:
    assert settle_waves(Status.FAILED, Status.LAUNCHED).unmet == 0


def test_the_sum_keeps_the_first_plans_need() -> None:
    assert settle_waves(Status.LAUNCHED).need == 2


def test_the_sum_has_each_cut_once() -> None:
    assert [cut.by for cut in settle_waves(Status.FAILED, spot=make_spot(1)).cuts] == [
        "spot.limits.global",
        "on_demand.limits.global",
    ]


def test_cuts_that_were_overcome_are_not_in_the_sum() -> None:
    first = plan_for(1)
    cut = Cut(by="names", before=1, after=0, reason="late")
    last = Plan(demands=(replace(only(first), cuts=(cut,), launches=()),))
    assert only(settle([first, last], make_outcomes(first.launches))).cuts == ()
