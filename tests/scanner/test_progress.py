"""The bar is for terminals only."""

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


def test_elsewhere_nothing_is_drawn() -> None:
    drawn = StringIO()
    with progress_bar(drawn) as show:
        show(3, 12)
    assert drawn.getvalue() == ""
