"""What follows from how a task ended: go on, try again, halt, or exit; pure."""

from dataclasses import dataclass
from enum import IntEnum

from runner.protocol import Verdict
from runner.settings import Rules

GROWTH = 1.14  # of the pause, a try


class Move(IntEnum):
    """How a task, or a round, came out; of two, the higher one holds."""

    GO_ON = 0
    STOP = 1
    EXIT = 2
    HALT = 3

    @property
    def word(self) -> str:
        """Return what records and metrics call it."""
        return "ok" if self is Move.GO_ON else self.name.lower()


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What comes next, and why; `cause` is a halt's reason as a name, for records and metrics."""

    move: Move
    why: str = ""
    cause: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Retry:
    """The same task again, after a pause."""

    after_s: float


GO_ON = Step(move=Move.GO_ON)


def next_step(
    verdict: Verdict, tries: int, rules: Rules, *, chance: float, stopping: bool
) -> Step | Retry:
    """Decide after a try; `tries` counts this task's, this one too, `chance` is in [0, 1).

    The last try is followed by a halt; while stopping, there is no further one.
    """
    match verdict:
        case Verdict.OK | Verdict.RUNNING:
            return GO_ON
        case Verdict.HALT:
            return Step(move=Move.HALT, why="asks to halt", cause="asked")
        case Verdict.EXIT:
            return Step(move=Move.EXIT, why="asks to stop")
        case Verdict.RETRY if stopping:
            return Step(move=Move.STOP, why="failed while stopping")
        case Verdict.RETRY if tries >= rules.max_tries:
            return Step(move=Move.HALT, why=f"failed {tries} times", cause="failed")
        case Verdict.RETRY:
            return Retry(after_s=pause_s(tries, rules, chance))


def pause_s(tries: int, rules: Rules, chance: float) -> float:
    """Choose the pause after so many tries: it grows, and no two machines have the same."""
    return float(GROWTH**tries * (rules.sleep_s + chance * rules.jitter_s))


def worse(one: Step, other: Step) -> Step:
    """Return the step that holds where two parts of a round differ; the first of equals."""
    return other if other.move > one.move else one


def halt_wait_s(since_last_s: float | None, interval_s: float) -> float:
    """Say how long a halt waits, so that a machine that fails at once does not halt all day.

    A clock that was set back makes no time below zero, and no wait above the interval.

    >>> halt_wait_s(100, 600), halt_wait_s(None, 600), halt_wait_s(-5, 600), halt_wait_s(9999, 600)
    (500.0, 0.0, 600.0, 0.0)
    """
    if since_last_s is None:
        return 0.0
    return float(min(interval_s, max(0.0, interval_s - since_last_s)))
