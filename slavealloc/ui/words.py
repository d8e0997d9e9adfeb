"""How the pages word a time, a number and a note; pure."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

COLOURS = ("blue", "amber", "green", "violet", "teal", "pink", "red", "slate")
# What farms are often called; other names spread over the other colours.
USUAL_COLOURS = {"prod": "blue", "stag": "amber", "test": "green", "dev": "green"}
STEPS = (
    ("d", timedelta(days=1)),
    ("h", timedelta(hours=1)),
    ("min", timedelta(minutes=1)),
    ("s", timedelta(seconds=1)),
)
GROUP = re.compile(r"\\(\d)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A part of a note; `url`: where it leads, if it names a bug."""

    text: str
    url: str | None


def choose_colour(farm: str) -> str:
    """Choose the colour that a farm's pages have, always the same.

    >>> choose_colour("production"), choose_colour("staging-2")
    ('blue', 'amber')
    """
    for start, colour in USUAL_COLOURS.items():
        if farm.lower().startswith(start):
            return colour
    others = [colour for colour in COLOURS if colour not in USUAL_COLOURS.values()]
    return others[hashlib.sha256(farm.encode()).digest()[0] % len(others)]


def format_ago(then: datetime | None, now: datetime) -> str:
    """Word how long ago that was.

    >>> noon = datetime(2026, 11, 21, 12)
    >>> [format_ago(noon - timedelta(minutes=each), noon) for each in (0, 59, 125, 4320)]
    ['just now', '59 min ago', '2 h ago', '3 d ago']
    >>> format_ago(None, noon)
    'never'
    """
    if then is None:
        return "never"
    passed = now - then
    for unit, step in STEPS:
        if passed >= step:
            return f"{passed // step} {unit} ago"
    return "just now"  # or in the future, by the clock of this host


def format_number(number: int) -> str:
    """Write a number as people read it.

    >>> format_number(10000)
    '10,000'
    """
    return f"{number:,}"


def shorten(text: str, most: int) -> str:
    """Cut a text between two words, so that no bug's number loses its end.

    >>> shorten("bug 1234567 again", 12)
    'bug 1234567 …'
    >>> shorten("bug 1", 12)
    'bug 1'
    """
    if len(text) <= most:
        return text
    return (re.match(rf"(?s).{{0,{most}}}(?<=\s)", text) or [""])[0].rstrip() + " …"


def link_bugs(text: str, links: Mapping[str, str]) -> Sequence[Piece]:
    r"""Find the bugs that a note names; the first pattern that matches at a place wins.

    `links`: pattern → URL, in which `\1` is what the pattern's first group found.

    >>> [each.url for each in link_bugs("see bug 12.", {r"bug (\d+)": r"https://b/\1"})]
    [None, 'https://b/12', None]
    """
    found: list[Piece] = []
    start = 0
    while match := _find_first(text, links, start):
        span, url = match
        found += [Piece(text=text[start : span[0]], url=None)] if span[0] > start else []
        found.append(Piece(text=text[slice(*span)], url=url))
        start = span[1]
    rest = text[start:]
    return [*found, Piece(text=rest, url=None)] if rest else found


def _find_first(
    text: str, links: Mapping[str, str], start: int
) -> tuple[tuple[int, int], str] | None:
    best: tuple[tuple[int, int], str] | None = None
    for pattern, url in links.items():
        match = re.compile(pattern).search(text, start)
        if match and match[0] and (best is None or match.start() < best[0][0]):
            best = match.span(), _fill(url, match)
    return best


def _fill(url: str, match: "re.Match[str]") -> str:
    """Put what a pattern found into a URL, each as one word of it."""

    def group(asked: "re.Match[str]") -> str:
        return quote(match[int(asked[1])] or "", safe="")

    return GROUP.sub(group, url)
