"""How logs are shown: whole characters, from a byte on, and what can't be read."""

import gzip
from pathlib import Path

import pytest

from farmhand.errors import FarmError
from scanner.verbs.logs import LastBytes, LogPrinter, escape
from scanner.verbs.spans import CHUNK


def stored(directory: Path, log: bytes) -> Path:
    path = directory / "log-for-1-1.txt.gz"
    path.write_bytes(gzip.compress(log))
    return path


def test_a_character_is_shown_whole_wherever_a_piece_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "x" * (CHUNK - 1) + "é\n"
    LogPrinter((0, None)).print_stored(stored(tmp_path, text.encode()))
    assert capsys.readouterr().out == text


@pytest.mark.parametrize(
    ("start", "most", "shown"),
    [
        (0, None, "0123456789"),
        (3, 2, "34"),
        (3, None, "3456789"),
        (-3, None, "789"),
        (-99, 1, "0"),
        (99, None, ""),
        (0, 0, ""),
    ],
)
def test_a_part_of_a_log_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], start: int, most: int | None, shown: str
) -> None:
    LogPrinter((start, most)).print_stored(stored(tmp_path, b"0123456789"))
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize("damage", ["away", "short", "other"])
def test_a_log_that_can_not_be_read_is_named(tmp_path: Path, damage: str) -> None:
    path = stored(tmp_path, b"0123456789" * 99)
    whole = path.read_bytes()
    path.write_bytes({"away": b"", "short": whole[:20], "other": b"no gzip"}[damage])
    if damage == "away":
        path.unlink()
    with pytest.raises(FarmError, match=path.name):
        LogPrinter((0, None)).print_stored(path)


def test_of_a_log_that_runs_the_last_bytes_are_kept() -> None:
    keep = LastBytes(4)
    for piece in (b"012", b"345678", b"9"):
        keep.write(piece)
    assert (bytes(keep.data), keep.seen) == (b"6789", 10)


def test_what_a_terminal_would_obey_is_shown_escaped() -> None:
    said = escape("a\tb\n\x1b[2J\x07\r\x00 \x9b1m")
    assert said == "a\tb\n\\x1b[2J\\x07\\r\\x00 \\x9b1m"
