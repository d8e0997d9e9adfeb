"""The state directory, its locks, and the farm database that lives there by default."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from farmhand.errors import BadInput, LockHeld

SYSTEM_DIRECTORY = Path("/var/lib/farmhand")


def find_state_directory(environ: Mapping[str, str]) -> Path:
    """Find `$FARMHAND_STATE`, else /var/lib/farmhand if it exists, else the XDG state directory."""
    if chosen := environ.get("FARMHAND_STATE"):
        return Path(chosen)
    if SYSTEM_DIRECTORY.is_dir():
        return SYSTEM_DIRECTORY
    home = environ.get("XDG_STATE_HOME") or Path(environ.get("HOME", "/")) / ".local/state"
    return Path(home) / "farmhand"


def make_writable(directory: Path) -> None:
    """Create the state directory where it is missing.

    Raises BadInput when it can't be created, or exists and can't be written.
    """
    hint = "let this user write it, or set FARMHAND_STATE to another one"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise BadInput(f"state directory {directory}: {err.strerror}; {hint}") from err
    if not os.access(directory, os.W_OK | os.X_OK):
        raise BadInput(f"state directory {directory} can't be written; {hint}")


@contextmanager
def exclusive(directory: Path, name: str) -> Iterator[None]:
    """Hold the one lock of this name on this host; the kernel releases it when we die.

    Raises LockHeld, at once, while another process holds it; BadInput when it can't be opened.
    """
    path = directory / f"{name}.lock"
    with _open(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise LockHeld(f"another run holds {path}; this one does nothing") from err
        os.utime(file.fileno())  # since when, as `farmhand status` says
        yield


def _open(path: Path) -> TextIO:
    try:
        return path.open("a")
    except OSError as err:
        raise BadInput(f"lock {path}: {err.strerror}; was it made by another user?") from err
