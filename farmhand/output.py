"""Results on stdout: JSON, lines, and tables that are framed on a terminal and plain elsewhere."""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from io import StringIO, TextIOWrapper
from typing import TYPE_CHECKING

from farmhand.errors import FarmError
from farmhand.logs import one_line

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

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
    from rich.table import Table
    from rich.text import Text

    rows = list(rows)
    if not rows:
        _say(none)
        return
    console = make_console()
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
    print_drawn(console, table)


def make_console() -> "Console":
    """Make a console that is as wide as stdout, and as clever; it writes nothing by itself."""
    from rich.console import Console

    stdout = Console()
    terminal = stdout.is_terminal
    width = stdout.width if terminal else WIDEST
    return Console(file=StringIO(), force_terminal=terminal, width=width, highlight=False)


def print_drawn(console: "Console", what: "RenderableType") -> None:
    """Print what a console draws."""
    with console.capture() as drawn:
        console.print(what)
    _say(drawn.get().rstrip("\n"))


def print_text(text: str) -> None:
    """Print a text as it is, tabs and line ends and all."""
    _say(text, end="")


def write_bytes(chunks: Iterable[bytes]) -> None:
    """Write bytes to stdout as they are."""
    sys.stdout.flush()
    for chunk in chunks:
        with _writing():
            sys.stdout.buffer.write(chunk)
    with _writing():
        sys.stdout.buffer.flush()


def _say(text: str, end: str = "\n") -> None:
    """Print at once.

    What stdout's encoding has not, as ASCII has no "→" and UTF-8 no half of a pair, is escaped.
    """
    with _writing():
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        print(text, end=end, flush=True)  # noqa: T201 - stdout is for results


@contextmanager
def _writing() -> Iterator[None]:
    """Write to stdout; who closes the pipe, as `head` does, has read enough: go on.

    Raises FarmError where it can't be written. What is still buffered goes nowhere: it would fail
    again when Python ends.
    """
    try:
        yield
    except OSError as err:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(err, BrokenPipeError):
            raise FarmError(f"stdout: {err.strerror}; what was to be shown is lost") from err
