"""Directories of builds, as old as a test needs them."""

import os
from datetime import UTC, datetime
from pathlib import Path

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = 86400.0


def make_build(path: Path, days: float, size: int = 0) -> Path:
    """Make a directory of a build that nobody has changed for so many days."""
    (path / "build").mkdir(parents=True)
    (path / "build/object").write_bytes(bytes(size))
    for each in (path / "build/object", path / "build", path):
        age(each, days)
    return path


def age(path: Path, days: float) -> None:
    """Make a file, directory or link so many days old."""
    then = NOW.timestamp() - days * DAY
    os.utime(path, (then, then), follow_symlinks=False)
