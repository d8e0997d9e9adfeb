"""AMIs by SSM parameter: what a value must be, and how images get to know their parameters."""

import pytest

from tests.builders import EAST, WEST, make_image
from watch_pending.ami_parameters import reference_problem, why_unresolved
from watch_pending.ssm import Resolved, with_resolved

GOLDEN = "resolve:ssm:/golden/bld"


@pytest.mark.parametrize(
    "reference",
    [GOLDEN, f"{GOLDEN}:3", f"{GOLDEN}:stable-1.0", "resolve:ssm:golden", "ami-1", None],
)
def test_ec2s_notation_is_taken(reference: str | None) -> None:
    assert reference_problem(reference) is None


@pytest.mark.parametrize(
    "reference", [f"{GOLDEN}:", f"{GOLDEN}:1:2", "resolve:ssm:/a b", "resolve:ssm:/bücher"]
)
def test_what_ssm_would_refuse_is_refused(reference: str) -> None:
    assert reference_problem(reference) is not None


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("ami-0123", None),
        ("hunter2", "the SSM parameter /golden/bld holds no AMI id"),
        ("ami-0123,ami-0456", "the SSM parameter /golden/bld holds no AMI id"),
        (
            "ami-0999",
            "ami-0999, of the SSM parameter /golden/bld, does not exist or is not available",
        ),
    ],
)
def test_a_value_must_be_an_available_ami(value: str, why: str | None) -> None:
    assert why_unresolved(GOLDEN, {"/golden/bld": value}, ["ami-0123"]) == why


def test_an_image_that_was_found_by_its_tag_too_stays_one() -> None:
    tagged = make_image("ami-0123")
    named = make_image("ami-0123", instance_type="bld")
    resolved = [
        Resolved(region=EAST, reference=reference, image=named)
        for reference in (GOLDEN, f"{GOLDEN}:1")
    ]
    (image,) = with_resolved([tagged], resolved)
    assert image.parameters == (GOLDEN, f"{GOLDEN}:1")


def test_an_image_of_another_region_is_another() -> None:
    resolved = [Resolved(region=EAST, reference=GOLDEN, image=make_image("ami-0123"))]
    images = with_resolved([make_image("ami-0123", region=WEST)], resolved)
    assert {image.region: image.parameters for image in images} == {EAST: (GOLDEN,), WEST: ()}


def test_a_parameter_without_an_image_adds_none() -> None:
    assert with_resolved([], [Resolved(region=EAST, reference=GOLDEN, why="gone")]) == ()
