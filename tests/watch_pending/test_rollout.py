"""How launches are shared out between the previous and the latest AMI."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import (
    EAST,
    HOUR,
    NOW,
    WEST,
    make_config,
    make_image,
    make_instance,
    make_instance_type,
    make_open_launch,
    make_place,
    make_snapshot,
)
from tests.plans import make_offer
from watch_pending.models import Image, Instance
from watch_pending.rollout import Rollout, split_launches

PERCENTAGES = st.integers(0, 100)
COUNTS = st.integers(0, 60)


@pytest.mark.parametrize(
    ("percentage", "latest", "previous", "count", "shares"),
    [
        # the original's own
        (10, 0, 10, 1, (0, 1)),
        (50, 10, 10, 10, (5, 5)),
        (60, 60, 40, 10, (4, 6)),
        (0, 10, 10, 40, (40, 0)),
        (30, 7, 0, 3, (3, 0)),
        # an empty fleet, of which the original could make nothing
        (50, 0, 0, 10, (5, 5)),
        (100, 0, 0, 3, (0, 3)),
        (0, 0, 0, 3, (3, 0)),
        (10, 0, 0, 1, (1, 0)),
        # half a machine counts as one
        (50, 0, 0, 1, (0, 1)),
        (10, 0, 4, 1, (0, 1)),
        # never more than are launched
        (100, 0, 100, 5, (0, 5)),
    ],
)
def test_launches_are_shared_out(
    percentage: int, latest: int, previous: int, count: int, shares: tuple[int, int]
) -> None:
    assert split_launches(percentage, latest, previous, count) == shares


@given(PERCENTAGES, COUNTS, COUNTS, COUNTS)
def test_one_at_a_time_adds_up_to_all_at_once(
    percentage: int, latest: int, previous: int, count: int
) -> None:
    now, before = latest, previous
    for _ in range(count):
        more_before, more = split_launches(percentage, now, before, 1)
        now, before = now + more, before + more_before
    shares = split_launches(percentage, latest, previous, count)
    assert (before - previous, now - latest) == shares


@given(PERCENTAGES, COUNTS, COUNTS, COUNTS)
def test_the_share_is_as_near_as_the_launches_can_bring_it(
    percentage: int, latest: int, previous: int, count: int
) -> None:
    before, now = split_launches(percentage, latest, previous, count)
    assert before + now == count
    wanted = percentage * (latest + previous + count) / 100
    if 0 < now < count:
        assert abs(latest + now - wanted) <= 0.5


# Which AMI the next machine gets

IMAGES = (
    make_image("ami-new", created=NOW - HOUR),
    make_image("ami-old", created=NOW - 2 * HOUR),
    make_image("ami-oldest", created=NOW - 3 * HOUR),
    make_image("ami-try", created=NOW, instance_type="try"),
    make_image("ami-west", created=NOW, region=WEST),
)


def running(ami: str, count: int, **changes: Any) -> list[Instance]:
    return [make_instance(f"{ami}-{number}", ami=ami, **changes) for number in range(count)]


def next_ami(percentage: int, *machines: Instance, **changes: Any) -> str:
    """The AMI that the next spot machine in the east gets."""
    place = make_place(**changes.pop("place", {}))
    config = make_config(
        latest_ami_percentage=percentage,
        instance_types={"bld": replace(make_instance_type(), regions={EAST: place})},
    )
    snapshot = make_snapshot(**{"images": IMAGES, "instances": machines, **changes})
    return Rollout.open(snapshot, config).with_ami(make_offer(ami="ami-new"), "bld").ami


def test_the_latest_gets_its_share_and_the_previous_the_rest() -> None:
    assert next_ami(50, *running("ami-old", 1)) == "ami-new"
    assert next_ami(50, *running("ami-old", 1), *running("ami-new", 2)) == "ami-old"
    assert next_ami(0) == "ami-old"


@pytest.mark.parametrize(
    "others",
    [
        pytest.param({"farm": "staging"}, id="of another farm"),
        pytest.param({"farm": None}, id="of no farm"),
        pytest.param({"region": WEST}, id="in another region"),
        pytest.param({"instance_type": "try"}, id="of another type"),
        pytest.param({"state": "terminated"}, id="that ended"),
    ],
)
def test_machines_of_others_do_not_count(others: dict[str, Any]) -> None:
    assert next_ami(50, *running("ami-new", 9, **others)) == "ami-new"


def test_machines_of_older_amis_do_not_count() -> None:
    assert next_ami(10, *running("ami-oldest", 50)) == "ami-old"


def test_what_was_launched_and_is_not_seen_yet_counts() -> None:
    launches = (make_open_launch("a", ami="ami-new"), make_open_launch("b", ami="ami-new"))
    assert next_ami(60, open_launches=launches) == "ami-old"


@pytest.mark.parametrize("percentage", [0, 50, 100])
@pytest.mark.parametrize(
    ("images", "place"),
    [
        pytest.param(IMAGES[:1], {}, id="there is only one"),
        pytest.param(IMAGES, {"ami": "ami-new"}, id="it is named"),
    ],
)
def test_an_offer_keeps_its_ami_where(
    percentage: int, images: tuple[Image, ...], place: dict[str, str]
) -> None:
    assert next_ami(percentage, images=images, place=place) == "ami-new"


def test_everything_gets_the_latest_unless_told_otherwise() -> None:
    assert next_ami(make_config().latest_ami_percentage, *running("ami-new", 9)) == "ami-new"
