"""A real file system of its own, small enough to be filled; needs root."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")


@contextlib.contextmanager
def mounted(at: Path, options: str = "size=4m,nr_inodes=4000") -> Iterator[Path]:
    """Mount a tmpfs."""
    at.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(at)], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


def fill(disk: Path) -> None:
    """Write until there is no more room."""
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(65536))


def names(directory: Path) -> list[str]:
    """Name what is in a directory."""
    return sorted(path.name for path in directory.iterdir())


def free_bytes(path: Path) -> int:
    """Return what is free for who is not root."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize
