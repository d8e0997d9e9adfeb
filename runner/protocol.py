"""What a task says to the runner, by its exit code and its output; what hooks are told; pure."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum


class TaskCode(IntEnum):
    """How a task ends; every other code, and every signal, asks for another try."""

    OK = 0
    HALT = 2
    EXIT = 3


class Verdict(StrEnum):
    """What became of one try; RUNNING is what a hook is told before it."""

    RUNNING = "RUNNING"
    OK = "OK"
    RETRY = "RETRY"
    HALT = "HALT"
    EXIT = "EXIT"


VERDICTS: Mapping[int | None, Verdict] = {
    TaskCode.OK: Verdict.OK,
    TaskCode.HALT: Verdict.HALT,
    TaskCode.EXIT: Verdict.EXIT,
}


def read_code(code: int | None) -> Verdict:
    """Read an exit code; None is a task that had to be ended, or could not start.

    >>> [read_code(code).value for code in (0, 2, 3, 1, -9, None)]
    ['OK', 'HALT', 'EXIT', 'RETRY', 'RETRY', 'RETRY']
    """
    return VERDICTS.get(code, Verdict.RETRY)


# What a task prints to be heard, not only logged: the last line of a kind holds.
MARK = b"@runner "
HEARD = re.compile(r"@runner (reason|connected_s) (\S.*)")
REASON = re.compile(r"([a-z][a-z0-9-]{0,39})(?::\s*|$)")


def parse_said(line: str) -> tuple[str, str] | None:
    """Read a line of a task's output that is for the runner: its kind and its text.

    >>> parse_said("@runner reason disk-full: 3 GB are free")
    ('reason', 'disk-full: 3 GB are free')
    """
    found = HEARD.match(line)
    return (found[1], found[2].rstrip()) if found else None


def format_said(kind: str, text: object) -> str:
    """Format such a line.

    >>> parse_said(format_said("connected_s", 2.5))
    ('connected_s', '2.5')
    """
    return f"@runner {kind} {text}"


def name_reason(text: str) -> str:
    """Return the name that a reason begins with; empty where it has none.

    >>> name_reason("disk-full: 3 GB are free"), name_reason("No more disk")
    ('disk-full', '')
    """
    found = REASON.match(text)
    return found[1] if found else ""


def read_number(value: object) -> float | None:
    """Read a number that is not below zero, as text or as JSON has it; None of anything else.

    >>> read_number("2.5"), read_number(3), read_number(-1), read_number("soon"), read_number(None)
    (2.5, 3, None, None, None)
    """
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return None
    return value


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How one process ended.

    `code` is None where it had to be ended or could not start; `why` says it in words. `left`
    counts processes that it left behind and that were ended, `undead` those that could not be.
    `said` is what it printed for us: kind → text.
    """

    code: int | None
    why: str
    seconds: float
    started: bool = True
    left: int = 0
    undead: int = 0
    said: Mapping[str, str] = field(default_factory=dict)
