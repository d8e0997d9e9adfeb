"""How probably a machine is recycled: never one of the newest AMI, surely one of an old one."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.chores.check_ami import Own, compare
from tests.builders import NOW
from watch_pending.amis.publish_form import format_image

OWN = Own(ami="ami-old", region="us-east-1", instance_type="bld")
TTL_S = 10800


def publish(ami: str, age_s: float, **other: Any) -> dict[str, Any]:
    """An AMI as `watch-pending amis publish` writes it."""
    tags = {"moz-type": "bld", **other.pop("tags", {})}
    item = {
        "ImageId": ami,
        "State": "available",
        "CreationDate": (NOW - timedelta(seconds=age_s)).isoformat(),
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        **other,
    }
    return format_image(item, "us-east-1")


def probability(*images: dict[str, Any], own: Own = OWN, ttl_s: float = TTL_S) -> float:
    return compare(own, {image["id"]: image for image in images}, NOW, ttl_s).probability


def test_it_rises_from_0_to_1_with_the_age_of_the_newest() -> None:
    ages = (-5, 0, TTL_S / 4, TTL_S / 2, TTL_S, TTL_S * 9)
    old = publish("ami-old", TTL_S * 10)
    found = [probability(old, publish("ami-new", age)) for age in ages]
    assert found == [0, 0, 0.25, 0.5, 1, 1]


def test_without_a_ttl_it_is_1_at_once() -> None:
    assert probability(publish("ami-old", 9), publish("ami-new", 0), ttl_s=0) == 1


NOT_OLD = {
    "its own is the newest": [publish("ami-old", 9), publish("ami-older", 99)],
    "nothing is published": [],
    "its own is not published": [publish("ami-new", TTL_S)],
    "the newer one is another type's": [
        publish("ami-old", 9),
        publish("ami-new", 1, tags={"moz-type": "try"}),
    ],
    "the newer one is another region's": [
        publish("ami-old", 9),
        publish("ami-new", 1) | {"region": "us-west-2"},
    ],
    "the newer one is not available": [
        publish("ami-old", 9),
        publish("ami-new", 1, State="pending"),
    ],
    "the newer one is a copy of an older": [
        publish("ami-old", 9),
        publish("ami-copy", 1, tags={"moz-created": "1000000000"}),
    ],
}


@pytest.mark.parametrize("case", NOT_OLD)
def test_it_stays_where(case: str) -> None:
    assert probability(*NOT_OLD[case], ttl_s=0) == 0


@given(st.recursive(st.none() | st.integers() | st.text(), lambda x: st.dictionaries(st.text(), x)))
def test_no_list_however_strange_makes_it_fall(rubbish: object) -> None:
    strange = {"ami-x": rubbish, "ami-old": publish("ami-old", 9) | {"creation_date": rubbish}}
    assert compare(OWN, strange, NOW, TTL_S).probability == 0
