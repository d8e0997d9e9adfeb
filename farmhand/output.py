"""Results on stdout: JSON, lines, and tables that are framed on a terminal and plain elsewhere."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from io import TextIOWrapper

from farmhand.logs import one_line

# Of a table that no terminal bounds: what reads it should find one row on one line.
WIDEST = 10_000


class Alarm(str):
    """A table's cell that somebody must look at; red on a terminal."""

    __slots__ = ()


def format_time(time: datetime) -> str:
    """Format a time as all JSON of ours has it.

    >>> format_time(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    '2026-01-02T03:04:05Z'
    """
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def print_json(document: object) -> None:
    """Print one JSON document to stdout."""
    _say(json.dumps(document, indent=2, ensure_ascii=True))


def print_lines(lines: Iterable[str]) -> None:
    """Print lines to stdout, each on one line whatever a builder is called."""
    _say("\n".join(map(one_line, lines)))


def print_table(head: Sequence[str], rows: Iterable[Sequence[object]], none: str = "") -> None:
    """Print a table: framed on a terminal, plain elsewhere; `none` where there are no rows."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDEST
    rows = list(rows)
    if not rows:
        _say(none)
        return
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    for index, title in enumerate(head):
        number = all(isinstance(row[index], int) for row in rows)
        table.add_column(title, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(
            *(
                Text(one_line(str(cell)), "bold red" if isinstance(cell, Alarm) else "")
                for cell in row
            )
        )
    with console.capture() as drawn:
        console.print(table)
    _say(drawn.get().rstrip("\n"))


def print_text(text: str) -> None:
    """Print a text as it is, tabs and line ends and all."""
    _say(text, end="")


def _say(text: str, end: str = "\n") -> None:
    """Print at once; who closes the pipe, as `head` does, has read enough: go on.

    What stdout's encoding has not, as ASCII has no "→" and UTF-8 no half of a pair, is escaped.
    """
    try:
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        print(text, end=end, flush=True)  # noqa: T201 - stdout is for results
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
