"""Files that are there whole, or as they were before; that hold secrets, or a process id."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO

from farmhand.errors import BadInput


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes this one's place once all is written; only this user reads it.

    It survives a crash of the machine too. Raises OSError.
    """
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(draft).unlink()
        raise
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_open_to_others(file: IO[Any]) -> bool:
    """Whether more people than its owner and group may read a file; where modes mean something."""
    return os.name != "nt" and bool(os.fstat(file.fileno()).st_mode & 0o007)


def read_pid(path: Path) -> int | None:
    """Read a process id; None where there is no file, or something else in it.

    Raises BadInput where the file can't be read.
    """
    try:
        text = path.read_bytes().strip()
    except FileNotFoundError:
        return None
    except OSError as err:
        raise BadInput(f"{path}: {err.strerror}") from err
    return int(text) if re.fullmatch(rb"[1-9]\d{0,8}", text) else None
