"""What was done, in words, and what brings it back."""

from datetime import UTC, datetime
from typing import Any

import pytest

from slavealloc.ui.done import describe_done, parse_done, plan_undo
from slavealloc.ui.history import Edit

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def make_changed(row_id: int = 1, **more: Any) -> Edit:
    usual: dict[str, Any] = {"table": "workers", "action": "edit", "who": "ann", "at": NOON}
    usual |= {"why": "because", "row_name": f"w{row_id}", "changes": {"enabled": (True, False)}}
    return Edit(id=row_id, row_id=row_id, **usual | more)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        pytest.param([make_changed()], "w1 disabled.", id="one"),
        pytest.param([make_changed(n) for n in range(1, 1001)], "1,000 disabled.", id="many"),
        pytest.param(
            [make_changed(1), make_changed(2), make_changed(3, changes={"enabled": (False, True)})],
            "2 disabled, 1 enabled.",
            id="both",
        ),
        pytest.param([make_changed(changes={"notes": ("a", "b")})], "w1 changed.", id="notes"),
    ],
)
def test_it_is_said_plainly(rows: list[Edit], said: str) -> None:
    done = describe_done("1-1000", rows)
    assert done is not None
    assert done.text == said


def test_an_address_that_means_nothing_says_nothing() -> None:
    assert describe_done("", []) is None
    assert describe_done("5-9", []) is None
    assert parse_done("1-99999999") is None


def test_undo_brings_back_what_is_still_so_and_leaves_the_rest() -> None:
    both = {"enabled": (True, False), "notes": ("old", "new")}
    rows = [
        make_changed(1),
        make_changed(2),
        make_changed(3),
        make_changed(4, changes=both),
        make_changed(5, changes=both),
        make_changed(6, action="add"),
    ]
    now: dict[int, dict[str, Any]] = {
        1: {"enabled": False},
        2: {"enabled": True},
        4: {"enabled": False, "notes": "new"},
        5: {"enabled": False, "notes": "newer"},
        6: {"enabled": False},
    }
    assert plan_undo(rows, now) == {1: {"enabled": True}, 4: {"enabled": True, "notes": "old"}}
