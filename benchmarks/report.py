"""Stored results → one Markdown page; pure."""

import math
from collections.abc import Iterable, Iterator, Sequence

from benchmarks.results import Compared, Found, Goal, Kind, compare

TITLE = "Benchmarks"
LEAD = (
    "What farmhand costs, beside the naive way (the original's, or what one writes first), peers "
    "that do the same, and the floor (what the work itself takes). All of a case are measured in "
    "turn on one machine, so that a busy moment strikes all alike; numbers are medians."
)
WORDS = {
    Kind.OURS: "ours",
    Kind.NAIVE: "the naive way",
    Kind.PEER: "a peer",
    Kind.FLOOR: "the floor",
}
SUMMARY_HEAD = ("measured", "beside", "ours is × better", "at")


def format_number(number: float | str) -> str:
    """Format a number with what digits tell.

    >>> [format_number(each) for each in (0.01234, 1.5, 12.3456, 1234.5, 0, "-", 7)]
    ['0.012', '1.5', '12.3', '1,234', '0', '-', '7']
    """
    if isinstance(number, str):
        return number
    if not math.isfinite(number):
        return "never"
    if number == int(number) or abs(number) >= 100:
        return f"{int(number):,}"
    return f"{number:.1f}" if abs(number) >= 10 else f"{number:.2g}"


def format_goal(goal: Goal, compared: Compared) -> str:
    """Say what was wanted, and whether it was reached."""
    words = {"value": compared.row.unit, "better": "× better", "floor": "÷ floor"}
    met = {True: "met", False: "MISSED", None: "unknown"}[compared.met(goal)]
    return f"{goal.sign} {format_number(goal.bound)} {words.get(goal.on, goal.on)}: {met}"


def make_head(found: Found) -> list[str]:
    """Make the head of a part's table."""
    size = [found.sized_by] if any(row.size is not None for row in found.rows) else []
    head = ["case", *size, "method", "", "measured", "ours is × better", "÷ floor", "goal"]
    return [*head, *_others(found), "command"]


def make_rows(found: Found) -> Iterator[list[str]]:
    """Make the rows of a part's table, as texts."""
    sized = any(row.size is not None for row in found.rows)
    others = _others(found)
    for compared in compare(found.rows):
        row = compared.row
        size = [format_number(row.size) if row.size is not None else ""] if sized else []
        yield [
            row.case,
            *size,
            row.method,
            row.kind.value,
            f"{format_number(row.value)} {row.unit}",
            _ratio(compared.better),
            _ratio(compared.floor) if row.kind is not Kind.FLOOR else "",
            "; ".join(format_goal(goal, compared) for goal in row.goals),
            *(format_number(row.also.get(name, "")) for name in others),
            row.command or found.command,
        ]


def _others(found: Found) -> list[str]:
    return list(dict.fromkeys(name for row in found.rows for name in row.also))


def _ratio(number: float | None) -> str:
    return "" if number is None else format_number(number)


def summarize(parts: Sequence[Found]) -> Iterator[tuple[str, str, str, str]]:
    """Say of each part how ours stands beside each kind, at the largest size of each case."""
    for found in parts:
        largest = {
            row.case: max(other.size or 0 for other in found.rows if other.case == row.case)
            for row in found.rows
        }
        for kind in (Kind.NAIVE, Kind.PEER, Kind.FLOOR):
            ratios = [
                (each.better, each.row)
                for each in compare(found.rows)
                if each.row.kind is kind
                and each.better is not None
                and (each.row.size or 0) == largest[each.row.case]
            ]
            if ratios:
                low, high = (pick(ratio for ratio, _ in ratios) for pick in (min, max))
                spread = format_number(low) if low == high else f"{_ratio(low)} to {_ratio(high)}"
                sizes = {format_number(row.size) for _, row in ratios if row.size is not None}
                at = f"{' or '.join(sorted(sizes))} {found.sized_by}" if sizes else ""
                yield found.title, WORDS[kind], spread, at


def describe_part(found: Found) -> str:
    """Say when and how a part was measured."""
    quick = (
        " Quick: less work and fewer repeats, so these numbers mean little." if found.quick else ""
    )
    return (
        f"Measured {found.date} in {found.seconds:.0f} s, at a load of {found.load:.1f}."
        f"{quick} Again: `{found.command}`"
    )


def list_machines(parts: Iterable[Found]) -> list[tuple[str, str]]:
    """Say what the parts were measured on: each machine and set of versions once, newest first."""
    seen: dict[str, list[str]] = {}
    for found in sorted(parts, key=lambda each: each.date, reverse=True):
        for facts in (found.machine, found.versions):
            text = ", ".join(f"{name} {value}" for name, value in facts.items())
            seen.setdefault(text, []).append(found.name)
    return [(text, ", ".join(names)) for text, names in seen.items()]


def make_markdown(parts: Sequence[Found]) -> str:
    """Make the whole page."""
    lines = [f"# {TITLE}", "", LEAD, "", "With plots: [benchmarks.html](benchmarks.html)."]
    lines += ["Written by `make bench`, from `benchmarks.json`.", ""]
    lines += _table(SUMMARY_HEAD, summarize(parts))
    for found in parts:
        lines += [f"## {found.title}", "", found.about, "", describe_part(found), ""]
        lines += _table(make_head(found), _quoted(make_rows(found)))
    lines += ["## Measured on", ""]
    lines += _table(("what", "parts"), list_machines(parts))
    return "\n".join(lines)


def _quoted(rows: Iterable[list[str]]) -> Iterator[list[str]]:
    for row in rows:
        yield [*row[:-1], f"`{row[-1]}`"]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    cells = [head, ["---"] * len(head), *rows]
    return [*("| " + " | ".join(_escape(each) for each in row) + " |" for row in cells), ""]


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
