"""What the page of a worker and the page of a master have in common; pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from farmhand.errors import BadInput
from slavealloc.doors.models import Stored
from slavealloc.rest.versions import Version
from slavealloc.ui.conflict import Difference
from slavealloc.ui.fields import (
    FIELDS,
    Field,
    Names,
    Option,
    Values,
    list_options,
    show_value,
    write_value,
)
from slavealloc.ui.history import Entry

# What a form sends besides the row's fields.
ETAG, SEEN, WHY, CHOICE = "etag", "seen", "why", "choice."
WORDS = {"workers": "worker", "masters": "master"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A form that could not be saved: what stood in it, and why; it is shown again as it was."""

    form: Mapping[str, str] = field(default_factory=dict)
    message: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """One field on a page; `said` is what an open form has in it, None where it is closed."""

    field: Field
    text: str
    options: Sequence[Option]
    said: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RowView:
    """A row on its page; `seen` and `etag` go with every form, so that none overwrites another."""

    table: str
    name: str
    path: str
    enabled: bool
    notes: str
    etag: str
    seen: str
    fields: Sequence[Shown]
    draft: Draft
    last: Entry | None
    off: Entry | None
    history: Sequence[Entry]
    older: datetime | None

    def undo_of(self, entry: Entry) -> Mapping[str, str]:
        """Say what a form must send to undo an entry."""
        return {column: write_value(value) for column, value in (entry.undo or {}).items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """One difference between two edits, in words; `sent` is what the form had."""

    difference: Difference
    label: str
    seen: str
    mine: str
    now: str
    sent: str


def values_of(table: str, version: Version) -> dict[str, Stored]:
    """Take of a row what can be changed, by column."""
    return {column: version.row[each.name] for column, each in FIELDS[table].items()}


def write_seen(values: Values) -> str:
    """Say what a form was opened on, so that it can be compared later."""
    return json.dumps(dict(values), ensure_ascii=False)


def read_seen(said: str) -> dict[str, Stored]:
    """Read what a form was opened on; raises BadInput."""
    try:
        found = json.loads(said)
    except (ValueError, RecursionError) as err:
        raise BadInput(f"{SEEN}: not JSON") from err
    if not isinstance(found, dict) or not all(
        value is None or isinstance(value, str | int | bool) for value in found.values()
    ):
        raise BadInput(f"{SEEN}: not a row")
    return found


def show_fields(
    table: str, values: Values, names: Names, *, opened: str | None, draft: Draft
) -> list[Shown]:
    """Show each field but whether it is enabled, which has a button of its own."""
    return [
        Shown(
            field=each,
            text=show_value(table, column, values[column], names),
            options=list_options(each, names),
            said=_said(column, values, opened, draft),
        )
        for column, each in FIELDS[table].items()
        if column != "enabled"
    ]


def _said(column: str, values: Values, opened: str | None, draft: Draft) -> str | None:
    if column in draft.form:
        return draft.form[column]
    return write_value(values[column]) if column == opened else None


def show_differences(
    table: str, found: Sequence[Difference], form: Mapping[str, str], names: Names
) -> list[Compared]:
    """Put two edits side by side, in words."""
    return [
        Compared(
            difference=each,
            label=FIELDS[table][each.column].label,
            seen=show_value(table, each.column, each.seen, names),
            mine=show_value(table, each.column, each.mine, names),
            now=show_value(table, each.column, each.now, names),
            sent=form.get(each.column, ""),
        )
        for each in found
    ]


def name_field(table: str, message: str) -> str:
    """Call a field in an error as its page calls it.

    >>> name_field("masters", "pb_port: too big")
    'worker port: too big'
    """
    name, colon, rest = message.partition(": ")
    labels = {each.name: each.label for each in FIELDS[table].values()}
    return f"{labels[name]}: {rest}" if colon and name in labels else message


def check_why(table: str, edit: Values, why: str) -> None:
    """Refuse to disable without a reason; raises BadInput."""
    if edit.get("enabled") is False and not why:
        raise BadInput(f"say why this {WORDS[table]} is disabled: others will ask")
