"""Which AMI an offer has: the newest that is tagged with the type, or the one that is named."""

import pytest

from tests.builders import EAST, HOUR, NOW, WEST, make_image, make_place
from watch_pending.spot import choose_image


def test_the_newest_ami_tagged_with_the_type_is_chosen() -> None:
    images = [
        make_image("ami-old", created=NOW - 9 * HOUR),
        make_image("ami-new", created=NOW - HOUR),
        make_image("ami-other", created=NOW, instance_type="win"),
        make_image("ami-west", created=NOW, region=WEST),
    ]
    image = choose_image(images, "bld", EAST, make_place())
    assert image is not None
    assert image.ami == "ami-new"


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_amis_of_one_time_the_same_one_is_chosen_always(order: int) -> None:
    images = [make_image("ami-1"), make_image("ami-2")][::order]
    assert choose_image(images, "bld", EAST, make_place()) == make_image("ami-2")


@pytest.mark.parametrize(
    ("place", "ami"),
    [
        pytest.param({"ami": "ami-plain"}, "ami-plain", id="a named one needs no tag"),
        pytest.param({"ami": "ami-gone"}, None, id="nothing else for a named one"),
        pytest.param({"ami_if_untagged": "ami-plain"}, "ami-bld", id="tagged before untagged"),
    ],
)
def test_a_named_ami_is_chosen_or_none(place: dict[str, str], ami: str | None) -> None:
    images = [make_image(), make_image("ami-plain", instance_type=None)]
    image = choose_image(images, "bld", EAST, make_place(**place))
    assert (image and image.ami) == ami


def test_an_ami_named_by_a_parameter_is_chosen_in_its_own_region() -> None:
    reference = "resolve:ssm:/golden/bld"
    image = make_image("ami-golden", instance_type=None, parameters=(reference,))
    images = [make_image(), make_image(region=WEST), image]
    assert choose_image(images, "bld", EAST, make_place(ami=reference)) == image
    assert choose_image(images, "bld", WEST, make_place(ami=reference)) is None


def test_without_a_tagged_ami_the_one_for_that_case_is_chosen() -> None:
    image = make_image("ami-plain", instance_type=None)
    place = make_place(ami_if_untagged="ami-plain")
    assert choose_image([image], "bld", EAST, place) == image
