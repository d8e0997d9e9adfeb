"""What one life of a worker leaves to the next, and the room on its disk."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from farmhand.errors import FarmError
from farmhand.state import find_state_directory
from runner.chores.wishes import read_note, write_note

log = logging.getLogger("runner.worker")

FILE = "worker.json"
GIB = 1 << 30


def read_failures(environ: Mapping[str, str]) -> int:
    """Read how many builds in a row had failed fast when the last worker ended."""
    count = read_note(find_state_directory(environ) / FILE).get("fast_failures")
    return count if isinstance(count, int) else 0


def write_failures(environ: Mapping[str, str], count: int) -> None:
    """Leave it to the next one; where that can't be written, it begins anew."""
    try:
        write_note(find_state_directory(environ) / FILE, {"fast_failures": count})
    except FarmError as err:
        log.warning("%s", err)


def read_free_gib(directory: Path) -> float:
    """Read how much is free for who is not root; endless where nobody can say."""
    try:
        found = os.statvfs(directory)
    except OSError:
        return float("inf")
    return found.f_bavail * found.f_frsize / GIB
