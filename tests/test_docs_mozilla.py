"""The page for those who come from Mozilla's tools has all that those had, and only what is."""

import pytest
import yaml

from tests.manual import (
    DOCS,
    PROGRAMS,
    ROOT,
    first_words,
    quoted_words,
    read_sections,
    read_table,
    why_not_a_command,
)

SECTIONS = read_sections(DOCS / "from-mozilla.md")
CONFIGURATION = read_sections(DOCS / "configuration.md")
ORIGINALS: dict[str, list[str]] = yaml.safe_load(
    (ROOT / "tests/data/mozilla-options.yml").read_text()
)
# Where the keys of the original's files are that ours read too.
THEIR_FILES = ("watch_pending.cfg", "aws-secrets.json", "A type's file")
OUR_SECTIONS = ("watch_pending.", "slavealloc.", "runslave.", "runner.", "scanner.", "tasks.NAME.")
FATES = {"same", "renamed", "other", "left out"}


def first_cells(text: str) -> list[str]:
    """All that the first cells of a text's tables name."""
    return [word for row in read_table(text) for word in quoted_words(row[0])]


@pytest.mark.parametrize("tool", ORIGINALS)
def test_all_that_an_original_had_has_its_row_and_nothing_else_has(tool: str) -> None:
    rows = first_cells(SECTIONS[tool])
    kept = {key for name in THEIR_FILES for key in first_words(CONFIGURATION[name])}
    elsewhere = kept if tool.startswith("Files of") else set()
    assert set(rows) | (elsewhere & set(ORIGINALS[tool])) == set(ORIGINALS[tool])
    assert len(rows) == len(set(rows))


@pytest.mark.parametrize("tool", ORIGINALS)
def test_each_row_says_what_became_of_it_and_where_or_why(tool: str) -> None:
    rows = read_table(SECTIONS[tool])
    assert [row for row in rows if row[1] not in FATES or not row[2]] == []


def test_each_tool_of_the_page_is_one_whose_options_are_known() -> None:
    assert {name for name, text in SECTIONS.items() if read_table(text)} == set(ORIGINALS)


def our_words() -> list[str]:
    """What the page's tables say of ours."""
    rows = [row for text in SECTIONS.values() for row in read_table(text)]
    return sorted({word for row in rows for cell in row[2:] for word in quoted_words(cell)})


def our_commands() -> list[str]:
    """Those that are commands, with what follows them."""
    return [word for word in our_words() if word.partition(" ")[0] in PROGRAMS and " " in word]


@pytest.mark.parametrize("line", our_commands())
def test_each_command_that_it_names_is_there(line: str) -> None:
    assert why_not_a_command(line) is None


def our_keys() -> list[str]:
    """Those that are keys of farmhand.yml."""
    return [word for word in our_words() if word.startswith(OUR_SECTIONS) and " " not in word]


@pytest.mark.parametrize("key", our_keys())
def test_each_key_that_it_names_is_there(key: str) -> None:
    section, _, name = key.rpartition(".")
    heading = section if section in CONFIGURATION else section.rpartition(".")[2]
    assert name in first_words(CONFIGURATION[heading])
