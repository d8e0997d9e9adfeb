"""`scanner build log`: a stored log, or what a daemon has of one that runs."""

import codecs
import gzip
import logging
import re
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from farmhand.command import Result, Run
from farmhand.errors import FarmError
from farmhand.output import print_json, print_lines, print_text
from scanner.models import QueueStatus
from scanner.settings import Settings
from scanner.transport.calls import LOG_NAME, MOST_LOG_BYTES, Limits, Transport, run_calls
from scanner.transport.errors import FileMissing, NothingMore
from scanner.verbs.builds import read_build
from scanner.verbs.spans import Span, read_span

log = logging.getLogger("scanner")
FOLLOW_S = 2.0
MOST_AT_ONCE = 2**24
RUNS = (QueueStatus.RUNNING, QueueStatus.CANCELLING)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def print_path(run: Run, settings: Settings, build_id: int) -> Result:
    """Say where a build's log is; with --json also that it is nowhere yet."""
    row = _read(settings, build_id)
    path = str(settings.store.root / row["log"]) if row["log"] else None
    if run.json:
        print_json({"build": build_id, "path": path, "log_bytes": row["log_bytes"]})
    elif path is None:
        raise FarmError(f"build {build_id} has no log in the store: it is {row['state']}")
    else:
        print_lines([path])
    return Result()


def _read(settings: Settings, build_id: int) -> Mapping[str, Any]:
    with settings.open_database(reading=True).begin() as connection:
        return read_build(connection, build_id)


def print_log(run: Run, settings: Settings, build_id: int, span: Span, *, follow: bool) -> Result:
    """Print a log, from one byte to another; while it is written, from its daemon."""
    printer = LogPrinter(span)
    while True:
        row = _read(settings, build_id)
        if row["log"] is not None:
            printer.print_stored(settings.store.root / row["log"])
            return Result()
        runs = row["queue"] in RUNS and row["url"] is not None
        if row["queue"] is None or not (runs or follow):
            raise FarmError(f"build {build_id} has no log: it is {row['queue'] or row['state']}")
        more = runs and printer.print_running(row, patient=follow)
        if printer.left == 0 or not (more or follow):
            return Result()
        if not more:
            if run.remaining_s() <= FOLLOW_S:
                return Result()
            time.sleep(FOLLOW_S)


class LogPrinter:
    """Prints a log, a part at a time: from `start` on, below 0 so many of the last bytes."""

    def __init__(self, span: Span) -> None:
        self.start, self.left = span
        self._cookie: str | None = None
        self._trouble = ""
        self._text = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def print_stored(self, path: Path) -> None:
        """Print the rest of a log that is in the store. Raises FarmError where it is not."""
        self._belongs_to(path.name.removeprefix("log-for-").removesuffix(".txt.gz"))
        for piece in read_stored(path, (self.start, self.left)):
            self._print(piece)
        self._print(b"", final=True)

    def print_running(self, row: Mapping[str, Any], *, patient: bool) -> bool:
        """Print what a daemon has more of a log; say whether there is more than that.

        Its silence is an error, unless somebody is `patient`.
        """
        try:
            part, more = run_calls(self._fetch(row))
        except FarmError as err:
            if not patient:
                raise
            if str(err) != self._trouble:
                log.warning("%s", err)
            self._trouble = str(err)
            return False
        self._trouble = ""
        self._print(part)
        return more

    async def _fetch(self, row: Mapping[str, Any]) -> tuple[bytes, bool]:
        transport = Transport(Limits())
        if self.left == 0:
            return b"", False
        if (await transport.status(row["url"])).cookie != row["cookie"]:
            return b"", False
        self._belongs_to(row["cookie"])
        part = bytearray()
        try:
            if self.start < 0:
                keep = LastBytes(-self.start)
                await transport.fetch(row["url"], LOG_NAME, keep.write, most_bytes=MOST_LOG_BYTES)
                self.start = keep.seen - len(keep.data)
                return bytes(keep.data[: self.left]), False
            most = MOST_AT_ONCE if self.left is None else min(self.left, MOST_AT_ONCE)
            write = _first(part, most)
            await transport.fetch_log(row["url"], write, start=self.start, most_bytes=most)
        except (FileMissing, NothingMore):
            return b"", False
        return bytes(part), len(part) == most

    def _belongs_to(self, cookie: str) -> None:
        """Begin again where a build does, on another daemon."""
        if self._cookie not in {None, cookie}:
            log.warning("it begins again, as %s", cookie)
            self.start = 0
            self._text.reset()
        self._cookie = cookie

    def _print(self, data: bytes, *, final: bool = False) -> None:
        self.start += len(data)
        self.left = None if self.left is None else self.left - len(data)
        print_text(escape(self._text.decode(data, final)))


def _first(part: bytearray, most: int) -> Callable[[bytes], None]:
    def write(data: bytes) -> None:
        part.extend(data[: most - len(part)])

    return write


class LastBytes:
    """Takes a log as it comes, and keeps so many of its last bytes."""

    def __init__(self, most: int) -> None:
        self.data = bytearray()
        self.seen = 0
        self._most = min(most, MOST_AT_ONCE)

    def write(self, data: bytes) -> None:
        """Take the next piece."""
        self.seen += len(data)
        self.data += data
        del self.data[: max(0, len(self.data) - self._most)]


def read_stored(path: Path, span: Span) -> Iterator[bytes]:
    """Read a part of a stored log. Raises FarmError where it can't be read."""
    try:
        with gzip.open(path) as file:
            yield from read_span(file, span)
    except (OSError, EOFError, zlib.error) as err:
        raise FarmError(f"{path}: {getattr(err, 'strerror', None) or err}") from err


def escape(text: str) -> str:
    r"""Show a log's text as what no terminal obeys; lines and tabs stay.

    >>> escape("ok\n\x1b[31mred")
    'ok\n\\x1b[31mred'
    """
    return CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)
