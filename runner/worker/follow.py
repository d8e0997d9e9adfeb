"""Follow a log file that grows, is rotated and is truncated; reads files only."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

CHUNK_BYTES = 2**16
LONGEST_LINE = 2**16
FINGERPRINT_BYTES = 256
MOST_ROTATED = 100


class Follower:
    """What is added to a log from now on, or from its start, as whole lines.

    A file that was rotated is read to its end first: by twistd it is `twistd.log.1` then. The open
    file keeps its inode, so no new file can have the same. Truncation shows in the bytes before
    our position.
    """

    def __init__(self, path: Path, *, from_start: bool = False) -> None:
        self._path = path
        self._file: int | None = None
        self._position = 0
        self._before = b""
        self._partial = b""
        file = self._open(path)
        if file is not None and not from_start:
            self._skip_to_end(file)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def read_lines(self) -> Iterator[str]:
        """Read the lines that were completed since the last call."""
        file = self._file if self._file is not None else self._open(self._path)
        if file is None:
            return
        yield from self._read_on(file)
        for path in self._find_newer(os.fstat(file)):
            self._partial = b""
            opened = self._open(path)
            if opened is not None:
                yield from self._read_on(opened)

    def _open(self, path: Path) -> int | None:
        try:
            opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        self.close()
        self._file, self._position, self._before = opened, 0, b""
        return opened

    def _skip_to_end(self, file: int) -> None:
        size = os.fstat(file).st_size
        start = max(0, size - FINGERPRINT_BYTES)
        self._before = os.pread(file, size - start, start)
        self._position = start + len(self._before)

    def _read_on(self, file: int) -> Iterator[str]:
        if self._is_truncated(file):
            self._position, self._before, self._partial = 0, b"", b""
        while chunk := os.pread(file, CHUNK_BYTES, self._position):
            self._position += len(chunk)
            self._before = (self._before + chunk)[-FINGERPRINT_BYTES:]
            # Who goes on writing at its old place in a truncated file leaves a hole of NULs there.
            *lines, rest = (self._partial + chunk.replace(b"\0", b"")).split(b"\n")
            self._partial = rest[:LONGEST_LINE]
            yield from (line[:LONGEST_LINE].decode("utf-8", "replace") for line in lines)

    def _is_truncated(self, file: int) -> bool:
        length = len(self._before)
        return os.pread(file, length, self._position - length) != self._before

    def _find_newer(self, ours: os.stat_result) -> list[Path]:
        """List the files begun after the one we have open, oldest first."""
        newer: list[Path] = []
        for path in rotated(self._path):
            try:
                found = path.stat()
            except OSError:
                break
            if os.path.samestat(found, ours):
                return newer[::-1]
            newer.append(path)
        # Not found any more: only what is there now is surely newer.
        return newer[:1]


def rotated(path: Path) -> Iterable[Path]:
    """Name a log and what it was rotated to, newest first: `log`, `log.1`, `log.2`, …"""
    yield path
    for number in range(1, MOST_ROTATED):
        yield path.with_name(f"{path.name}.{number}")
