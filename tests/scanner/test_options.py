"""What an operator types: it fits its column, or is refused before anything is done."""

import pytest
from click.testing import CliRunner

from scanner.cli import main

NUMBER = "9" * 20
WHERE = ("--distribution", "u", "--series", "h", "--arch", "a", "--processor", "p")


@pytest.mark.parametrize(
    "words",
    [
        ("daemon", "add", "", "http://x"),
        ("daemon", "add", "a\nb", "http://x"),
        ("daemon", "add", "x" * 65, "http://x"),
        ("daemon", "disable", "bob", " "),
        ("daemon", "manual", "bob", "\x1b[31mred"),
        ("processor", "add", "x" * 33),
        ("chroot", "set", "ubuntu", "hoary", "x" * 33),
        ("build", "add", "hello", "", *WHERE),
        ("build", "add", "hello", "1", *WHERE, "--score", NUMBER),
        ("build", "show", NUMBER),
        ("build", "retry", NUMBER),
        ("build", "log", "1", "--from", NUMBER),
        ("queue", "score", "1", NUMBER),
        ("queue", "cancel", "0"),
    ],
)
def test_what_fits_no_column_is_refused(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert "expected 1 to" in done.stderr or "is not in the range" in done.stderr
