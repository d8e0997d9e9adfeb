"""What happened to rows: edits and allocations as entries that people read; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from slavealloc.doors.models import Stored
from slavealloc.models import Reason
from slavealloc.ui.fields import FIELDS, Names, Values, label_of, show_value

NAMES_SHOWN = 5
MASKED = frozenset({"password", "digest", "token"})
REASONS = {
    Reason.CHOSEN: "it served fewest of the silo's other live workers",
    Reason.KEPT: "it stays where it was",
    Reason.LOCKED: "it is locked to it",
    Reason.DISABLED: "it asked while it was disabled",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """A row of the audit; `changes`: column → (before, after)."""

    id: int
    at: datetime
    who: str
    table: str
    row_id: int
    row_name: str
    action: str
    changes: Mapping[str, tuple[Stored, Stored]]
    why: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Allocation:
    """A time that a worker's master changed."""

    at: datetime
    before: str | None
    after: str | None
    reason: str
    host: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One field, before and after."""

    label: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What somebody did to one row, or to many at once.

    `undo` is what would bring the row back, where nobody has changed the same fields since.
    """

    at: datetime
    who: str
    title: str
    lines: Sequence[Line]
    why: str | None
    table: str | None = None
    names: Sequence[str] = ()
    count: int = 1
    undo: Values | None = None
    edit_id: int | None = None

    @property
    def others(self) -> int:
        """How many rows there are besides those that are named."""
        return self.count - len(self.names)


def title_of(edit: Edit) -> str:
    """Say in a word what an edit did."""
    flag = edit.changes.get("enabled")
    if edit.action == "edit" and flag is not None:
        return "enabled" if flag[1] else "disabled"
    return {"add": "added", "edit": "edited", "delete": "deleted"}.get(edit.action, edit.action)


def make_lines(edit: Edit, names: Names) -> list[Line]:
    """Say what an edit changed; of what was added only what is there, and of secrets nothing."""
    return [
        Line(
            label=label_of(column),
            before="hidden" if column in MASKED else _show(edit, column, before, names),
            after="hidden" if column in MASKED else _show(edit, column, after, names),
        )
        for column, (before, after) in edit.changes.items()
        if (before, after) != (None, None)
        and not (column == "enabled" and title_of(edit) in {"enabled", "disabled"})
    ]


def _show(edit: Edit, column: str, value: Stored, names: Names) -> str:
    return show_value(edit.table, column, value, names)


def find_undo(edit: Edit, now: Values | None) -> dict[str, Stored] | None:
    """Say what would undo an edit; None if it is no edit, or somebody has changed that since."""
    known = FIELDS.get(edit.table, {})
    if edit.action != "edit" or now is None or not edit.changes or set(edit.changes) - set(known):
        return None
    if any(now.get(column) != after for column, (_, after) in edit.changes.items()):
        return None
    return {column: before for column, (before, _) in edit.changes.items()}


def make_edit_entry(edit: Edit, names: Names, now: Values | None = None) -> Entry:
    """Make one row's entry; `now` is the row as it is, where undoing is offered."""
    return Entry(
        at=edit.at,
        who=edit.who,
        title=title_of(edit),
        lines=make_lines(edit, names),
        why=edit.why,
        table=edit.table,
        names=(edit.row_name,),
        undo=find_undo(edit, now),
        edit_id=edit.id,
    )


def make_history(
    edits: Iterable[Edit], allocations: Iterable[Allocation], names: Names, now: Values
) -> list[Entry]:
    """Merge what people and allocators did to one worker, newest first."""
    sent = (
        Entry(
            at=each.at,
            who=each.host,
            title="sent to" if each.after else "sent away",
            lines=[
                Line(label="master", before=each.before or "none", after=each.after or "none"),
            ],
            why=next((words for code, words in REASONS.items() if code == each.reason), None),
        )
        for each in allocations
    )
    edited = (make_edit_entry(each, names, now) for each in edits)
    return sorted([*sent, *edited], key=lambda entry: entry.at, reverse=True)


def group_edits(edits: Iterable[Edit], names: Names) -> list[Entry]:
    """Tell edits, newest first, those made together to many rows as one."""
    entries = []
    for _, each in groupby(edits, key=_same):
        together = list(each)
        first = together[0]
        entries.append(
            Entry(
                at=first.at,
                who=first.who,
                title=title_of(first),
                lines=make_lines(first, names),
                why=first.why,
                table=first.table,
                names=tuple(edit.row_name for edit in together[:NAMES_SHOWN]),
                count=len(together),
            )
        )
    return entries


def _same(edit: Edit) -> object:
    """What edits made together agree in; what is added differs from row to row."""
    changes = sorted(edit.changes.items()) if edit.action == "edit" else ()
    return edit.at, edit.who, edit.table, edit.action, edit.why, [*changes]


def find_off(entries: Iterable[Entry]) -> Entry | None:
    """Find what disabled a row that is disabled now, in its edits, newest first."""
    switched = (entry for entry in entries if entry.title in {"enabled", "disabled"})
    last = next(switched, None)
    return last if last is not None and last.title == "disabled" else None
