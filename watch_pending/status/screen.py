"""A status as one screen of 100 columns and 40 rows; it draws, and prints nothing."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from farmhand.errors import ExitCode
from farmhand.logs import one_line
from farmhand.wording import format_span
from watch_pending.backoff_models import Backoff
from watch_pending.money import format_usd
from watch_pending.status.models import RunRow, Status, TypeRow

BACK_OFFS_SHOWN = 5
LOST_SHOWN = 4
LEAST_CELL = 8
WIDEST_SCOPE = 40
LEFT, RIGHT = "left", "right"
Columns = Sequence[tuple[str, str]]

TYPE_COLUMNS: Columns = (
    ("type", LEFT),
    ("waits", RIGHT),
    ("oldest", RIGHT),
    ("idle", RIGHT),
    ("busy", RIGHT),
    ("boots", RIGHT),
    ("other", RIGHT),
    ("spot", RIGHT),
    ("demand", RIGHT),
    ("USD/h", RIGHT),
    ("today", RIGHT),
)
BACK_OFF_COLUMNS: Columns = (("not asked of AWS", LEFT), ("ends in", RIGHT), ("because", LEFT))
RUN_COLUMNS: Columns = (("verb", LEFT), ("last", RIGHT), ("ended", LEFT), ("it says", LEFT))


def draw_status(status: Status, width: int, *, error: str = "") -> RenderableType:
    """Draw a status so many columns wide; `error` is why it is not newer."""
    parts: list[RenderableType] = [Text(_headline(status), style="bold")]
    if error:
        parts.append(_line(f"NOT NEWER: {error}", "bold red"))
    parts += [_line(text, "red") for text in _lost_lines(status)]
    types = [*map(_type_cells, status.types), _total_cells(status)]
    parts.append(_table(TYPE_COLUMNS, types, width, 0))
    if status.back_offs:
        rows = [_back_off_cells(each, status.now) for each in status.back_offs[:BACK_OFFS_SHOWN]]
        if status.back_offs[BACK_OFFS_SHOWN:]:
            rows.append([f"… {len(status.back_offs) - BACK_OFFS_SHOWN} more", "", ""])
        parts.append(_table(BACK_OFF_COLUMNS, rows, width, len(BACK_OFF_COLUMNS) - 1))
    runs = [_run_cells(each, status.now) for each in status.runs]
    parts.append(_table(RUN_COLUMNS, runs, width, len(RUN_COLUMNS) - 1))
    parts.append(Text())
    parts += [_line(text) for text in _masters_lines(status)]
    if status.unmatched:
        parts.append(_line(f"requests whose builder no pattern matches: {status.unmatched}"))
    return Group(*parts)


def draw_error(now: datetime, error: str) -> RenderableType:
    """Draw that nothing is known."""
    return _line(f"{_clock(now)}  NOTHING TO SHOW: {error}", "bold red")


def _headline(status: Status) -> str:
    live = sum(sum(row.live.values()) for row in status.types)
    usd_per_hour = sum(row.usd_per_hour for row in status.types)
    today = sum(row.usd_today for row in status.types)
    return (
        f"farm {status.farm}  {_clock(status.now)}  {live} live"
        f"  {format_usd(usd_per_hour)} USD/h  {format_usd(today)} USD today"
    )


def _clock(now: datetime) -> str:
    return f"{now:%Y-%m-%d %H:%M:%S}Z"


def _lost_lines(status: Status) -> list[str]:
    lines = [
        f"NO ANSWER: {what}: {why}" + ("" if "database" in what else "; its machines as last seen")
        for what, why in status.lost.items()
    ]
    rest = len(lines) - LOST_SHOWN
    return lines if rest <= 0 else [*lines[:LOST_SHOWN], f"NO ANSWER: {rest} more"]


def _type_cells(row: TypeRow) -> list[str]:
    return [
        row.instance_type or "(none)",
        _count(row.pending),
        format_span(row.oldest_wait_s) if row.pending else "",
        _count(row.idle),
        _count(row.busy),
        _count(row.booting),
        _count(row.other),
        *(f"{row.live[market]}/{row.limits[market]}" for market in ("spot", "on-demand")),
        _money(row.usd_per_hour, row.unpriced),
        _money(row.usd_today, row.unpriced),
    ]


def _total_cells(status: Status) -> list[str]:
    rows = status.types
    unpriced = sum(row.unpriced for row in rows)
    counts = [
        _sum(row.pending for row in rows),
        "",
        *(
            _sum(getattr(row, name) for row in rows)
            for name in ("idle", "busy", "booting", "other")
        ),
        *(str(sum(row.live[market] for row in rows)) for market in ("spot", "on-demand")),
    ]
    money = [_money(sum(getattr(row, name) for row in rows), unpriced) for name in MONEY]
    return ["all", *counts, *money]


MONEY = ("usd_per_hour", "usd_today")


def _money(usd: float, unpriced: int) -> str:
    """Say a sum; with a plus where some prices are unknown."""
    return f"{format_usd(usd)}{'+' if unpriced else ''}"


def _count(number: int | None) -> str:
    return "?" if number is None else str(number) if number else "·"


def _sum(numbers: Iterable[int | None]) -> str:
    known = [number for number in numbers if number is not None]
    return str(sum(known)) if known else "?"


def _back_off_cells(each: Backoff, now: datetime) -> list[str]:
    if each.until is None:
        end = "new settings"
    else:
        end = "one tries" if each.is_over else format_span((each.until - now).total_seconds())
    scope = Text(each.where)
    scope.truncate(WIDEST_SCOPE, overflow="ellipsis")
    return [scope.plain, end, each.reason]


def _run_cells(row: RunRow, now: datetime) -> list[str]:
    """Say how a verb's last run went, and whether one is at work."""
    said = list(row.why)
    if row.at_work_since:
        busy_s = (now - row.at_work_since).total_seconds()
        said.insert(0, f"(one is at work for {format_span(busy_s)})")
    if row.started_at is None:
        return [row.verb, "never", "", "; ".join(said)]
    age = format_span((now - row.started_at).total_seconds())
    return [row.verb, f"{age} ago", describe_exit(row.exit_code), "; ".join(said)]


