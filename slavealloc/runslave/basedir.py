"""A worker's base directory: which it is, whether it is closed, its buildbot.tac. Files only."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

from farmhand.errors import BadInput
from farmhand.files import replacing
from farmhand.output import format_time
from farmhand.state import make_writable
from slavealloc.runslave.page import guess_basedir

log = logging.getLogger("runslave")

TAC = "buildbot.tac"
STOP = "DO_NOT_START"
MEMORY = "runslave-basedir"


def find_basedir(state_directory: Path, name: str) -> Path | None:
    """Find where the last run put this worker's tac, else guess; None where its name says nothing.

    A guess that is another system's path is none.
    """
    if remembered := recall(state_directory, name):
        return remembered
    guessed = guess_basedir(name)
    return Path(guessed) if guessed and Path(guessed).is_absolute() else None


def recall(state_directory: Path, name: str) -> Path | None:
    """Read where the last run put this worker's tac."""
    try:
        text = (state_directory / MEMORY).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    whose, _, where = text.rstrip("\n").partition(" ")
    return Path(where) if whose == name and Path(where).is_absolute() else None


def remember(state_directory: Path, name: str, basedir: Path) -> None:
    """Remember where this worker's tac is; a run that can't only warns."""
    if recall(state_directory, name) == basedir:
        return
    try:
        make_writable(state_directory)
        write_whole(state_directory / MEMORY, f"{name} {basedir}\n".encode())
    except (BadInput, OSError) as err:
        log.warning("where the tac is can't be remembered: %s", err)


def is_stopped(basedir: Path) -> bool:
    """Whether somebody has put a DO_NOT_START there; raises BadInput where nobody can tell."""
    try:
        stopped = (basedir / STOP).exists()
    except OSError as err:
        raise BadInput(f"base directory {basedir}: {err.strerror}") from err
    if stopped:
        log.warning("%s exists: nothing is started", basedir / STOP)
    return stopped


def make_basedir(basedir: Path) -> None:
    """Create the base directory where it is missing; raises BadInput."""
    try:
        basedir.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise BadInput(f"base directory {basedir}: {err.strerror}; see -d") from err


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; this user alone reads it. Raises OSError."""
    with replacing(path) as file:
        file.write(data)


def describe_tac(path: Path, now: datetime) -> str | None:
    """Say of when the tac is and how old; None where there is none.

    A clock that was set back makes no age below zero.
    """
    try:
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(microsecond=0)
    except OSError:
        return None
    age = max(timedelta(0), now.replace(microsecond=0) - written)
    return f"{path} of {format_time(written)}, {age} old"
