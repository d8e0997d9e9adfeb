"""The list of names in tags, and who an instance is by it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import make_image, make_place
from tests.plans import make_launch
from watch_pending.name_tags import (
    MOST_CHARACTERS,
    NAMES_TAG,
    pack_names,
    read_identity,
    read_names,
    widen,
)
from watch_pending.request import Stamp, format_request

LISTED = {"farmhand:launch": "t", "farmhand:names-0": "a,b", "farmhand:domain": "x.org"}
NAMES = st.lists(st.text("abc-019", min_size=1, max_size=50), min_size=1, max_size=100)


def as_tags(names: list[str]) -> dict[str, str]:
    return {f"{NAMES_TAG}{number}": value for number, value in enumerate(pack_names(names))}


@given(NAMES)
def test_what_was_packed_is_read_back_in_its_order(names: list[str]) -> None:
    assert read_names(as_tags(names)) == tuple(names)


@given(NAMES)
def test_no_tag_is_longer_than_ec2_takes(names: list[str]) -> None:
    assert max(map(len, as_tags(names).values())) <= MOST_CHARACTERS


def test_a_hundred_of_the_longest_names_have_room() -> None:
    assert len(pack_names(["x" * 50] * 100)) == 20


@pytest.mark.parametrize(
    ("tags", "index", "token", "name"),
    [
        pytest.param(LISTED, 0, "t-0", "a", id="first"),
        pytest.param(LISTED, 1, "t-1", "b", id="second"),
        pytest.param({**LISTED, "Name": "z"}, 1, "t-1", "b", id="whatever it bears"),
        pytest.param({"farmhand:launch": "t", "Name": "z"}, 3, "t", "z", id="a call of its own"),
        pytest.param({**LISTED, "Name": "z"}, 2, "t", "z", id="none of the list"),
        pytest.param({"farmhand:names-0": "a"}, 0, None, "a", id="no launch"),
        pytest.param({}, 0, None, "", id="no tags"),
    ],
)
def test_an_instance_is(tags: dict[str, str], index: int, token: str | None, name: str) -> None:
    identity = read_identity(tags, index)
    assert (identity["token"], identity["name"]) == (token, name)


@pytest.mark.parametrize(
    ("borne", "lacks"),
    [
        pytest.param({}, {"Name": "a", "FQDN": "a.x.org"}, id="nothing"),
        pytest.param({"Name": "a"}, {"FQDN": "a.x.org"}, id="its name"),
        pytest.param({"Name": "b", "FQDN": "a.x.org"}, {"Name": "a"}, id="another's name"),
        pytest.param({"Name": "a", "FQDN": "a.x.org"}, {}, id="all"),
    ],
)
def test_the_first_of_a_group_lacks_what_it_should_bear(
    borne: dict[str, str], lacks: dict[str, str]
) -> None:
    assert dict(read_identity({**LISTED, **borne}, 0)["lacks"]) == lacks


def test_without_a_domain_the_full_name_is_the_name() -> None:
    lacks = read_identity({"farmhand:names-0": "a"}, 0)["lacks"]
    assert dict(lacks) == {"Name": "a", "FQDN": "a"}


def test_a_machine_with_a_call_of_its_own_keeps_the_name_that_somebody_gave_it() -> None:
    assert read_identity({"farmhand:launch": "t", "Name": "mine"}, 0)["lacks"] == ()


def test_the_call_of_a_group_takes_what_ec2_has_and_has_names_on_instances_only() -> None:
    alone = format_request(
        make_launch(), make_place(), make_image(), Stamp(farm="test", token="t"), "user data"
    )
    wide = widen(alone, ["a", "b"], "x.org")
    assert (wide["MinCount"], wide["MaxCount"]) == (1, 2)
    same = alone.keys() - {"MaxCount", "TagSpecifications"}
    assert {key: wide[key] for key in same} == {key: alone[key] for key in same}
    tags = {
        item["ResourceType"]: {tag["Key"]: tag["Value"] for tag in item["Tags"]}
        for item in wide["TagSpecifications"]
    }
    shared = {"moz-type", "moz-state", "farmhand:farm", "farmhand:launch"}
    assert tags["instance"].keys() == shared | {"farmhand:names-0", "farmhand:domain"}
    assert tags["volume"].keys() == tags["spot-instances-request"].keys() == shared
