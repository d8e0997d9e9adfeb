"""What counts as a command line of the manual, and as what it prints."""

from pathlib import Path

import pytest

from tests.manual_lines import Line, find_missing, read_inline, read_lines


def read(tmp_path: Path, text: str) -> list[Line]:
    page = tmp_path / "page.md"
    page.write_text(text)
    return read_lines(page)


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        pytest.param("Text.\n\n    a\n    b -x\n", ["a", "b -x"], id="indented"),
        pytest.param("1. Text.\n\n       a\n", ["a"], id="in a list"),
        pytest.param("    # a remark\n    a\n", ["a"], id="a remark is none"),
        pytest.param("    a \\\n      -x\n    b\n", ["a \\\n  -x", "b"], id="goes on"),
        pytest.param("    cat <<E\n    x\n    E\n    b\n", ["cat <<E\nx\nE", "b"], id="document"),
        pytest.param("    */5 * * * * root a -x\n", ["a -x"], id="crontab"),
        pytest.param("```console\n$ a\n> b\n```\n", ["a\nb"], id="console that goes on"),
        pytest.param("```yaml\na: b\n```\n", [], id="another fence"),
        pytest.param("```\na\n```\n", [], id="a drawing"),
    ],
)
def test_these_are_typed(tmp_path: Path, text: str, commands: list[str]) -> None:
    assert [line.command for line in read(tmp_path, text)] == commands


def test_a_line_knows_where_it_stands(tmp_path: Path) -> None:
    (line,) = read(tmp_path, "# A\n\n## Is `it`?\n\n    a\n")
    assert (line.number, line.section) == (5, "is-it")


@pytest.mark.parametrize(
    ("command", "codes"),
    [("a", {0}), ("a  # exit code 3", {3}), ("a  # exit code 0 or 3: it depends", {0, 3})],
)
def test_a_comment_says_how_it_exits(tmp_path: Path, command: str, codes: set[int]) -> None:
    (line,) = read(tmp_path, f"    {command}\n")
    assert line.codes == codes


def test_what_is_shown_belongs_to_the_line_above(tmp_path: Path) -> None:
    lines = read(tmp_path, "```console\n$ a\n# x\n$ b\ny\n```\n")
    assert [line.shown for line in lines] == [("# x",), ("y",)]


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("type  waits", "type waits"),
        ("bld-1 12 i-0abc", "bld-1 7 i-99"),
        ("a … c", "a b b c"),
        ("took 1.5 s", "took 20 s"),
    ],
)
def test_numbers_widths_and_what_is_left_out_may_differ(shown: str, printed: str) -> None:
    assert find_missing([shown], printed) is None


@pytest.mark.parametrize(
    ("shown", "printed"),
    [(["a"], "b"), (["a", "b"], "b\na"), (["type waits"], "type waits more")],
)
def test_other_words_and_another_order_are_found(shown: list[str], printed: str) -> None:
    assert find_missing(shown, printed) is not None


def test_words_in_backquotes_are_found_in_tables_too(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("| a |\n|---|\n| `x y` |\n")
    assert [words for _, words in read_inline(page)] == ["x y"]
