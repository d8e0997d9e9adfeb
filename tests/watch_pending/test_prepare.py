"""Calls → requests: who shares user data, and what happens where it gets too large."""

from typing import Any

import pytest

from tests.builders import EAST, WEST, make_config, make_image, make_snapshot, make_template
from tests.plans import make_launch
from watch_pending.models import Launch, Status
from watch_pending.prepare import Renderer, find_free_tags, prepare
from watch_pending.request import MAX_USER_DATA_BYTES

SNAPSHOT = make_snapshot(images=(make_image(),))


def make_renderer(text: str, path: str = "bld.j2") -> Renderer:
    return Renderer(
        farm="test",
        config=make_config(),
        templates={"bld": make_template(text, path)},
        find_certificate=lambda _host: None,
    )


def make_call(count: int) -> tuple[Launch, ...]:
    return tuple(make_launch(f"bld-{number:03d}") for number in range(1, count + 1))


def test_a_group_shares_one_request_and_each_has_a_token_and_a_name_to_get() -> None:
    [call], refused = prepare(make_renderer("{{ names }}"), [make_call(2)], SNAPSHOT)
    token = call.request["ClientToken"]
    assert refused == []
    assert [(each.token, dict(each.lacks)) for each in call.launches] == [
        (f"{token}-0", {"Name": "bld-001", "FQDN": "bld-001"}),
        (f"{token}-1", {"Name": "bld-002", "FQDN": "bld-002"}),
    ]
    assert call.request["UserData"] == "bld-001 bld-002"


def test_one_that_is_alone_has_its_call_s_token_and_nothing_to_get() -> None:
    [call], _ = prepare(make_renderer("{{ names }}"), [make_call(1)], SNAPSHOT)
    [alone] = call.launches
    assert (alone.token, alone.lacks) == (call.request["ClientToken"], ())


def test_a_group_is_halved_until_it_fits_and_its_order_stays() -> None:
    padding = "#" * (MAX_USER_DATA_BYTES - len("bld-001 bld-002 bld-003"))
    calls, refused = prepare(make_renderer("{{ names }}" + padding), [make_call(10)], SNAPSHOT)
    names = [[each.launch.name for each in call.launches] for call in calls]
    assert [len(call) for call in names] == [2, 3, 2, 3]
    assert [name for call in names for name in call] == [each.name for each in make_call(10)]
    assert refused == []
    assert len({call.request["ClientToken"] for call in calls}) == 4


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{{ names }}" + "#" * MAX_USER_DATA_BYTES, id="too large for one"),
        pytest.param("{{ names }}{{ gone }}", id="an unknown field"),
    ],
)
def test_what_can_not_be_rendered_fails_for_each_of_a_group(text: str) -> None:
    calls, refused = prepare(make_renderer(text), [make_call(3)], SNAPSHOT)
    assert calls == []
    assert [(each.launch, each.status) for each in refused] == [
        (launch, Status.FAILED) for launch in make_call(3)
    ]


@pytest.mark.parametrize(
    ("path", "text", "free"),
    [
        pytest.param("bld.j2", "{{ names }}", {("bld", EAST): 43, ("bld", WEST): 43}, id="list"),
        pytest.param("bld.j2", "{{ names }}{{ fqdn }}", {}, id="its own name"),
        pytest.param("bld.user-data", "{hostname}", {}, id="the original's"),
    ],
)
def test_types_may_share_calls_by_their_template(path: str, text: str, free: Any) -> None:
    assert find_free_tags(make_renderer(text, path)) == free
