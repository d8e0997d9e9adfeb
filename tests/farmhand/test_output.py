"""What stdout gets, whatever it can take."""

import io
import sys
from collections.abc import Callable

import pytest

from farmhand.output import print_lines, print_table


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
