"""Which build directories start anew: what the server says, and what their age says; pure."""

from dataclasses import dataclass
from urllib.parse import urlencode

LAST = "last-clobber"


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What the server says of a directory: clobber it if that was not done since `at`."""

    at: int
    who: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What follows: its content is removed or not, and what is noted as the last clobber."""

    clobber: bool
    note: int | None
    why: str = ""


def make_query(url: str, asked: dict[str, str]) -> str:
    """Add what is asked to a URL.

    >>> make_query("http://host/lastclobber?a=b", {"builddir": "m c"})
    'http://host/lastclobber?a=b&builddir=m+c'
    """
    return f"{url}{'&' if '?' in url else '?'}{urlencode(asked, errors='surrogateescape')}"


def parse_answer(text: str, builddir: str) -> Told | None:
    """Read `builddir:time:who`, a line each; lines for other directories say nothing.

    Raises ValueError for what is no such line.

    >>> parse_answer("a:17:me@example.com\\nb:18:you\\n", "b")
    Told(at=18, who='you')
    """
    found = None
    for line in text.split("\n"):
        if not line.strip():
            continue
        name, time, who = line.strip().rsplit(":", 2)
        told = Told(at=int(time), who=who)
        found = told if name == builddir else found
    return found


def judge(ours: int | None, told: Told | None, force_after_s: float, now: int) -> Verdict:
    """Decide as the original did: a directory without a note is fresh, and only noted.

    >>> judge(5, Told(at=9, who="me"), float("inf"), now=20).note
    9
    """
    if ours is None:
        return Verdict(clobber=False, note=now)
    if told is not None and told.at > ours:
        return Verdict(clobber=True, note=told.at, why=f"clobbered by {told.who}")
    if now - ours >= force_after_s:
        return Verdict(
            clobber=True, note=now, why=f"{(now - ours) / 86400:.1f} days since the last"
        )
    return Verdict(clobber=False, note=None)
