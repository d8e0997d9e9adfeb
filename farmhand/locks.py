"""Who holds which lock of the state directory on this host; takes none, writes nothing."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

KERNEL_LOCKS = Path("/proc/locks")
# "1: FLOCK  ADVISORY  WRITE 10521 fe:00:2277831 0 EOF"; "->" is one that waits.
HELD = re.compile(r"\d+: FLOCK +\w+ +WRITE +(\d+) +[\da-f]+:[\da-f]+:(\d+) ")


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """A lock that is held; the process is None where it is in another container."""

    name: str
    pid: int | None
    since: datetime


def find_locks(directory: Path) -> Iterator[Lock]:
    """Find the locks that are held, by name, as the kernel tells."""
    try:
        held = parse_locks(KERNEL_LOCKS.read_text("ascii"))
    except OSError:
        return
    for path in sorted(directory.glob("*.lock")):
        status = path.stat()
        if status.st_ino in held:
            yield Lock(
                name=path.stem,
                pid=held[status.st_ino] or None,
                since=datetime.fromtimestamp(status.st_mtime, UTC),
            )


def parse_locks(text: str) -> dict[int, int]:
    """Read the kernel's list: inode of a file that is locked → process.

    >>> parse_locks("1: FLOCK  ADVISORY  WRITE 10521 fe:00:2277831 0 EOF")
    {2277831: 10521}
    """
    return {int(inode): int(pid) for line in text.splitlines() for pid, inode in HELD.findall(line)}
