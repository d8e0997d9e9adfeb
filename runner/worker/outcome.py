"""How one worker's life can end, and the task code each end has; pure."""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from runner.protocol import TaskCode


class Outcome(StrEnum):
    """What happened, in the words of the log."""

    STOPPED = "connected and stopped"
    LEFT = "sent away by its master"
    ASKED_TO_END = "stopped, as we were asked to end"
    KILLED = "killed, as it was told to be"
    IDLE = "disabled: nothing is assigned to it"
    NO_TAC = "no tac"
    NOT_STARTED = "not started by twistd"
    AUTH_FAILED = "authentication failed"
    DUPLICATE = "duplicate name"
    REFUSED = "refused: nothing listens at its master's port"
    MASTER_AWAY = "master away"
    NOT_READY = "never ready, though its master's port answers"
    LOST = "lost its master for long"
    TOO_FAST = "its builds failed too fast"
    DISK_FULL = "its disk is too full"
    DIED = "ended unasked"
    TAKEN = "stopped, as this machine is taken away"


CODES = MappingProxyType(
    {
        Outcome.STOPPED: TaskCode.OK,
        Outcome.LEFT: TaskCode.OK,
        Outcome.ASKED_TO_END: TaskCode.EXIT,
        Outcome.KILLED: TaskCode.OK,
        Outcome.NO_TAC: 10,
        Outcome.NOT_STARTED: 11,
        Outcome.AUTH_FAILED: 12,
        Outcome.DUPLICATE: 13,
        Outcome.REFUSED: 14,
        Outcome.MASTER_AWAY: 15,
        Outcome.NOT_READY: 16,
        Outcome.LOST: 17,
        Outcome.TOO_FAST: TaskCode.HALT,
        Outcome.DISK_FULL: TaskCode.HALT,
        Outcome.DIED: 18,
        Outcome.TAKEN: TaskCode.HALT,
    }
)
IDLE_CODES = MappingProxyType(
    {
        "wait": TaskCode.EXIT,
        "go-on": TaskCode.OK,
        "retry": 19,
        "halt": TaskCode.HALT,
        "exit": TaskCode.EXIT,
    }
)
HEALTHY = frozenset(
    {Outcome.STOPPED, Outcome.LEFT, Outcome.ASKED_TO_END, Outcome.IDLE, Outcome.TAKEN}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """The end of one worker's life; `builds` had begun since we watch it.

    `connected_s` is what it took to be connected, None of one that was not, or was adopted.
    `reason` is what its runner halts for, where it has a name.
    """

    outcome: Outcome
    detail: str = ""
    builds: int = 0
    connected_s: float | None = None
    reason: str = ""


def task_code(outcome: Outcome, when_idle: str) -> int:
    """Return what the task exits with.

    >>> task_code(Outcome.LOST, "wait"), int(task_code(Outcome.IDLE, "halt"))
    (17, 2)
    """
    return IDLE_CODES[when_idle] if outcome is Outcome.IDLE else CODES[outcome]


def describe_reason(ending: Ending) -> str:
    """Say why a machine halts, if it does after this, with the name that the runner records.

    >>> describe_reason(Ending(outcome=Outcome.LOST, detail="for 900 s"))
    'lost: lost its master for long: for 900 s'
    """
    if ending.reason or ending.outcome in HEALTHY:
        return ending.reason
    name = ending.outcome.name.lower().replace("_", "-")
    return (
        f"{name}: {ending.outcome}: {ending.detail}"
        if ending.detail
        else f"{name}: {ending.outcome}"
    )
