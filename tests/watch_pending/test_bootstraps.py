"""Machines that never connect: one at a time, until one does."""

from typing import Any

import pytest

from tests.builders import (
    AMI,
    EAST,
    MINUTE,
    make_image,
    make_instance,
    make_on_demand,
    make_open_launch,
    make_spot,
)
from tests.plans import cuts, plan_for, reasons
from tests.refusals import make_failures
from watch_pending.backoff_models import Failures
from watch_pending.models import Plan

LOOK = "look at the console output and the user data of the newest"


def plan_after(*failures: Failures, requests: int = 4, **snapshot: Any) -> Plan:
    return plan_for(requests, {"bootstraps": failures, **snapshot})


@pytest.mark.parametrize(
    ("failures", "launched"),
    [
        pytest.param(make_failures(4), 4, id="one less than too many"),
        pytest.param(make_failures(5), 1, id="too many"),
        pytest.param(make_failures(5, ami=AMI), 1, id="of the AMI"),
        pytest.param(make_failures(5, ami="ami-other"), 4, id="of another AMI"),
        pytest.param(make_failures(5, instance_type="try"), 4, id="of another type"),
    ],
)
def test_one_machine_is_let_through_after(failures: Failures, launched: int) -> None:
    assert len(plan_after(failures).launches) == launched


def test_how_many_are_too_many_is_configured() -> None:
    plan = plan_for(4, {"bootstraps": (make_failures(2),)}, max_bootstrap_failures=2)
    assert len(plan.launches) == 1


def test_only_the_ami_that_fails_is_held_back() -> None:
    images = (make_image("ami-bad", EAST), make_image("ami-good", "us-west-2"))
    plan = plan_after(make_failures(ami="ami-bad"), images=images)
    assert [launch.offer.ami for launch in plan.launches].count("ami-bad") == 1
    assert len(plan.launches) == 4


@pytest.mark.parametrize(
    "machines",
    [
        pytest.param({"open_launches": (make_open_launch("bld-099"),)}, id="not seen yet"),
        pytest.param({"instances": (make_instance("bld-099", age=19 * MINUTE),)}, id="booting"),
    ],
)
def test_what_may_yet_connect_is_the_one(machines: dict[str, Any]) -> None:
    assert plan_after(make_failures(), **machines).launches == ()


@pytest.mark.parametrize(
    "machine",
    [
        pytest.param(make_instance("bld-099", age=21 * MINUTE), id="too old to connect"),
        pytest.param(make_instance("bld-099", age=9 * MINUTE, seen=MINUTE), id="connected once"),
        pytest.param(make_instance("bld-099", age=MINUTE, instance_type="try"), id="another type"),
        pytest.param(make_instance("bld-099", age=MINUTE, state="terminated"), id="gone"),
    ],
)
def test_another_is_started_beside_one_that_is(machine: Any) -> None:
    assert len(plan_after(make_failures(), instances=(machine,)).launches) == 1


def test_it_holds_for_both_markets_together() -> None:
    snapshot = {"bootstraps": (make_failures(),)}
    plan = plan_for(4, snapshot, spot=make_spot(1), on_demand=make_on_demand())
    assert len(plan.launches) == 1


def test_where_nobody_knows_who_is_connected_nothing_is_held_back() -> None:
    assert len(plan_after(make_failures(), workers=None).launches) == 4


def test_the_plan_says_what_fails_and_what_to_look_at() -> None:
    plan = plan_after(make_failures(7, ami=AMI))
    said = f"the last 7 machines of bld from {AMI} never connected, so one at a time"
    assert cuts(plan)["bootstrap"] == (4, 1)
    assert any(reason.startswith(said) and LOOK in reason for reason in reasons(plan))
