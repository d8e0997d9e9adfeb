import pytest

from farmhand.errors import BadInput
from slavealloc.ui.conflict import Difference
from slavealloc.ui.fields import FIELDS, Names, Values
from slavealloc.ui.rows import (
    Draft,
    check_why,
    name_field,
    read_seen,
    show_differences,
    show_fields,
    write_seen,
)

NAMES: Names = {
    table: {1: f"{table}-a", 2: f"{table}-b"}
    for fields in FIELDS.values()
    for table in {field.table for field in fields.values()}
    if table
}
VALUES: Values = {**dict.fromkeys(FIELDS["workers"]), "enabled": True, "pool_id": 1, "notes": "x"}


def opened(column: str | None, draft: Draft = Draft()) -> dict[str, str | None]:  # noqa: B008
    shown = show_fields("workers", VALUES, NAMES, opened=column, draft=draft)
    return {each.field.column: each.said for each in shown if each.said is not None}


def test_a_field_is_open_where_it_is_asked_for() -> None:
    assert opened(None) == {}
    assert opened("notes") == {"notes": "x"}
    assert opened("pool_id") == {"pool_id": "1"}
    assert opened("no such field") == {}


def test_what_could_not_be_saved_is_still_in_its_field() -> None:
    assert opened(None, Draft(form={"notes": "typed", "why": "w"})) == {"notes": "typed"}


def test_fields_are_told_in_names() -> None:
    shown = show_fields("workers", VALUES, NAMES, opened=None, draft=Draft())
    assert {each.field.column: each.text for each in shown}["pool_id"] == "pools-a"
    assert "enabled" not in {each.field.column for each in shown}


def test_what_a_form_was_opened_on_comes_back() -> None:
    assert read_seen(write_seen(VALUES)) == VALUES


@pytest.mark.parametrize(
    "said",
    ["", "[]", "{", '{"a": []}', '{"a": 1.5}', "[" * 100_000],
    ids=["nothing", "list", "broken", "list inside", "float", "deep"],
)
def test_nothing_else_is_taken_for_it(said: str) -> None:
    with pytest.raises(BadInput, match=r"^seen: "):
        read_seen(said)


def test_differences_are_told_in_names() -> None:
    found = Difference(column="pool_id", seen=None, mine=1, now=2)
    (shown,) = show_differences("workers", [found], {"pool_id": "1"}, NAMES)
    assert (shown.label, shown.seen, shown.mine, shown.now, shown.sent) == (
        "pool",
        "none",
        "pools-a",
        "pools-b",
        "1",
    )


def test_nobody_disables_without_a_reason() -> None:
    with pytest.raises(BadInput, match="why this master is disabled"):
        check_why("masters", {"enabled": False}, "")
    check_why("masters", {"enabled": False}, "being reinstalled")
    check_why("masters", {"enabled": True}, "")


@pytest.mark.parametrize("said", ["no field here", "strange: 1", "the body: is none"])
def test_other_errors_stay_as_they_are(said: str) -> None:
    assert name_field("workers", said) == said
