"""`scanner build log`: a stored log, or what a daemon has of one that runs."""

import gzip
import re
import time
from collections.abc import Callable, Iterator, Mapping
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
        data = b"" if url is None else run_calls(_read_running(url, row))
        piece = cut(data, (start, most))
        print_text(escape(piece))
        if not follow:
            return Result()
        start = (max(0, len(data) + start) if start < 0 else start) + len(piece)
        most = None if most is None else most - len(piece)
        if run.remaining_s() <= FOLLOW_S or most == 0:
            return Result()
        time.sleep(FOLLOW_S)


def _url_of(daemons: list[dict[str, Any]], name: str | None) -> str | None:
    return next((each["url"] for each in daemons if each["daemon"] == name), None)


async def _read_running(url: str, row: Mapping[str, Any]) -> bytes:
    """Fetch what a daemon has of a running build's log; nothing if it has none."""
    pieces: list[bytes] = []
    transport = Transport(Limits())
    status = await transport.status(url)
    if not (status.cookie or "").startswith(f"{row['build']}-"):
        return b""
    try:
        await transport.fetch(url, LOG_NAME, pieces.append, most_bytes=2**28)
    except FileMissing:
        return b""
    return b"".join(pieces)


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


def cut(data: bytes, span: Span) -> bytes:
    """Cut bytes out of a log.

    >>> cut(b"0123456789", (2, 3)), cut(b"0123456789", (-2, None))
    (b'234', b'89')
    """
    start, most = span
    start = max(0, len(data) + start) if start < 0 else start
    return data[start:] if most is None else data[start : start + most]


def escape(data: bytes) -> str:
    r"""Show a log's bytes as text that no terminal obeys; lines and tabs stay.

    >>> escape(b"ok\n\x1b[31mred\xff")
    'ok\n\\x1b[31mred\\xff'
    """
    text = data.decode("utf-8", "backslashreplace")
    return CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)
