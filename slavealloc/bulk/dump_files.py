"""Dumps as files: read from a file or stdin, written to a file or stdout."""

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import sqlalchemy as sa

from farmhand.errors import BadInput, FarmError
from farmhand.files import replacing
from farmhand.tables import farm
from slavealloc.bulk.dump import MOST_LINE_BYTES, Row, parse_dump

STANDARD = Path("-")
MOST_TEXT_BYTES = {"mysql": 65_535, "mariadb": 65_535}
SECRET_BYTES = 24


@dataclass(frozen=True, kw_only=True, slots=True)
class DumpFile:
    """An open dump, which can be read again from its start."""

    name: str
    stream: BinaryIO


@contextmanager
def open_dump(path: Path) -> Iterator[DumpFile]:
    """Open a dump; what comes through a pipe, as stdin (-) may, is copied first.

    Raises BadInput.
    """
    try:
        source = os.fdopen(os.dup(0), "rb") if path == STANDARD else path.open("rb")
    except OSError as err:
        raise BadInput(f"{path}: {err.strerror}") from err
    with source:
        if source.seekable():
            yield DumpFile(name=str(path), stream=source)
            return
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(source, copy)
            yield DumpFile(name="stdin" if path == STANDARD else str(path), stream=copy)


def read_dump(file: DumpFile, *, backend: str, scrub: bool = False) -> Iterator[Row]:
    """Read a dump's rows for a kind of database, from the start; `scrub` gives new passwords and
    leaves tokens out.

    They are a dump's only once the last one was read. Raises BadInput.
    """
    file.stream.seek(0)
    lines = iter(partial(file.stream.readline, MOST_LINE_BYTES + 1), b"")
    for table, row in parse_dump(lines, file.name, most_text_bytes=MOST_TEXT_BYTES.get(backend)):
        if not scrub:
            yield table, row
        elif table is not farm.tokens:  # who may change one farm may not change its copy
            yield table, _scrub(table, row)


def _scrub(table: sa.Table, row: Mapping[str, Any]) -> Mapping[str, Any]:
    if table is farm.worker_passwords:
        return {**row, "password": secrets.token_urlsafe(SECRET_BYTES)}
    return row


def write_dump(path: Path | None, lines: Iterable[bytes]) -> int:
    """Write a dump to stdout, or to a file that only its owner can read; return its lines.

    The file is there whole or as it was before. Raises FarmError where it can't be written.
    """
    if path is None or path == STANDARD:
        return _write_stdout(lines)
    if path.exists() and not path.is_file():
        raise BadInput(f"{path}: is not a file; give none for stdout")
    try:
        with ExitStack() as stack:
            try:
                out = stack.enter_context(replacing(path))
            except OSError as err:
                raise BadInput(f"{path}: can't be written: {err.strerror}") from err
            return _write(out, lines, str(path))
    except OSError as err:
        raise FarmError(f"{path}: {err.strerror}") from err


def _write_stdout(lines: Iterable[bytes]) -> int:
    try:
        return _write(sys.stdout.buffer, lines, "stdout")
    except FarmError:
        # What is still buffered would fail again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def _write(out: BinaryIO, lines: Iterable[bytes], name: str) -> int:
    number = 0
    for line in lines:
        number += 1
        with _writing(name):
            out.write(line)
    with _writing(name):
        out.flush()
    return number


@contextmanager
def _writing(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise FarmError(f"{name}: {err.strerror}; the dump is cut") from err
