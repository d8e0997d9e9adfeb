"""How a verb changes rows: it looks first, and --dry-run stops there."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.engine import Connection

from farmhand.command import Result, Run
from farmhand.output import format_time, print_json, print_lines, print_table
from scanner.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """What a verb would do: how to do it, and what to say of it.

    `write` may return what is known only then, such as a new number.
    """

    line: str
    write: Callable[[Connection], Mapping[str, Any] | None]
    document: Mapping[str, Any] = field(default_factory=dict)


def apply(run: Run, settings: Settings, plan: Callable[[Connection], Planned]) -> Result:
    """Plan, do it unless this is a dry run, and say so: not to cron."""
    with settings.open_database(reading=run.dry_run).begin() as connection:
        planned = plan(connection)
        added = None if run.dry_run else planned.write(connection)
    known = added or {}
    if run.json:
        print_json(plain({**planned.document, **known, "dry_run": run.dry_run}))
    elif run.speaks:
        first = "would" if run.dry_run else " ".join(f"{key} {n}" for key, n in known.items())
        print_lines([f"{first}: {planned.line}" if first else planned.line])
    return Result()


def show_rows(
    run: Run, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], none: str
) -> Result:
    """Print rows: with --json each whole, on a line of its own; else a table of some columns."""
    if run.json:
        print_lines(json.dumps(plain(row)) for row in rows)
    else:
        heads = [name.replace("_", " ") for name in columns]
        print_table(heads, ([_cell(row[name]) for name in columns] for row in rows), none)
    return Result()


def show_one(run: Run, document: Mapping[str, Any]) -> Result:
    """Print all that is known of one thing."""
    if run.json:
        print_json(plain(document))
    else:
        rows = [(key.replace("_", " "), _cell(value)) for key, value in document.items()]
        print_table(("what", "value"), rows)
    return Result()


def plain(value: Any) -> Any:
    """Turn times into text, for JSON."""
    match value:
        case datetime():
            return format_time(value)
        case Mapping():
            return {key: plain(each) for key, each in value.items()}
        case str():
            return str(value)
        case Iterable():
            return [plain(each) for each in value]
        case _:
            return value


def _cell(value: Any) -> object:
    match value:
        case None | ():
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        case list() | tuple():
            return " ".join(map(str, value))
        case int():
            return value
        case _:
            return str(value)
