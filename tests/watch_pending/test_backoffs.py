"""What is remembered of AWS's refusals, and what a plan asks for in spite of it."""

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import (
    EAST,
    EC2_TYPE,
    MINUTE,
    NOW,
    make_config,
    make_on_demand,
    make_open_launch,
    make_pending,
    make_place,
    make_snapshot,
    make_subnet,
)
from tests.plans import (
    cuts,
    in_regions,
    make_launch,
    make_offer,
    make_outcomes,
    make_plan,
    names,
    only,
    plan_for,
    reasons,
    zones,
)
from tests.refusals import make_backoff, make_refused
from watch_pending.aws_errors import Meaning
from watch_pending.backoff_models import Backoff, Kind
from watch_pending.backoffs import explain_backoff, is_probe, remember, without_disproved
from watch_pending.config_machines import Market, Spot
from watch_pending.models import Plan, Status
from watch_pending.waves import settle, with_outcomes

A, B, WA, WB = "us-east-1a", "us-east-1b", "us-west-2a", "us-west-2b"


def plan_with(*backoffs: Backoff, requests: int = 3, **config: Any) -> Plan:
    return plan_for(requests, {"backoffs": backoffs}, **config)


# What is remembered


@pytest.mark.parametrize(
    ("meaning", "scope"),
    [
        (Meaning.NO_CAPACITY, f"capacity/spot/{EAST}/{A}/{EC2_TYPE}"),
        (Meaning.SUBNET_FULL, f"subnet/{EAST}/{A}/subnet-{A}"),
        (Meaning.QUOTA, f"quota/spot/{EAST}"),
        (Meaning.NO_ACCESS, f"settings/{EAST}/bld"),
        (Meaning.BAD_SETTINGS, f"settings/{EAST}/bld"),
    ],
)
def test_a_refusal_is_remembered_for_what_it_speaks_of(meaning: Meaning, scope: str) -> None:
    assert make_refused(meaning).scope == scope


@pytest.mark.parametrize("meaning", [Meaning.AGAIN, Meaning.WRONG_CLOCK])
def test_what_may_go_well_the_next_time_is_not_remembered(meaning: Meaning) -> None:
    assert remember(meaning, make_launch(), "not now") is None


@pytest.mark.parametrize(
    ("meaning", "where"),
    [
        (Meaning.NO_CAPACITY, f"spot {EC2_TYPE} in {A}"),
        (Meaning.SUBNET_FULL, f"subnet-{A} in {A}"),
        (Meaning.QUOTA, f"spot machines in {EAST}"),
        (Meaning.BAD_SETTINGS, f"bld in {EAST}"),
    ],
)
def test_a_refusal_is_named_in_words(meaning: Meaning, where: str) -> None:
    assert make_refused(meaning).where == where


@pytest.mark.parametrize(
    ("backoff", "said"),
    [
        pytest.param(
            make_backoff(failures=3),
            f"spot {EC2_TYPE} in {A}: backed off until 12:01 UTC after 3 refusals: "
            "InsufficientInstanceCapacity: none left",
            id="active",
        ),
        pytest.param(
            make_backoff(is_over=True),
            f"spot {EC2_TYPE} in {A}: one machine at a time until one starts, after 1 refusal: "
            "InsufficientInstanceCapacity: none left",
            id="over",
        ),
        pytest.param(
            make_backoff(Meaning.BAD_SETTINGS),
            f"bld in {EAST}: stopped since 2026-01-15 11:55 UTC until its configuration changes: "
            "InsufficientInstanceCapacity: none left",
            id="settings",
        ),
    ],
)
def test_a_back_off_tells_its_end_and_what_aws_said(backoff: Backoff, said: str) -> None:
    assert explain_backoff(backoff) == said


# What is let through


def test_nothing_is_asked_for_where_a_back_off_is_active() -> None:
    assert zones(plan_with(make_backoff())) == {B: 3}


