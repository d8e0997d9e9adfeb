"""What can go wrong, and the exit code each kind ends in."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What every farmhand command says to the shell; README has the table."""

    OK = 0
    BUG = 1
    BAD_INPUT = 2
    PARTIAL = 3
    UNAVAILABLE = 4
    LOCKED = 75
    INTERRUPTED = 130
    TERMINATED = 143


class FarmError(Exception):
    """An expected failure: one clear line for the user, no traceback."""

    exit_code = ExitCode.PARTIAL


class BadInput(FarmError):
    """Usage, configuration or database version: retrying is useless."""

    exit_code = ExitCode.BAD_INPUT


class Unavailable(FarmError):
    """A database, AWS or a host did not answer, so nothing could be decided."""

    exit_code = ExitCode.UNAVAILABLE


class Locked(FarmError):
    """Another run holds the lock, or won the plan."""

    exit_code = ExitCode.LOCKED


class LockHeld(Locked):
    """Another run on this host holds the lock, and writes what this one would have written."""


class DeadlinePassed(BaseException):
    """The run ignored its deadline. No Exception: who goes on after a failed item must not."""

    exit_code = ExitCode.UNAVAILABLE
