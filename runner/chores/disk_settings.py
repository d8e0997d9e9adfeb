"""Settings of the chores that clean up: ages, what is kept, where; pure."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Literal

from runner.chores.kinds import AbsolutePath, Count, Gib, Rule, Seconds, Text
from runner.chores.settings import FORBID

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
NEVER = "never"


def is_age(text: str) -> bool:
    """Whether it says an age.

    >>> is_age("14d"), is_age("never"), is_age("14"), is_age("1y")
    (True, True, False, False)
    """
    return text == NEVER or re.fullmatch(r"\d{1,6}(\.\d{1,6})?[smhdw]", text) is not None


def parse_age(text: str) -> float:
    """Parse an age into seconds.

    >>> parse_age("1.5h"), parse_age("never")
    (5400.0, inf)
    """
    return math.inf if text == NEVER else float(text[:-1]) * UNITS[text[-1]]


def is_kept(text: str) -> bool:
    """Whether it is a pattern, or one with an age behind it.

    >>> is_kept("rel-*:45d"), is_kept("info"), is_kept("rel-*:45")
    (True, True, False)
    """
    pattern, colon, age = text.rpartition(":")
    return bool(pattern) and is_age(age) if colon else bool(text)


def is_glob(path: PurePath) -> bool:
    """Whether it is absolute, with no pattern in its directory.

    >>> is_glob(PurePath("/tmp/emulator-*")), is_glob(PurePath("/home/*/x"))
    (True, False)
    """
    return path.is_absolute() and bool(path.name) and not re.search(r"[*?\[]", str(path.parent))


Age = Annotated[str, Rule(is_age, 'an age as "14d", "12h" or "never"')]
Kept = Annotated[str, Rule(is_kept, 'a pattern of names as "rel-*", or with an age, "rel-*:45d"')]
Glob = Annotated[AbsolutePath, Rule(is_glob, "an absolute path, a pattern at most in its name")]


@dataclass(frozen=True, kw_only=True, slots=True)
class PurgeBuilds:
    """How much is to be free, and which directories below `paths` may go for it.

    `keep` has patterns of names, each with the age up to which they are kept, or for ever. What is
    older than `max_age` goes anyway.
    """

    __pydantic_config__ = FORBID

    paths: tuple[AbsolutePath, ...] = ()
    free_gib: Gib = 20
    free_inodes: Count = 0
    keep: tuple[Kept, ...] = ("info",)
    max_age: Age = NEVER
    when_short: Literal["go-on", "retry", "halt"] = "retry"


@dataclass(frozen=True, kw_only=True, slots=True)
class Clobber:
    """Who says which directories below `paths` start anew, and after what age they do anyway."""

    __pydantic_config__ = FORBID

    paths: tuple[AbsolutePath, ...] = ()
    url: Text | None = None
    slavename: Text | None = None
    master: str = ""
    branch: str = ""
    keep: tuple[Text, ...] = ("info",)
    force_clobber_after: Age = NEVER
    timeout_s: Seconds = 30

    def find_problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Say which values make no sense."""
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            yield ("url",), "expected a URL that begins with http:// or https://"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cleanup:
    """What builds leave in directories that are no build's.

    `truncate` are logs to empty, `remove` paths, or patterns of names in a directory, that go
    whatever their age. In `temp` goes what is older than `temp_age` and `owner`'s, else ours.
    """

    __pydantic_config__ = FORBID

    truncate: tuple[AbsolutePath, ...] = ()
    remove: tuple[Glob, ...] = ()
    temp: tuple[AbsolutePath, ...] = ()
    temp_age: Age = "1d"
    owner: Text | None = None
