"""The bar is for terminals only."""

import logging
import sys
from io import StringIO

import pytest

from scanner.progress import progress_bar


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_says_how_many_daemons_were_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    drawn = Terminal()
    with progress_bar(drawn) as show:
        show(3, 12)
    assert "3/12" in drawn.getvalue()


def test_log_lines_stand_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    drawn = Terminal()
    monkeypatch.setattr(sys, "stderr", drawn)
    handler = logging.StreamHandler(drawn)
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    with progress_bar(drawn) as show:
        show(3, 12)
        logging.getLogger("scanner").error("it is disabled")
    assert "\x1b[2Kit is disabled\n" in drawn.getvalue()
    assert handler.stream is drawn


def test_elsewhere_nothing_is_drawn() -> None:
    drawn = StringIO()
    with progress_bar(drawn) as show:
        show(3, 12)
    assert drawn.getvalue() == ""
