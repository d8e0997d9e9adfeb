"""Snapshot + configuration + now → Plan; test_plan_properties.py has what holds of every plan."""

import pytest

from tests.builders import (
    HOUR,
    MINUTE,
    NOW,
    REGIONS,
    make_config,
    make_image,
    make_instance,
    make_instance_type,
    make_instances,
    make_pending,
    make_rule,
    make_snapshot,
    make_worker,
    make_workers,
)
from tests.plans import make_launch, make_offer, make_plan, names, only, plan_for
from watch_pending.config_machines import Spot
from watch_pending.models import Cut, Plan
from watch_pending.plan import shorten

# From request to launch


def test_nothing_pending_plans_nothing() -> None:
    assert make_plan(make_snapshot()) == Plan()


def test_one_request_starts_one_machine() -> None:
    assert plan_for(1).launches == (make_launch("bld-001", make_offer("us-east-1a")),)


def test_every_request_gets_its_machine() -> None:
    assert names(plan_for(3)) == ["bld-001", "bld-002", "bld-003"]


def test_what_is_met_has_no_cut() -> None:
    assert only(plan_for(3)).cuts == ()


def test_unmatched_builders_are_reported_and_never_launched() -> None:
    assert make_plan(make_snapshot(make_pending("Mac", 7))) == Plan(unmatched={"Mac": 7})


@pytest.mark.parametrize("builder", ["Linux\nbuild", "Linux 🦊", "Linux " + "x" * 10_000])
def test_a_builder_of_any_name_gets_its_machine(builder: str) -> None:
    assert len(make_plan(make_snapshot(make_pending(builder))).launches) == 1


def test_the_most_urgent_demand_is_filled_first() -> None:
    snapshot = make_snapshot(make_pending("Linux a"), make_pending("Linux b", priority=9))
    config = make_config(jacuzzis={"Linux b": ("bld-007",)}, max_launches_per_run=1)
    assert names(make_plan(snapshot, config)) == ["bld-007"]


# What is there already


def test_need_is_what_idle_machines_and_those_in_flight_leave() -> None:
    instances = (make_instance("bld-001"), make_instance("bld-002", age=MINUTE))
    snapshot = {"instances": instances, "workers": make_workers("bld-001")}
    assert only(plan_for(5, snapshot)).need == 3


def test_enough_machines_need_no_more() -> None:
    idle = make_instances(5)
    workers = make_workers(*(instance.name for instance in idle))
    assert plan_for(3, {"instances": idle, "workers": workers}).launches == ()


def test_another_farms_machines_do_not_count() -> None:
    snapshot = {"instances": make_instances(5, age=MINUTE, farm="staging")}
    assert only(plan_for(5, snapshot)).need == 5


def test_another_farms_names_are_not_given() -> None:
    assert names(plan_for(1, {"instances": make_instances(1, farm="staging")})) == ["bld-002"]


def test_a_paused_name_is_not_given_again() -> None:
    paused = make_worker("bld-001", connected=False, paused=True)
    assert names(plan_for(1, {"workers": make_workers(paused)})) == ["bld-002"]


def test_a_name_of_a_machine_that_shuts_down_is_not_given_yet() -> None:
    snapshot = {"instances": make_instances(1, state="shutting-down")}
    assert names(plan_for(1, snapshot)) == ["bld-002"]


def test_one_pattern_for_two_types_never_gives_a_name_twice() -> None:
    types = {"bld": make_instance_type(), "win": make_instance_type()}
    spot = Spot(
        rules={name: (make_rule(),) for name in types},
        limits=dict.fromkeys(("global", *REGIONS), dict.fromkeys(types, 9)),
    )
    config = make_config(buildermap={"L": "bld", "W": "win"}, instance_types=types, spot=spot)
    images = (make_image(), make_image("ami-win", instance_type="win"))
    plan = make_plan(make_snapshot(make_pending("L"), make_pending("W"), images=images), config)
    assert sorted(names(plan)) == ["bld-001", "bld-002"]


def test_now_is_what_tells_a_booting_machine_from_a_silent_one() -> None:
    snapshot = make_snapshot(make_pending(), instances=make_instances(1, age=MINUTE))
    needs = [only(make_plan(snapshot, now=now)).need for now in (NOW, NOW + HOUR)]
    assert needs == [0, 1]


# The original's freshness rule


def test_the_originals_rule_is_a_switch() -> None:
    fresh = [make_instance(f"fresh-{i}", age=MINUTE) for i in range(10)]
    old = [make_instance(f"old-{i}", age=HOUR) for i in range(30)]
    snapshot = {"instances": (*fresh, *old)}
    needs = [only(plan_for(100, snapshot, original_freshness=flag)).need for flag in (True, False)]
    assert needs == [87, 90]


# A type without settings


def test_a_type_without_settings_launches_nothing_and_says_so() -> None:
    plan = plan_for(3, buildermap={"Linux": "linxu"})
    assert only(plan).cuts == (
        Cut(
            by="instance_types",
            before=3,
            after=0,
            reason="instance type linxu has no settings",
        ),
    )


def test_a_type_without_settings_leaves_the_others() -> None:
    snapshot = make_snapshot(make_pending("Linux"), make_pending("Mac"))
    config = make_config(buildermap={"Mac": "mca", "Linux": "bld"})
    assert names(make_plan(snapshot, config)) == ["bld-001"]


# Reasons


@pytest.mark.parametrize(
    ("given", "shortened"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "a", "b"], "a; b"),
        (["a", "b", "c"], "a; b; c"),
        (["a", "b", "c", "d", "e"], "a; b; c; and 2 more"),
    ],
    ids=len,
)
def test_only_the_first_reasons_are_given(given: list[str], shortened: str) -> None:
    assert shorten(given) == shortened
