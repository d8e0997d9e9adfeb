"""A part of a file, from one byte to another, a piece at a time."""

from collections.abc import Iterator
from io import BufferedIOBase

CHUNK = 2**16
Span = tuple[int, int | None]
"""The first byte, below 0 so many of the last; and how many at most, None for all."""


def read_span(file: BufferedIOBase, span: Span) -> Iterator[bytes]:
    """Read a part of an open file, plain or packed; raises what its reading does."""
    start, left = span
    if start < 0:
        start = max(0, file.seek(0, 2) + start)
    file.seek(start)
    while data := file.read(CHUNK if left is None else min(CHUNK, left)):
        left = None if left is None else left - len(data)
        yield data
