"""What somebody has just done to many rows, in words, and what would undo it; pure."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slavealloc.ui.history import Edit
from slavealloc.ui.words import format_number

SPAN = re.compile(r"(\d{1,18})-(\d{1,18})")
MOST_CHANGES = 100_000
# What an address says where nothing was changed.
NOTHING_DONE = {
    "same": "Nothing to do: it is so already.",
    "nobody": "Nothing is done: no worker was selected.",
    "since": "Nothing is undone: all of it was changed again since.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """The first and the last of the audit's rows that one change has written."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What is said of it; `span` where it can be undone."""

    text: str
    changed: Edit | None = None
    span: Span | None = None


def parse_done(text: str) -> Span | None:
    """Read which rows of the audit an address means.

    >>> parse_done("12-1011")
    Span(first=12, last=1011)
    >>> parse_done("12-11"), parse_done("same")
    (None, None)
    """
    match = SPAN.fullmatch(text)
    if match is None or not 0 <= int(match[2]) - int(match[1]) < MOST_CHANGES:
        return None
    return Span(first=int(match[1]), last=int(match[2]))


def describe_done(text: str, rows: Sequence[Edit]) -> Done | None:
    """Say what was done: `rows` are those that `text`, an address's, means."""
    if text in NOTHING_DONE:
        return Done(text=NOTHING_DONE[text])
    if not rows:
        return None
    counts = Counter(_word(row) for row in rows)
    said = ", ".join(f"{format_number(count)} {word}" for word, count in counts.most_common())
    first = rows[0]
    if len(rows) == 1:
        said = f"{first.row_name} {_word(first)}"
    return Done(text=f"{said}.", changed=first, span=parse_done(text))


def _word(row: Edit) -> str:
    if set(row.changes) == {"enabled"}:
        return "enabled" if row.changes["enabled"][1] else "disabled"
    return "changed"


def plan_undo(
    rows: Sequence[Edit], now: Mapping[int, Mapping[str, Any]]
) -> dict[int, dict[str, Any]]:
    """Choose what brings rows back: id → column → value; what was changed since stays as it is.

    `now`: id → column → value, of the rows that are still there.
    """
    plan = {}
    for row in rows:
        values = now.get(row.row_id, {})
        back = {
            column: before
            for column, (before, after) in row.changes.items()
            if row.action == "edit" and column in values and values[column] == after
        }
        if back and len(back) == len(row.changes):
            plan[row.row_id] = back
    return plan
