"""What stdout gets, whatever it can take."""

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from farmhand.errors import FarmError
from farmhand.output import print_lines, print_table, print_text, write_bytes

SAYS: dict[str, Callable[[], None]] = {
    "lines": lambda: print_lines(["said"]),
    "a table": lambda: print_table(["builder"], [["said"]]),
    "a text": lambda: print_text("said"),
    "bytes": lambda: write_bytes([b"said", b"said" * 10_000]),
}


@pytest.mark.parametrize(
    ("encoding", "escaped"), [("ascii", b"\\u2192 \\udce9"), ("utf-8", "→ \\udce9".encode())]
)
@pytest.mark.parametrize(
    "say",
    [
        pytest.param(lambda name: print_lines([name]), id="lines"),
        pytest.param(lambda name: print_table(["builder"], [[name]]), id="table"),
    ],
)
def test_what_the_encoding_has_not_is_escaped(
    monkeypatch: pytest.MonkeyPatch, encoding: str, escaped: bytes, say: Callable[[str], None]
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    say("→ \udce9")
    assert escaped in raw.getvalue()


@pytest.mark.fault(
    "the disk that stdout goes to is full: {id}", "exit 3: stdout: No space left on device"
)
@pytest.mark.parametrize("what", SAYS)
def test_stdout_on_a_full_disk_is_a_failure_and_no_bug(
    monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(FarmError, match="stdout: No space left on device") as raised:
            SAYS[what]()
    assert raised.value.exit_code == 3


@pytest.mark.fault(
    "who reads stdout stops reading, as head does: {id}", "it has read enough: exit 0"
)
@pytest.mark.parametrize("what", SAYS)
def test_who_stops_reading_has_read_enough(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        SAYS[what]()
        SAYS[what]()
        assert Path(f"/proc/self/fd/{theirs}").readlink() == Path(os.devnull)
