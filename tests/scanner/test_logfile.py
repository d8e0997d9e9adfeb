"""Logs on their way to disk: whole, or the beginning and the end."""

import gzip
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scanner.logfile import LogFile


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