def test_one_machine_is_let_through_where_it_is_over() -> None:
    assert zones(plan_with(make_backoff(is_over=True))) == {A: 1, B: 2}


@pytest.mark.parametrize(
    ("backoff", "left"),
    [
        pytest.param(make_backoff(Meaning.SUBNET_FULL), {B: 3}, id="subnet"),
        pytest.param(make_backoff(Meaning.SUBNET_FULL, is_over=True), {A: 1, B: 2}, id="and over"),
        pytest.param(make_backoff(Meaning.QUOTA), {WA: 3}, id="quota"),
        pytest.param(make_backoff(Meaning.QUOTA, is_over=True), {A: 1, WA: 2}, id="and over"),
        pytest.param(make_backoff(Meaning.BAD_SETTINGS), {WA: 3}, id="settings"),
    ],
)
def test_each_kind_rules_out_what_it_speaks_of(backoff: Backoff, left: dict[str, int]) -> None:
    assert zones(plan_with(backoff)) == left


@pytest.mark.parametrize(
    "launch",
    [
        pytest.param(make_launch(offer=make_offer(ec2_type="m7i.xlarge")), id="EC2 type"),
        pytest.param(make_launch(offer=make_offer(market=Market.ON_DEMAND)), id="market"),
        pytest.param(make_launch(offer=make_offer(B)), id="zone"),
    ],
)
def test_a_back_off_of_something_else_changes_nothing(launch: Any) -> None:
    assert plan_with(make_backoff(launch=launch)) == plan_for(3)


def test_a_zone_s_other_subnet_serves() -> None:
    backoff = make_backoff(Meaning.SUBNET_FULL)
    subnets = (make_subnet(A), make_subnet(A, subnet_id="other"))
    place = make_place(subnets=(f"subnet-{A}", "other"))
    types = make_config().instance_types
    config = make_config(instance_types={"bld": replace(types["bld"], regions={EAST: place})})
    waiting = make_pending(requests=2)
    plan = make_plan(make_snapshot(waiting, subnets=subnets, backoffs=(backoff,)), config)
    assert [launch.subnet for launch in plan.launches] == ["other", "other"]


def test_a_region_backed_off_on_demand_leaves_its_share_to_the_others() -> None:
    quota = make_backoff(Meaning.QUOTA, make_launch(offer=make_offer(market=Market.ON_DEMAND)))
    plan = plan_with(quota, spot=Spot(), on_demand=make_on_demand(), requests=4)
    assert in_regions(plan) == {"us-west-2": 4}


@pytest.mark.parametrize(
    ("begun", "let_through"),
    [
        pytest.param(None, {B: 3}, id="in this run"),
        pytest.param(NOW, {B: 3}, id="since its end"),
        pytest.param(NOW - 2 * MINUTE, {A: 1, B: 2}, id="before its end"),
    ],
)
def test_a_probe_that_nobody_has_seen_yet_is_the_one(begun: Any, let_through: Any) -> None:
    probe = make_open_launch("bld-099", begun_at=begun)
    backoffs = (make_backoff(is_over=True),)
    plan = plan_for(4, {"backoffs": backoffs, "open_launches": (probe,)})
    assert zones(plan) == let_through


def test_a_probe_of_another_subnet_is_none_of_this_one() -> None:
    backoff = make_backoff(Meaning.SUBNET_FULL, is_over=True)
    assert not is_probe(make_open_launch(subnet="another"), backoff)


def test_a_plan_says_what_holds_it_back() -> None:
    backoffs = [make_backoff(launch=make_launch(offer=make_offer(zone))) for zone in (A, B, WA)]
    plan = plan_with(
        *backoffs, make_backoff(launch=make_launch(offer=make_offer(WB)), is_over=True)
    )
    assert cuts(plan)["backoff"] == (3, 1)
    assert f"spot {EC2_TYPE} in {A}: backed off until 12:01 UTC" in " ".join(reasons(plan))


