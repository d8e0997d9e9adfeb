"""Words that errors of several packages share, light enough for machines; pure."""

from collections.abc import Iterable
from difflib import get_close_matches


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
