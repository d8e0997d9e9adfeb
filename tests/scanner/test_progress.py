"""The bar is for terminals only."""

from io import StringIO

import pytest
from rich.console import Console

from scanner.progress import progress_bar


@pytest.mark.parametrize(("terminal", "shown"), [(True, True), (False, False)])
def test_a_bar_says_how_many_daemons_were_looked_at(terminal: bool, shown: bool) -> None:
    drawn = StringIO()
    with progress_bar(Console(file=drawn, force_terminal=terminal)) as show:
        show(3, 12)
    assert ("3/12" in drawn.getvalue()) is shown
    assert terminal or drawn.getvalue() == ""
