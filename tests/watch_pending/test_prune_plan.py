"""Which AMIs go, which stay and why, and which snapshots go with them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import (
    EAST,
    WEST,
    make_config,
    make_instance,
    make_instance_type,
    make_open_launch,
    make_place,
)
from tests.shelves import (
    going,
    gone_snapshots,
    make_mark,
    make_own_image,
    make_row,
    make_shelf,
    make_use,
    shelves,
)
from watch_pending.amis.models import Kept, Shelf, Use, Verdict
from watch_pending.amis.prune_plan import find_named, find_uses, plan_prune

KEEPS = st.integers(1, 4)


def kept(shelf: Shelf, keep_last: int = 1) -> dict[str, Kept]:
    return {each.image.ami: each for each in plan_prune(shelf, keep_last).kept}


def test_all_but_the_newest_go() -> None:
    shelf = make_shelf(*make_row(5))
    assert going(shelf, 2) == ["ami-5", "ami-4", "ami-3"]
    assert {ami: each.why for ami, each in kept(shelf, 2).items()} == {
        "ami-1": "it is one of the newest 2",
        "ami-2": "it is one of the newest 2",
    }


@pytest.mark.parametrize(
    "apart",
    [
        pytest.param({"region": WEST}, id="region"),
        pytest.param({"instance_type": "try"}, id="instance type"),
        pytest.param({"root_device_type": "instance-store"}, id="kind of root device"),
    ],
)
def test_the_newest_of_each_kind_stay(apart: dict[str, str]) -> None:
    shelf = make_shelf(*make_row(2), *make_row(2, "old", **apart))
    assert set(going(shelf)) == {"ami-2", "old-2"}


@pytest.mark.parametrize(
    ("changes", "verdict", "why"),
    [
        ({"farm": None}, Verdict.FOREIGN, "it bears no tag farmhand:farm"),
        ({"farm": "staging"}, Verdict.FOREIGN, "it is of farm staging"),
        ({"instance_type": None}, Verdict.UNTYPED, "it bears no tag moz-type"),
        ({"state": "pending"}, Verdict.NOT_AVAILABLE, "its state is pending"),
    ],
)
def test_what_is_none_of_our_business_stays(
    changes: dict[str, Any], verdict: Verdict, why: str
) -> None:
    old = make_own_image("ami-9", days=9, **changes)
    stays = kept(make_shelf(*make_row(1), old))["ami-9"]
    assert (stays.verdict, stays.why) == (verdict, why)


@pytest.mark.parametrize("changes", [{"farm": "staging"}, {"state": "pending"}])
def test_others_do_not_push_ours_out(changes: dict[str, Any]) -> None:
    newer = make_own_image("ami-0", days=0, **changes)
    assert going(make_shelf(newer, *make_row(2))) == ["ami-2"]


def test_what_is_in_use_stays_in_its_region() -> None:
    west = make_row(2, region=WEST)
    shelf = make_shelf(*make_row(2), *west, uses=(make_use("ami-2", "i-1 runs from it"),))
    assert [each.image.region for each in plan_prune(shelf, 1).prune] == [WEST]
    assert kept(replace(shelf, images=make_row(2)))["ami-2"].why == "i-1 runs from it"


# What uses an AMI


def used(**found: Any) -> list[tuple[str, str, str]]:
    uses = find_uses(found.get("instances", ()), found.get("launches", ()), found.get("named", ()))
    return [(use.ami, use.region, use.why) for use in uses]


@pytest.mark.parametrize("state", ["pending", "running", "stopping", "stopped", "shutting-down"])
@pytest.mark.parametrize("farm", ["test", "staging", None])
def test_an_instance_of_any_farm_uses_its_ami(state: str, farm: str | None) -> None:
    instance = make_instance(state=state, farm=farm, ami="ami-1")
    assert used(instances=[instance]) == [("ami-1", EAST, "i-bld-001 runs from it")]


def test_a_terminated_instance_uses_none() -> None:
    assert used(instances=[make_instance(state="terminated")]) == []


def test_a_launch_under_way_uses_its_ami() -> None:
    launch = make_open_launch(ami="ami-1")
    assert used(launches=[launch]) == [("ami-1", EAST, "bld-001 is being launched from it")]


def named(values: dict[str, str], **place: str) -> Iterator[Use]:
    types = {"bld": replace(make_instance_type(), regions={EAST: make_place(**place)})}
    return find_named(make_config(instance_types=types), EAST, values)


@pytest.mark.parametrize("key", ["ami", "ami_if_untagged"])
@pytest.mark.parametrize(
    ("ami", "values"),
    [("ami-1", {}), ("resolve:ssm:/golden", {"resolve:ssm:/golden": "ami-1"})],
    ids=["by id", "by parameter"],
)
def test_the_configuration_uses_what_it_names(key: str, ami: str, values: dict[str, str]) -> None:
    (use,) = named(values, **{key: ami})
    assert use == make_use("ami-1", f"instance_types.bld.regions.us-east-1.{key} names it")


def test_a_parameter_that_does_not_exist_uses_none() -> None:
    assert list(named({}, ami="resolve:ssm:/golden")) == []


# Snapshots


def test_the_snapshots_of_all_disks_go_with_their_ami() -> None:
    old = make_own_image("ami-2", days=2, snapshots=("snap-1", "snap-2"))
    assert gone_snapshots(make_shelf(*make_row(1), old)) == {"ami-2": ("snap-1", "snap-2")}


def test_a_snapshot_that_another_ami_has_stays() -> None:
    foreign = make_own_image("ami-0", farm="staging", snapshots=("snap-of-ami-2",))
    assert gone_snapshots(make_shelf(*make_row(2), foreign)) == {"ami-2": ()}


def test_a_snapshot_of_two_that_go_goes_with_the_last() -> None:
    images = make_row(3, snapshots=("snap-1",))[1:]
    shelf = make_shelf(make_own_image(days=0), *images)
    assert gone_snapshots(shelf) == {"ami-3": (), "ami-2": ("snap-1",)}


def test_a_snapshot_that_bears_another_farms_tag_stays() -> None:
    mark = make_mark("snap-of-ami-2", None, farm="staging")
    assert gone_snapshots(make_shelf(*make_row(2), marked=(mark,))) == {"ami-2": ()}


def orphans(*marks: Any, images: Any = ()) -> list[str]:
    return [each.snapshot for each in plan_prune(make_shelf(*images, marked=marks), 1).orphans]


def test_a_snapshot_that_a_killed_run_left_goes() -> None:
    assert orphans(make_mark()) == ["snap-1"]


@pytest.mark.parametrize(
    ("mark", "images"),
    [
        pytest.param(make_mark(ami="ami-1"), make_row(1), id="its AMI is there still"),
        pytest.param(
            make_mark("snap-of-ami-1"), make_row(1, farm=None), id="another AMI has it by now"
        ),
        pytest.param(make_mark(farm="staging"), (), id="it is another farm's"),
        pytest.param(make_mark(ami=None), (), id="no run has marked it"),
    ],
)
def test_a_snapshot_is_not_left_behind_where(mark: Any, images: Any) -> None:
    assert orphans(mark, images=images) == []


# Whatever was read


@given(shelves(), KEEPS)
def test_every_ami_goes_or_stays(shelf: Shelf, keep_last: int) -> None:
    plan = plan_prune(shelf, keep_last)
    decided = [*(each.image for each in plan.prune), *(each.image for each in plan.kept)]
    assert sorted(decided, key=repr) == sorted(shelf.images, key=repr)


@given(shelves(), KEEPS)
def test_only_our_own_go_that_nothing_needs(shelf: Shelf, keep_last: int) -> None:
    needed = {(use.region, use.ami) for use in shelf.uses}
    for each in plan_prune(shelf, keep_last).prune:
        assert (each.image.farm, each.image.state) == ("test", "available")
        assert (each.image.region, each.image.ami) not in needed


@given(shelves(), KEEPS)
def test_enough_newer_ones_stay_of_each_that_goes(shelf: Shelf, keep_last: int) -> None:
    plan = plan_prune(shelf, keep_last)
    for gone in (each.image for each in plan.prune):
        alike = [
            each.image
            for each in plan.kept
            if each.image.farm == "test"
            and each.image.state == "available"
            and (each.image.region, each.image.instance_type, each.image.root_device_type)
            == (gone.region, gone.instance_type, gone.root_device_type)
        ]
        assert sum(image.created >= gone.created for image in alike) >= keep_last


@given(shelves(), KEEPS)
def test_no_snapshot_goes_that_an_ami_needs_or_twice(shelf: Shelf, keep_last: int) -> None:
    plan = plan_prune(shelf, keep_last)
    gone = [(each.image.region, snapshot) for each in plan.prune for snapshot in each.snapshots]
    gone += [(each.region, each.snapshot) for each in plan.orphans]
    staying = {
        (each.image.region, snapshot) for each in plan.kept for snapshot in each.image.snapshots
    }
    assert len(gone) == len(set(gone))
    assert not set(gone) & staying


@given(shelves(), KEEPS, st.integers(0, 10), st.integers(0, 2))
def test_a_killed_run_is_finished_by_the_next(
    shelf: Shelf, keep_last: int, whole: int, snapshots: int
) -> None:
    """Some AMIs went whole; of one more some snapshots did not."""
    plan = plan_prune(replace(shelf, marked=()), keep_last)
    done = plan.prune[: whole + 1]
    rest = [
        make_mark(snapshot, done[-1].image.ami, region=done[-1].image.region)
        for snapshot in (done[-1].snapshots[snapshots:] if done else ())
    ]
    left = set(shelf.images) - {each.image for each in done}
    again = plan_prune(replace(shelf, images=tuple(left), marked=tuple(rest)), keep_last)
    assert set(again.orphans) == set(rest)
    assert [each.image for each in again.prune] == [each.image for each in plan.prune[whole + 1 :]]
