"""Which build directories go, and in which order; pure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from farmhand.logs import one_line
from runner.chores.disk_settings import parse_age

GIB = 1 << 30
SHOWN = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildDirectory:
    """A directory of builds, or a link in the place of one; `changed` in seconds since 1970."""

    base: str
    name: str
    changed: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Purge:
    """What goes, oldest first: `old` in any case, `spare` until there is room."""

    old: tuple[BuildDirectory, ...]
    spare: tuple[BuildDirectory, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """What is free on a file system, or is to be."""

    size: float
    inodes: float


def plan_purge(
    found: Iterable[BuildDirectory], keep: Mapping[str, float], max_age_s: float, now: float
) -> Purge:
    """Divide what may go; `keep` is a pattern of names → the age up to which they are kept.

    >>> found = [BuildDirectory(base="/b", name=name, changed=0) for name in ("a", "rel-1")]
    >>> [each.name for each in plan_purge(found, {"rel-*": 60.0}, 9.0, now=10).old]
    ['a']
    """
    free = sorted(
        (each for each in found if now - each.changed >= kept_for(each.name, keep)),
        key=lambda each: (each.changed, each.base, each.name),
    )
    old = tuple(each for each in free if now - each.changed >= max_age_s)
    return Purge(old=old, spare=tuple(free[len(old) :]))


def kept_for(name: str, keep: Mapping[str, float]) -> float:
    """Return up to which age a name is kept, by the pattern that keeps it longest."""
    ages = (age for pattern, age in keep.items() if fnmatchcase(name, pattern))
    return max(ages, default=-math.inf)


def read_keep(words: Iterable[str]) -> dict[str, float]:
    """Read patterns, each with an age or for ever; of a pattern twice, the later one holds.

    >>> read_keep(["info", "rel-*:1d"])
    {'info': inf, 'rel-*': 86400.0}
    """
    found = {}
    for word in words:
        pattern, _, age = word.rpartition(":")
        found[pattern or word] = parse_age(age if pattern else "never")
    return found


def is_short(free: Room, wanted: Room) -> bool:
    """Whether there is too little room."""
    return free.size < wanted.size or free.inodes < wanted.inodes


def format_room(free: Room, wanted: Room) -> str:
    """Say how much is free of what.

    >>> format_room(Room(size=GIB, inodes=3), Room(size=2 * GIB, inodes=0))
    '1.0 GiB free of 2 wanted'
    """
    words = f"{free.size / GIB:.1f} GiB free of {wanted.size / GIB:g} wanted"
    if wanted.inodes:
        words += f", {free.inodes:.0f} inodes of {wanted.inodes:.0f}"
    return words


def format_some(directories: Iterable[BuildDirectory], now: float) -> str:
    """Name the first few, with their ages.

    >>> format_some([BuildDirectory(base="/b", name="a", changed=0)], now=86400)
    '/b/a (1.0 days)'
    """
    each = [
        f"{show(f'{one.base}/{one.name}')} ({(now - one.changed) / 86400:.1f} days)"
        for one in directories
    ]
    more = f" and {len(each) - SHOWN} more" if len(each) > SHOWN else ""
    return ", ".join(each[:SHOWN]) + more


def show(name: str) -> str:
    r"""Show a name that may be anything but text, on one line.

    >>> print(show("a\nb\udcff"))
    a\nb\xff
    """
    return one_line(name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))
