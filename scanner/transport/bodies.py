"""What takes a response's body: a reply is kept, a file is written and summed as it comes."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from scanner.transport.errors import ProtocolError, TooLarge


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """A file that came whole."""

    size: int
    sha1: str
    sha256: str


class Reply:
    """Keeps a reply's body."""

    wants_part = False

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.body = bytearray()

    def begin(self, length: int | None, first: int) -> None:
        """Refuse one that is too large. Raises TooLarge."""
        if length is not None and length > self.most_bytes:
            raise TooLarge(f"the reply has {length} bytes; {self.most_bytes} are the most")

    def take(self, data: bytes) -> None:
        """Keep the next bytes."""
        self.body += data


class Download:
    """Writes a file as it comes, from a byte on, and sums what comes."""

    def __init__(
        self, write: Callable[[bytes], object], most_bytes: int, *, start: int | None = None
    ) -> None:
        self.most_bytes = most_bytes
        self.wants_part = start is not None
        self._write = write
        self._skip = start or 0
        self._length = 0
        self._size = 0
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._sha256 = hashlib.sha256()

    def begin(self, length: int | None, first: int) -> None:
        """Refuse one that is too large, or does not say. Raises ProtocolError."""
        if length is None:
            raise ProtocolError("the response has no Content-Length")
        if length > self.most_bytes:
            raise TooLarge(f"it has {length} bytes; {self.most_bytes} are the most")
        if first > self._skip:
            raise ProtocolError(f"it begins with byte {first}, which is too late")
        self._length = length
        self._skip -= first

    def take(self, data: bytes) -> None:
        """Write the next bytes."""
        self._write(data[self._skip :])
        self._skip -= min(self._skip, len(data))
        self._size += len(data)
        self._sha1.update(data)
        self._sha256.update(data)

    def finish(self, expected: str | None) -> Fetched:
        """Look whether it is the file that was meant, by its SHA-1. Raises ProtocolError."""
        sha1 = self._sha1.hexdigest()
        if self._size != self._length:
            raise ProtocolError(f"it has {self._size} bytes, not {self._length}")
        if expected not in {None, sha1}:
            raise ProtocolError(f"its content has another SHA-1, {sha1}")
        return Fetched(size=self._size, sha1=sha1, sha256=self._sha256.hexdigest())
