"""What a task's exit code says to the runner, and what hooks are told; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How one process ended.

    `code` is None where it had to be ended or could not start; `why` says it in words. `left`
    counts processes that it left behind and that were ended, `undead` those that could not be.
    """

    code: int | None
    why: str
    seconds: float
    started: bool = True
    left: int = 0
    undead: int = 0
