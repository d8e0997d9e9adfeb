"""Words that several packages share, light enough for machines; pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from difflib import get_close_matches

JUST_NOW = timedelta(seconds=5)
STEPS = (
    ("d", timedelta(days=1)),
    ("h", timedelta(hours=1)),
    ("min", timedelta(minutes=1)),
    ("s", timedelta(seconds=1)),
)


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Say that a name is unknown, with the nearest one that is.

    >>> unknown("region", "us-esat-1", ["us-east-1", "us-west-2"])
    'unknown region "us-esat-1"; did you mean "us-east-1"?'
    """
    names = list(known)
    nearest = get_close_matches(name, names, n=1)
    hint = (
        f'; did you mean "{nearest[0]}"?' if nearest else f"; known: {', '.join(names) or 'none'}"
    )
    return f'unknown {what} "{name}"{hint}'


def count_of(number: int, what: str) -> str:
    """Count things in words.

    >>> count_of(1, "warning"), count_of(0, "error")
    ('1 warning', '0 errors')
    """
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def format_span(seconds: float | None) -> str:
    """Format a duration by its largest unit, in at most seven characters.

    >>> [format_span(seconds) for seconds in (50, 720, 5400, 129600, 864000, None)]
    ['50 s', '12 min', '90 min', '36 h', '10 d', '-']
    """
    if seconds is None:
        return "-"
    for most, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if seconds < most:
            return f"{max(0, int(seconds)) // size} {unit}"
    return f"{int(seconds) // 86400} d"


def format_ago(then: datetime | None, now: datetime) -> str:
    """Say how long ago that was.

    >>> noon = datetime(2026, 11, 21, 12)
    >>> [format_ago(noon - timedelta(minutes=each), noon) for each in (0, 59, 125, 4320)]
    ['just now', '59 min ago', '2 h ago', '3 d ago']
    >>> format_ago(None, noon)
    'never'
    """
    if then is None:
        return "never"
    passed = now - then
    if passed < JUST_NOW:  # or in the future, by the clock of this host
        return "just now"
    return next(f"{passed // step} {unit} ago" for unit, step in STEPS if passed >= step)