def describe_exit(exit_code: int | None) -> str:
    """Say how a run ended.

    >>> describe_exit(0), describe_exit(3), describe_exit(None)
    ('0 ok', '3 partial', 'killed')
    """
    if exit_code is None:
        return "killed"
    known = {int(each): each.name.lower() for each in ExitCode}
    return f"{exit_code} {known.get(exit_code, '')}".strip()


def _masters_lines(status: Status) -> list[str]:
    if status.masters_alive is None:
        return []
    silent = ", ".join(status.masters_away)
    return [
        f"masters: {len(status.masters_alive)} alive"
        + (f", {len(status.masters_away)} SILENT: {silent}" if silent else "")
    ]


def _line(text: str, style: str = "") -> Text:
    return Text(one_line(text), style=style, no_wrap=True, overflow="ellipsis")


def _table(columns: Columns, rows: Sequence[Sequence[str]], width: int, gives_way: int) -> Padding:
    """Draw a table with a blank line above; one of its columns is cut where it is too wide."""
    cells = [[Text(one_line(cell)) for cell in row] for row in rows]
    widths = [
        max(cell_len(title), *(row[index].cell_len for row in cells))
        for index, (title, _) in enumerate(columns)
    ]
    rest = sum(widths) - widths[gives_way] + len(widths) - 1
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for title, side in columns:
        table.add_column(title, justify="right" if side == RIGHT else "left", no_wrap=True)
    for row in cells:
        row[gives_way].truncate(max(LEAST_CELL, width - rest), overflow="ellipsis")
        table.add_row(*row)
    return Padding(table, (1, 0, 0, 0), expand=False)
