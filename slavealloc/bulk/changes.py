"""Rows before and after a verb → what was done to each, for the audit; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slavealloc.doors.models import Action, Change, Stored

# Where a worker is and when it asked is no edit.
NO_EDITS = frozenset({"id", "current_master_id", "last_seen_at"})
HIDDEN = "(hidden)"
SECRET = frozenset({"password"})

# A row's id; of a jacuzzi's the worker's, and the builder.
Key = int | tuple[int, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Watched:
    """What a table has at a moment: rows by their keys, and what people call them."""

    rows: Mapping[Key, Mapping[str, Any]]
    names: Mapping[Key, str]


def find_changes(table: str, before: Watched, after: Watched) -> list[Change]:
    """Say what became of each row of a table that is not as it was."""
    names = {**before.names, **after.names}
    return [
        Change(
            table=table,
            row_id=key if isinstance(key, int) else key[0],
            row_name=names[key],
            action=_tell_action(key, before, after),
            changes=differing,
        )
        for key in {**before.rows, **after.rows}
        if (differing := _compare(before.rows.get(key, {}), after.rows.get(key, {})))
    ]


def _tell_action(key: Key, before: Watched, after: Watched) -> Action:
    if key not in before.rows:
        return "add"
    return "edit" if key in after.rows else "delete"


def _compare(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> dict[str, tuple[Stored, Stored]]:
    columns = [name for name in (after or before) if name not in NO_EDITS]
    pairs = {name: (before.get(name), after.get(name)) for name in columns}
    return {
        name: (_hide(old), _hide(new)) if name in SECRET else (old, new)
        for name, (old, new) in pairs.items()
        if old != new
    }


def _hide(value: object) -> Stored:
    return None if value is None else HIDDEN


def sum_up_tables(verb: str, before: Mapping[str, int], after: Mapping[str, int]) -> Change:
    """Say in one change what a verb did that replaces whole tables: table → rows before, after."""
    names: Sequence[str] = sorted({*before, *after})
    return Change(
        table="database",
        row_id=0,
        row_name=verb,
        action="edit",
        changes={name: (before.get(name, 0), after.get(name, 0)) for name in names},
    )
