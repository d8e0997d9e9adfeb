"""Which launches share a call, and who is named after it."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import EAST, WEST, make_instance, make_place, make_snapshot
from tests.plans import make_launch, make_offer, make_outcome
from watch_pending.config_machines import Market
from watch_pending.groups import (
    MOST_NAMES,
    MOST_TAGS,
    Naming,
    count_free_tags,
    group_launches,
    plan_naming,
    what_is_shared,
)
from watch_pending.models import Launch
from watch_pending.name_tags import pack_names

ROOM = {(name, region): 40 for name in ("bld", "try") for region in (EAST, WEST)}
TAGS = (("Name", "bld-001"), ("FQDN", "bld-001"))


def make_launches(count: int, **changes: Any) -> list[Launch]:
    return [make_launch(f"bld-{number:03d}", **changes) for number in range(1, count + 1)]


def sizes(launches: list[Launch], tokens: int = 0, **room: int) -> list[int]:
    """Group launches in one region; say how large the calls are."""
    free = {(name, EAST): tags for name, tags in room.items()} if room else ROOM
    return [len(call) for call in group_launches(launches, {EAST: tokens}, free)]


@pytest.mark.parametrize(
    ("tokens", "calls"),
    [
        pytest.param(5, [1] * 5, id="as many as launches"),
        pytest.param(6, [1] * 5, id="more"),
        pytest.param(4, [5], id="fewer"),
        pytest.param(0, [5], id="none"),
    ],
)
def test_with_so_many_calls_at_once_five_launches_are(tokens: int, calls: list[int]) -> None:
    assert sizes(make_launches(5), tokens) == calls


def test_each_region_has_its_own_calls() -> None:
    west = make_launches(2, offer=make_offer("us-west-2a"))
    calls = group_launches([*make_launches(2), *west], {EAST: 2, WEST: 1}, ROOM)
    assert [len(call) for call in calls] == [1, 1, 2]


def test_a_type_that_can_not_share_has_a_call_for_each() -> None:
    other = make_launches(2, instance_type="try")
    assert sizes([*make_launches(3), *other], bld=40) == [3, 1, 1]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"instance_type": "try"}, id="instance type"),
        pytest.param({"subnet": "subnet-2"}, id="subnet"),
        pytest.param({"offer": make_offer(market=Market.ON_DEMAND)}, id="market"),
        pytest.param({"offer": make_offer(ami="ami-2")}, id="AMI"),
        pytest.param({"offer": make_offer(ec2_type="m7i.xlarge")}, id="EC2 type"),
        pytest.param({"offer": make_offer(max_price_usd_per_hour=0.6)}, id="maximum price"),
    ],
)
def test_launches_share_no_call_where_they_differ_in(other: dict[str, Any]) -> None:
    assert sizes([*make_launches(2), make_launch(**other), *make_launches(1)]) == [3, 1]


def test_no_call_has_more_than_a_hundred_names() -> None:
    assert sizes(make_launches(205)) == [100, 100, 5]


def test_no_call_has_more_names_than_its_tags_have_room_for() -> None:
    """A tag has 256 characters: 32 names of seven, and the commas between them."""
    assert sizes(make_launches(70), bld=1) == [32, 32, 6]


@pytest.mark.parametrize("name", ["a,b", "a b", "$a", "é"])
def test_a_name_that_no_list_can_hold_has_a_call_of_its_own(name: str) -> None:
    assert sizes([*make_launches(1), make_launch(name), *make_launches(1)]) == [2, 1]


def test_a_place_with_many_tags_leaves_few_for_names() -> None:
    tags = {str(number): "x" for number in range(40)}
    assert (count_free_tags(make_place()), count_free_tags(make_place(tags=tags))) == (43, 3)


@st.composite
def many_launches(draw: st.DrawFn) -> list[Launch]:
    """Draw launches as plans have them: names unique, of any length that a name may have."""
    names = draw(st.lists(st.integers(0, 10**6), max_size=300, unique=True))
    width = draw(st.integers(1, 44))
    zones = st.sampled_from(["us-east-1a", "us-east-1b", "us-west-2a"])
    types = st.sampled_from(["bld", "try", "tst"])
    seed = draw(st.randoms(use_true_random=False))
    pairs = [(draw(types), draw(zones)) for _ in range(3)]
    return [
        make_launch(f"b{name:0{width}d}", make_offer(zone), instance_type=kind)
        for name in names
        for kind, zone in [seed.choice(pairs)]
    ]


@given(many_launches(), st.integers(0, 5), st.integers(1, 43))
def test_every_launch_is_in_one_call_of_its_like_in_the_order_planned(
    launches: list[Launch], tokens: int, free: int
) -> None:
    room = dict.fromkeys(ROOM, free)
    calls = group_launches(launches, {EAST: tokens, WEST: tokens}, room)
    place = {launch.name: index for index, launch in enumerate(launches)}
    assert Counter(launch for call in calls for launch in call) == Counter(launches)
    planned = Counter(launch.offer.region for launch in launches)
    for call in calls:
        order = [place[launch.name] for launch in call]
        assert order == sorted(order)
        assert len({what_is_shared(launch) for launch in call}) == 1
        if len(call) > 1:
            assert call[0].instance_type != "tst"
            assert planned[call[0].offer.region] > tokens
            assert len(call) <= MOST_NAMES
            assert len(pack_names(launch.name for launch in call)) <= free


# Who is named


def test_machines_of_a_group_are_named_and_others_are_not() -> None:
    outcomes = [make_outcome(instance_id="i-1", lacks=TAGS), make_outcome(instance_id="i-2")]
    named = Naming(instance_id="i-1", region=EAST, tags=TAGS)
    assert plan_naming(make_snapshot(), outcomes) == (named,)


@pytest.mark.parametrize(
    ("changes", "is_named"),
    [
        pytest.param({}, True, id="ours"),
        pytest.param({"farm": "staging"}, False, id="another farm's"),
        pytest.param({"farm": None}, False, id="nobody's"),
        pytest.param({"state": "stopped"}, True, id="stopped"),
        pytest.param({"state": "terminated"}, False, id="terminated"),
        pytest.param({"lacks": ()}, False, id="named already"),
    ],
)
def test_a_machine_found_without_its_name_is_named(changes: dict[str, Any], is_named: bool) -> None:
    instance = make_instance(**{"lacks": TAGS, **changes})
    assert bool(plan_naming(make_snapshot(instances=(instance,)), ())) is is_named


def test_more_tags_than_ec2_takes_are_never_asked_for() -> None:
    tags = {str(number): "x" for number in range(MOST_TAGS)}
    assert sizes(make_launches(3), bld=count_free_tags(make_place(tags=tags))) == [1, 1, 1]
