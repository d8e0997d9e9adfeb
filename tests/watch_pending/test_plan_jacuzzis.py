"""Plans for jacuzzis: whose names a job gets, and what is not counted twice."""

from tests.builders import (
    make_config,
    make_instances,
    make_open_launch,
    make_pending,
    make_snapshot,
    make_workers,
)
from tests.plans import cuts, make_outcomes, make_plan, names, plan_for, reasons
from watch_pending.waves import with_outcomes


def test_a_jacuzzi_gets_its_own_names() -> None:
    assert names(plan_for(2, jacuzzis={"Linux build": ("bld-005", "bld-009")})) == [
        "bld-005",
        "bld-009",
    ]


def test_a_jacuzzi_whose_workers_all_run_gets_no_more() -> None:
    plan = plan_for(3, {"instances": make_instances(1)}, jacuzzis={"Linux build": ("bld-001",)})
    assert reasons(plan)[0] == "the jacuzzi of 1 workers has no free spot name left"


def test_an_empty_jacuzzi_gets_nothing_and_says_so() -> None:
    plan = plan_for(1, jacuzzis={"Linux build": ()})
    assert (plan.launches, cuts(plan)["names"]) == ((), (1, 0))


def test_a_job_without_a_jacuzzi_never_takes_an_allocated_name() -> None:
    assert names(plan_for(1, jacuzzis={"Linux other": ("bld-001", "bld-002")})) == ["bld-003"]


def test_overlapping_jacuzzis_do_not_count_an_idle_machine_twice() -> None:
    jacuzzis = {"Linux a": ("bld-001",), "Linux b": ("bld-001", "bld-002")}
    snapshot = make_snapshot(
        make_pending("Linux a"),
        make_pending("Linux b"),
        instances=make_instances(1),
        workers=make_workers("bld-001"),
    )
    assert names(make_plan(snapshot, make_config(jacuzzis=jacuzzis))) == ["bld-002"]


def test_overlapping_jacuzzis_do_not_order_for_each_other_what_is_in_flight() -> None:
    jacuzzis = {"Linux a": ("bld-001", "bld-002", "bld-003"), "Linux b": ("bld-002", "bld-004")}
    snapshot = make_snapshot(
        make_pending("Linux a", 2, priority=1),
        make_pending("Linux b"),
        open_launches=(make_open_launch("bld-003"),),
    )
    config = make_config(jacuzzis=jacuzzis)
    first = make_plan(snapshot, config)
    again = make_plan(with_outcomes(snapshot, make_outcomes(first.launches)), config)
    assert (names(first), names(again)) == (["bld-001", "bld-002"], [])
