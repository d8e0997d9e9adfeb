"""A build's log on its way to disk: gzip, and of a long one the beginning and the end only."""

import gzip
from pathlib import Path
from types import TracebackType

SLACK = 2**18
CUT = "\n[… {} bytes left out here …]\n"


class LogFile:
    """Takes a log as it comes; `size` counts all of it, kept or not."""

    def __init__(self, path: Path, *, head_bytes: int, tail_bytes: int) -> None:
        self.size = 0
        self._head_left = head_bytes
        self._tail_bytes = tail_bytes
        self._tail = bytearray()
        self._file = path.open("wb")
        # No name and no time in it: the same log is the same file.
        self._gzip = gzip.GzipFile("", "wb", compresslevel=6, fileobj=self._file, mtime=0)

    def write(self, data: bytes) -> None:
        """Take the next piece."""
        self.size += len(data)
        head, rest = data[: self._head_left], data[self._head_left :]
        if head:
            self._head_left -= len(head)
            self._gzip.write(head)
        self._tail += rest
        if len(self._tail) > self._tail_bytes + SLACK:
            del self._tail[: len(self._tail) - self._tail_bytes]

    def __enter__(self) -> "LogFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write the end, also of a log that did not come whole."""
        with self._file:
            kept = self._tail[max(0, len(self._tail) - self._tail_bytes) :]
            written = self._gzip.tell()
            missing = self.size - written - len(kept)
            if missing > 0:
                self._gzip.write(CUT.format(missing).encode())
            self._gzip.write(kept)
            self._gzip.close()
