"""What a task prints, line by line into the log, up to a limit."""

import logging
import os
import select

from runner.protocol import MARK, parse_said

log = logging.getLogger("runner")
LINE_BYTES = 8192
CHUNK = 65536


class Transcript:
    """Takes bytes as they come; what is beyond the limit is counted only.

    `said` is what was printed for the runner itself, wherever in the output.
    """

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self.left = limit
        self.dropped = 0
        self.rest = b""
        self.unheard = b""
        self.said: dict[str, str] = {}

    def feed(self, data: bytes) -> None:
        """Log the lines that are whole now; a line without an end is cut where it is too long."""
        self._hear(data)
        taken, beyond = data[: self.left], len(data) - self.left
        self.left -= len(taken)
        if beyond > 0:
            if self.dropped == 0:
                log.warning("%s: prints more than is logged; the rest is dropped", self.name)
            self.dropped += beyond
        if not taken:
            return
        *lines, self.rest = (self.rest + taken).split(b"\n")
        for line in lines:
            self._say(line)
        while len(self.rest) >= LINE_BYTES:
            self._say(self.rest[:LINE_BYTES])
            self.rest = self.rest[LINE_BYTES:]

    def close(self) -> None:
        """Log what has no line's end, and how much was dropped."""
        self._hear(b"\n")
        if self.rest:
            self._say(self.rest)
            self.rest = b""
        if self.dropped:
            log.warning("%s: %d bytes of its output were dropped", self.name, self.dropped)

    def _hear(self, data: bytes) -> None:
        *lines, rest = (self.unheard + data).split(b"\n")
        self.unheard = rest[:LINE_BYTES]
        for line in lines:
            if line.startswith(MARK) and (said := parse_said(line.decode("utf-8", "replace"))):
                self.said[said[0]] = said[1]

    def _say(self, line: bytes) -> None:
        if line := line.rstrip(b"\r"):
            log.info("%s: %s", self.name, line.decode("utf-8", "backslashreplace"))


class Output:
    """The end of a pipe that we read, and where that goes; `open` while somebody can print."""

    def __init__(self, fd: int, transcript: Transcript) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self.transcript = transcript
        self.open = True

    def read(self) -> None:
        """Take what is there, but only so much at a time."""
        try:
            data = os.read(self.fd, CHUNK)
        except BlockingIOError:
            return
        self.open = bool(data)
        self.transcript.feed(data)

    def finish(self) -> None:
        """Take what is there now, and no more: somebody may hold the pipe for ever."""
        for _ in range(64):
            if not self.open or not select.select([self.fd], [], [], 0)[0]:
                break
            self.read()
        self.transcript.close()
