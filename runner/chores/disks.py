"""How much memory and disk this machine has left; reads only."""

import os
from dataclasses import dataclass
from pathlib import Path

from farmhand.errors import Unavailable

MEMINFO = Path("/proc/meminfo")
GIB = 1 << 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Disk:
    """A file system; `free_inodes` is None where it has no such number."""

    path: Path
    free_gib: float = 0.0
    free_inodes: int | None = None
    read_only: bool = False
    problem: str = ""


def read_disk(path: Path) -> Disk:
    """Read what is left of the file system that a path is on, for those who are not root."""
    try:
        found = os.statvfs(path)
    except OSError as err:
        return Disk(path=path, problem=err.strerror or str(err))
    return Disk(
        path=path,
        free_gib=found.f_bavail * found.f_frsize / GIB,
        free_inodes=found.f_favail if found.f_files else None,
        read_only=bool(found.f_flag & os.ST_RDONLY),
    )


def read_free_memory_percent(meminfo: Path = MEMINFO) -> float:
    """Read how much of the memory a program could still have; raises Unavailable."""
    try:
        words = [line.split() for line in meminfo.read_text("ascii").splitlines()]
        kib = {each[0]: int(each[1]) for each in words if len(each) > 1}
        return 100 * kib["MemAvailable:"] / kib["MemTotal:"]
    except (OSError, ValueError, KeyError, ZeroDivisionError) as err:
        raise Unavailable(f"{meminfo}: {err}") from err
