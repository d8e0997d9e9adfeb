"""`scanner build log`: a stored log, or what a daemon has of one that runs."""

import gzip
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from farmhand.command import Result, Run
from farmhand.errors import FarmError
from farmhand.output import print_json, print_lines, print_text
from scanner import operator_queries
from scanner.errors import FileMissing
from scanner.settings import Settings
from scanner.transport import LOG_NAME, Limits, Transport, run_calls
from scanner.verbs.builds import read_build

FOLLOW_S = 2.0
CHUNK = 2**16
MOST_AT_ONCE = 2**24
MOST_LOG = 2**32
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
Span = tuple[int, int | None]


def print_path(run: Run, settings: Settings, build_id: int) -> Result:
    """Say where a build's log is."""
    with settings.open_database(reading=True).begin() as connection:
        row = read_build(connection, build_id)
    if row["log"] is None:
        raise FarmError(f"build {build_id} has no log in the store: it is {row['state']}")
    path = str(settings.store.root / row["log"])
    if run.json:
        print_json({"build": build_id, "path": path, "log_bytes": row["log_bytes"]})
    else:
        print_lines([path])
    return Result()


def print_log(run: Run, settings: Settings, build_id: int, span: Span, *, follow: bool) -> Result:
    """Print a log, from one byte to another; while it is written, from its daemon."""
    start, most = span
    while True:
        with settings.open_database(reading=True).begin() as connection:
            row = read_build(connection, build_id)
            url = _url_of(operator_queries.list_daemons(connection), row["daemon"])
        if row["log"] is not None:
            for piece in read_stored(settings.store.root / row["log"], (start, most)):
                print_text(escape(piece))
            return Result()
        if row["queue"] is None:
            raise FarmError(f"build {build_id} has no log: it is {row['state']}")
        part = LogPart(start, most)
        if url is not None:
            run_calls(_read_running(url, row, part))
        print_text(escape(bytes(part.data)))
        if not follow:
            return Result()
        start = part.end
        most = None if most is None else most - len(part.data)
        if run.remaining_s() <= FOLLOW_S or most == 0:
            return Result()
        time.sleep(FOLLOW_S)


def _url_of(daemons: list[dict[str, Any]], name: str | None) -> str | None:
    return next((each["url"] for each in daemons if each["daemon"] == name), None)


class LogPart:
    """Takes a log as it comes, and keeps a part of it: from `start` on, or so many of the last."""

    def __init__(self, start: int, most: int | None) -> None:
        self.data = bytearray()
        self._start = start
        self._most = MOST_AT_ONCE if most is None else min(most, MOST_AT_ONCE)
        self._seen = 0

    @property
    def end(self) -> int:
        """Where the next part begins."""
        began = max(0, self._seen + self._start) if self._start < 0 else self._start
        return began + len(self.data)

    def write(self, data: bytes) -> None:
        """Take the next piece."""
        before, self._seen = self._seen, self._seen + len(data)
        if self._start < 0:
            self.data += data
            del self.data[: max(0, len(self.data) + self._start)]
            return
        self.data += data[max(0, self._start - before) :]
        del self.data[self._most :]


async def _read_running(url: str, row: Mapping[str, Any], part: LogPart) -> None:
    """Fetch what a daemon has of a running build's log; nothing if it has none."""
    transport = Transport(Limits())
    status = await transport.status(url)
    if not (status.cookie or "").startswith(f"{row['build']}-"):
        return
    with suppress(FileMissing):
        await transport.fetch(url, LOG_NAME, part.write, most_bytes=MOST_LOG)


def read_stored(path: Path, span: Span) -> Iterator[bytes]:
    """Read a stored log from one byte on, a piece at a time; below 0: so many of the last."""
    start, most = span
    with gzip.open(path) as file:
        if start < 0:
            start = max(0, _length(path) + start)
        file.seek(start)
        left = most
        while data := file.read(CHUNK if left is None else min(CHUNK, left)):
            left = None if left is None else left - len(data)
            yield data


def _length(path: Path) -> int:
    with gzip.open(path) as file:
        return sum(len(data) for data in iter(_reader(file), b""))


def _reader(file: gzip.GzipFile) -> Callable[[], bytes]:
    return lambda: file.read(CHUNK)


def escape(data: bytes) -> str:
    r"""Show a log's bytes as text that no terminal obeys; lines and tabs stay.

    >>> escape(b"ok\n\x1b[31mred\xff")
    'ok\n\\x1b[31mred\\xff'
    """
    text = data.decode("utf-8", "backslashreplace")
    return CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)
