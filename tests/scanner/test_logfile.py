"""Logs on their way to disk: whole, or the beginning and the end."""

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scanner.logfile import LogFile
from scanner.verbs.logs import LogPart, escape, read_stored


def store(path: Path, pieces: list[bytes], head: int, tail: int) -> bytes:
    with LogFile(path, head_bytes=head, tail_bytes=tail) as log:
        for piece in pieces:
            log.write(piece)
    assert log.size == sum(map(len, pieces))
    return gzip.decompress(path.read_bytes())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=20), max_size=8), st.integers(0, 30), st.integers(0, 30))
def test_what_fits_is_kept_whole_and_of_more_the_beginning_and_the_end(
    tmp_path: Path, pieces: list[bytes], head: int, tail: int
) -> None:
    whole = b"".join(pieces)
    kept = store(tmp_path / "log", pieces, head, tail)
    if len(whole) <= head + tail:
        assert kept == whole
        return
    missing = len(whole) - head - tail
    cut_here = f"\n[… {missing} bytes left out here …]\n".encode()
    assert kept == whole[:head] + cut_here + whole[len(whole) - tail :]


def test_a_long_log_takes_little_memory(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log", head_bytes=10, tail_bytes=1000)
    with log:
        for _ in range(1000):
            log.write(b"x" * 10_000)
            assert len(log._tail) < 300_000
    assert log.size == 10_000_000


def test_the_same_log_is_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        store(tmp_path / name, [b"building"], 100, 100)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


SPANS = {
    (0, None): b"0123456789",
    (3, None): b"3456789",
    (3, 4): b"3456",
    (-4, None): b"6789",
    (-99, None): b"0123456789",
    (99, None): b"",
}


@pytest.mark.parametrize(("span", "expected"), SPANS.items())
def test_a_log_is_read_from_any_byte_stored_or_not(
    tmp_path: Path, span: tuple[int, int | None], expected: bytes
) -> None:
    whole = b"0123456789"
    store(tmp_path / "log", [whole], 100, 100)
    assert b"".join(read_stored(tmp_path / "log", span)) == expected
    part = LogPart(*span)
    for size in range(0, 10, 3):
        part.write(whole[size : size + 3])
    assert bytes(part.data) == expected
    if span[0] <= 10 and span[1] is None:
        assert part.end == 10


def test_what_a_terminal_would_obey_is_shown_escaped() -> None:
    said = escape(b"a\tb\n\x1b[2J\x07\r\x00 \xc2\x9b1m \xff")
    assert said == "a\tb\n\\x1b[2J\\x07\\r\\x00 \\x9b1m \\xff"