@pytest.mark.parametrize(
    ("meaning", "by"),
    [
        (Meaning.SUBNET_FULL, "backoff"),
        (Meaning.QUOTA, "backoff"),
        (Meaning.BAD_SETTINGS, "settings"),
        (Meaning.NO_ACCESS, "settings"),
    ],
)
def test_a_cut_names_the_kind(meaning: Meaning, by: str) -> None:
    everywhere = [make_backoff(meaning, make_launch(offer=make_offer(z))) for z in (A, WA)]
    everywhere += [
        make_backoff(meaning, make_launch(offer=make_offer(z)))
        for z in (B, WB)
        if meaning is Meaning.SUBNET_FULL
    ]
    plan = plan_with(*everywhere)
    assert (plan.launches, by in cuts(plan)) == ((), True)


# What a success disproves


def test_a_launch_disproves_all_that_let_it_through() -> None:
    meanings = (Meaning.NO_CAPACITY, Meaning.SUBNET_FULL, Meaning.QUOTA)
    assert without_disproved(map(make_backoff, meanings), [make_launch()]) == ()


def test_a_launch_disproves_nothing_of_settings() -> None:
    stopped = make_backoff(Meaning.BAD_SETTINGS)
    assert without_disproved([stopped], [make_launch()]) == (stopped,)


def test_a_launch_elsewhere_disproves_nothing() -> None:
    backoffs = (make_backoff(), make_backoff(Meaning.SUBNET_FULL))
    assert without_disproved(backoffs, [make_launch(offer=make_offer(B))]) == backoffs


@pytest.mark.parametrize(
    ("status", "planned"),
    [(Status.LAUNCHED, {A: 2}), (Status.UNKNOWN, {}), (Status.FAILED, {A: 1})],
)
def test_the_run_goes_on_when_the_probe_has_started(status: Status, planned: Any) -> None:
    others = [make_backoff(launch=make_launch(offer=make_offer(zone))) for zone in (B, WA, WB)]
    backoffs = (make_backoff(is_over=True), *others)
    snapshot = make_snapshot(make_pending(requests=3), backoffs=backoffs)
    first = make_plan(snapshot)
    assert zones(first) == {A: 1}
    after = with_outcomes(snapshot, make_outcomes(first.launches, status))
    assert zones(make_plan(after)) == planned


def test_the_sum_of_a_run_whose_probe_has_started_has_no_cut_for_it() -> None:
    others = [make_backoff(launch=make_launch(offer=make_offer(zone))) for zone in (B, WA, WB)]
    snapshot = make_snapshot(
        make_pending(requests=3), backoffs=(make_backoff(is_over=True), *others)
    )
    plans, outcomes = [make_plan(snapshot)], []
    while plans[-1].launches:
        outcomes += (wave := make_outcomes(plans[-1].launches))
        snapshot = with_outcomes(snapshot, wave)
        plans.append(make_plan(snapshot))
    done = settle(plans, outcomes)
    assert (len(names(done)), only(done).cuts) == (3, ())


def test_the_sum_of_a_run_that_another_one_overtook_keeps_its_cut() -> None:
    snapshot = make_snapshot(make_pending(requests=9), backoffs=(make_backoff(is_over=True),))
    everywhere = [make_backoff(launch=make_launch(offer=make_offer(z))) for z in (B, WA, WB)]
    snapshot = replace(snapshot, backoffs=(*snapshot.backoffs, *everywhere))
    first = make_plan(snapshot)
    outcomes = make_outcomes(first.launches)
    second = make_plan(with_outcomes(snapshot, outcomes))
    done = only(settle([first, second], outcomes))
    assert (done.unmet, {cut.by for cut in done.cuts} >= {"backoff"}) == (8, True)


def test_kinds_fit_their_column() -> None:
    assert max(len(kind) for kind in Kind) <= 16
