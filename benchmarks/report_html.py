"""Stored results → one HTML page that needs nothing beside it, in light and dark; pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from benchmarks.plot import make_plot
from benchmarks.report import (
    LEAD,
    NOTHING,
    SUMMARY_HEAD,
    TITLE,
    describe_part,
    list_machines,
    make_head,
    make_rows,
    summarize,
)
from benchmarks.results import Found, plots

STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --soft: #59636e; --back: #ffffff;
  --rule: #d1d9e0; --ours: #e8f3ec; --missed: #b3261e;
  --c0: #0b6e4f; --c1: #b3541e; --c2: #3456a8; --c3: #8a3ffc; --c4: #9b1d64; --c5: #5b6670; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --soft: #9aa4af; --back: #0d1117;
  --rule: #30363d; --ours: #12261e; --missed: #ff8a80;
  --c0: #5fd3a4; --c1: #ffa657; --c2: #82b1ff; --c3: #c9a0ff; --c4: #ff8ac4; --c5: #b1bac4; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 78rem; padding: 1.5rem; background: var(--back);
  color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
h3 { font-size: 1rem; margin: 1rem 0 0; }
p { max-width: 46rem; } p.when, td.kind, td.command { color: var(--soft); font-size: .85rem; }
nav a { margin-right: 1rem; } a { color: var(--c2); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--rule); padding: .3rem .6rem; text-align: left;
  vertical-align: top; }
th { color: var(--soft); font-weight: 600; font-size: .85rem; }
td.number { text-align: right; }
table.rows td { white-space: nowrap; }
tr.ours { background: var(--ours); font-weight: 600; }
.missed { color: var(--missed); font-weight: 600; }
.plots { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(30rem, 100%), 1fr)); }
figure { margin: 0; max-width: 46rem; }
svg { width: 100%; height: auto; }
svg text { fill: var(--soft); font: 14px system-ui, sans-serif; }
.name { text-anchor: middle; } .mark { text-anchor: end; }
.grid { stroke: var(--rule); } .line { fill: none; stroke-width: 2; }
.line.c0 { stroke: var(--c0); } .dot.c0, svg .method.c0 { fill: var(--c0); }
.line.c1 { stroke: var(--c1); } .dot.c1, svg .method.c1 { fill: var(--c1); }
.line.c2 { stroke: var(--c2); } .dot.c2, svg .method.c2 { fill: var(--c2); }
.line.c3 { stroke: var(--c3); } .dot.c3, svg .method.c3 { fill: var(--c3); }
.line.c4 { stroke: var(--c4); } .dot.c4, svg .method.c4 { fill: var(--c4); }
.line.c5 { stroke: var(--c5); } .dot.c5, svg .method.c5 { fill: var(--c5); }
"""
RATIOS = ("ours is × better", "÷ floor")
NUMBER = re.compile(r"[-\d.,]+( (ms|s|MiB|KiB|per second|EC2 calls))?")


def make_html(parts: Sequence[Found]) -> str:
    """Make the whole page."""
    links = "".join(f'<a href="#{each.name}">{escape(each.title)}</a>' for each in parts)
    body = [f"<h1>{TITLE}</h1><p>{escape(LEAD)}</p><nav>{links}</nav>"]
    body.append(_table(SUMMARY_HEAD, summarize(parts)) if parts else f"<p>{_code(NOTHING)}</p>")
    for found in parts:
        body += _part(found)
    if parts:
        body.append('<h2 id="machine">Measured on</h2>')
        body.append(_table(("what", "parts"), list_machines(parts)))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>farmhand: {TITLE}</title>\n<style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _part(found: Found) -> Iterator[str]:
    yield f'<h2 id="{found.name}">{escape(found.title)}</h2>'
    yield f'<p>{escape(found.about)}</p><p class="when">{_code(describe_part(found))}</p>'
    drawn = [
        f"<figure><h3>{escape(case)}</h3>{make_plot(case, rows, found.sized_by)}</figure>"
        for case, rows in plots(found.rows).items()
    ]
    if drawn:
        yield f'<div class="plots">{"".join(drawn)}</div>'
    yield _table(make_head(found), make_rows(found), kinds=[row.kind for row in found.rows])


def _code(text: str) -> str:
    return re.sub("`(.*?)`", r"<code>\1</code>", escape(text))


def _table(
    head: Sequence[str], rows: Iterable[Sequence[str]], kinds: Sequence[str] | None = None
) -> str:
    top = "".join(f'<th scope="col">{escape(each)}</th>' for each in head)
    lines = []
    for number, row in enumerate(rows):
        ours = ' class="ours"' if kinds and kinds[number] == "ours" else ""
        lines.append(f"<tr{ours}>{''.join(map(_cell, head, row))}</tr>")
    body = "\n".join(lines)
    rows_class = ' class="rows"' if kinds else ""
    table = f"<table{rows_class}><thead><tr>{top}</tr></thead><tbody>\n{body}\n</tbody></table>"
    return f'<div class="wide" tabindex="0">{table}</div>'


def _cell(name: str, text: str) -> str:
    if name == "command":
        return f'<td class="command"><code>{escape(text)}</code></td>'
    if name == "goal" and "MISSED" in text:
        return f'<td class="missed">{escape(text)}</td>'
    kind = "number" if NUMBER.fullmatch(text) or name in RATIOS else ("kind" if not name else "")
    return f'<td class="{kind}">{escape(text)}</td>' if kind else f"<td>{escape(text)}</td>"
