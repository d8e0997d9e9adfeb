"""Rows of one case at several sizes → an SVG, both axes by powers of ten; pure."""

import math
from collections.abc import Iterator, Sequence
from html import escape

from benchmarks.results import Kind, Row

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 76, 290, 16, 48
COLORS = 6
DASHES = {Kind.OURS: "", Kind.NAIVE: "7 4", Kind.PEER: "2 3", Kind.FLOOR: "1 5"}


def make_plot(case: str, rows: Sequence[Row], sized_by: str) -> str:
    """Draw what each method takes at each size; the page's style has the colours."""
    across = _Axis([float(row.size or 1) for row in rows], LEFT, WIDTH - RIGHT)
    up = _Axis([row.value for row in rows], HEIGHT - BOTTOM, TOP)
    unit = rows[0].unit
    parts = [*_grid(across, up), *_lines(rows, across, up)]
    middle = (LEFT + WIDTH - RIGHT) // 2
    parts.append(f'<text class="name" x="{middle}" y="{HEIGHT - 6}">{escape(sized_by)}</text>')
    parts.append(f'<text class="unit" x="{LEFT + 6}" y="{TOP + 10}">{escape(unit)}</text>')
    label = escape(f"{case}: {unit} by {sized_by}", quote=True)
    body = "\n".join(parts)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">\n{body}\n</svg>'


class _Axis:
    """Numbers → places, by powers of ten."""

    def __init__(self, numbers: Sequence[float], first: float, last: float) -> None:
        self.low = math.floor(math.log10(min(numbers)) + 1e-9)
        self.high = max(math.ceil(math.log10(max(numbers)) - 1e-9), self.low + 1)
        self.first, self.last = first, last

    def place(self, number: float) -> float:
        """Say where a number is."""
        share = (math.log10(number) - self.low) / (self.high - self.low)
        return self.first + share * (self.last - self.first)

    def marks(self) -> Iterator[tuple[float, str]]:
        """List the powers of ten, and their words."""
        for power in range(self.low, self.high + 1):
            yield self.place(10.0**power), f"{10.0**power:,.{max(0, -power)}f}"


def _grid(across: _Axis, up: _Axis) -> Iterator[str]:
    for x, words in across.marks():
        yield f'<path class="grid" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>'
        yield f'<text class="name" x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}">{words}</text>'
    for y, words in up.marks():
        yield f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        yield f'<text class="mark" x="{LEFT - 6}" y="{y + 4:.1f}">{words}</text>'


def _lines(rows: Sequence[Row], across: _Axis, up: _Axis) -> Iterator[str]:
    """Draw a line a method, its name at the end, names apart from each other."""
    methods = list(dict.fromkeys((row.method, row.kind) for row in rows))
    methods.sort(key=lambda each: each[1] is not Kind.OURS)  # its colour is the same in all plots
    ends: list[tuple[float, int, str]] = []
    for number, (method, kind) in enumerate(methods):
        of_method = [row for row in rows if row.method == method]
        of_method.sort(key=lambda row: row.size or 0)
        points = [(across.place(row.size or 1), up.place(row.value)) for row in of_method]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        style = f'class="line c{number % COLORS}" stroke-dasharray="{DASHES[kind]}"'
        yield f'<path {style} d="{path}"/>'
        for (x, y), row in zip(points, of_method, strict=True):
            title = escape(f"{method}, {row.size:,}: {row.value:.3g} {row.unit}")
            dot = f'class="dot c{number % COLORS}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"'
            yield f"<circle {dot}><title>{title}</title></circle>"
        ends.append((points[-1][1], number, method))
    y = -math.inf
    for end, number, method in sorted(ends):
        y = max(end, y + 16)
        at = f'x="{WIDTH - RIGHT + 10}" y="{y + 4:.1f}"'
        yield f'<text class="method c{number % COLORS}" {at}>{escape(_cut(method))}</text>'


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
