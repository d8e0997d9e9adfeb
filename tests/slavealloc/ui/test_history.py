from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from slavealloc.models import Reason
from slavealloc.ui.history import (
    NAMES_SHOWN,
    REASONS,
    Allocation,
    Edit,
    find_undo,
    group_edits,
    make_edit_entry,
    make_history,
)

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
NAMES = {"pools": {1: "prod", 2: "staging"}, "masters": {7: "bm7"}}
EDIT = Edit(
    id=1,
    at=NOON,
    who="ana",
    table="workers",
    row_id=5,
    row_name="w1",
    action="edit",
    changes={"enabled": (True, False)},
    why="bug 12",
)
MOVE = Allocation(at=NOON, before="bm1", after="bm2", reason="chosen", host="manager1")


def edited(**changes: tuple[object, object]) -> Edit:
    return replace(EDIT, changes=changes)  # type: ignore[arg-type]  # tests pass plain values


@pytest.mark.parametrize(
    ("edit", "title"),
    [
        (EDIT, "disabled"),
        (edited(enabled=(False, True)), "enabled"),
        (edited(notes=(None, "x")), "edited"),
        (replace(EDIT, action="add"), "added"),
        (replace(EDIT, action="delete"), "deleted"),
    ],
    ids=["off", "on", "notes", "add", "delete"],
)
def test_a_title_says_what_was_done(edit: Edit, title: str) -> None:
    assert make_edit_entry(edit, NAMES).title == title


def test_an_edit_is_told_in_names() -> None:
    (line,) = make_edit_entry(edited(pool_id=(1, 2)), NAMES).lines
    assert (line.label, line.before, line.after) == ("pool", "prod", "staging")


def test_a_password_is_never_told() -> None:
    (line,) = make_edit_entry(edited(password=("old-secret", "new-secret")), NAMES).lines
    assert (line.before, line.after) == ("hidden", "hidden")


def test_an_edit_can_be_undone_while_its_values_stand() -> None:
    assert find_undo(EDIT, {"enabled": False, "notes": "later"}) == {"enabled": True}


@pytest.mark.parametrize(
    "edit", [EDIT, replace(EDIT, action="add"), edited(password=("a", "b"))], ids=lambda e: e.action
)
def test_nothing_else_can_be_undone(edit: Edit) -> None:
    assert find_undo(edit, {"enabled": True, "password": "b"}) is None


def test_history_is_edits_and_allocations_newest_first() -> None:
    later = replace(MOVE, at=NOON + SECOND)
    earlier = replace(MOVE, at=NOON - SECOND, after=None, reason="disabled")
    found = make_history([EDIT], [later, earlier], NAMES, {"enabled": False})
    assert [entry.title for entry in found] == ["sent to", "disabled", "sent away"]
    assert [entry.who for entry in found] == ["manager1", "ana", "manager1"]
    assert found[1].undo == {"enabled": True}
    (line,) = found[0].lines
    assert (line.before, line.after) == ("bm1", "bm2")


def test_every_reason_has_its_words() -> None:
    assert set(REASONS) == set(Reason)


def test_what_was_edited_together_is_told_as_one() -> None:
    many = [replace(EDIT, id=9 - n, row_name=f"w{n}") for n in range(9)]
    (entry,) = group_edits(many, NAMES)
    assert entry.count == 9
    assert list(entry.names) == [f"w{n}" for n in range(NAMES_SHOWN)]
    assert entry.others == 9 - NAMES_SHOWN


@pytest.mark.parametrize(
    "other",
    [
        replace(EDIT, who="bo"),
        replace(EDIT, at=NOON - SECOND),
        replace(EDIT, why="bug 13"),
        replace(EDIT, table="masters"),
        edited(notes=(None, "x")),
    ],
    ids=["who", "when", "why", "table", "what"],
)
def test_what_differs_is_told_apart(other: Edit) -> None:
    assert len(group_edits([EDIT, other], NAMES)) == 2
