"""The README alone says what farmhand is and how to start; the index leads everywhere."""

import re
from pathlib import Path

import pytest

from tests.manual import DOCS, PAGES, PROGRAMS, ROOT, read_sections
from tests.manual_lines import CRON, read_lines

README = ROOT / "README.md"
TEXT = README.read_text("utf-8")
TWO_SCREENS = 90
PARTS = ("watch-pending", "slavealloc", "runner", "scanner")
# Of a directory, the index names the directory.
INDEXED = [path for path in PAGES if path.parent == DOCS and path.name != "README.md"]


def links_of(path: Path) -> set[Path]:
    """Where a page leads to, in this repository."""
    targets = re.findall(r"\]\(([^)\s#]+)[^)]*\)", path.read_text("utf-8"))
    return {(path.parent / each).resolve() for each in targets if not each.startswith("https:")}


def test_it_takes_two_screens() -> None:
    assert len(TEXT.splitlines()) <= TWO_SCREENS


def test_no_line_of_a_block_is_wider_than_a_screen() -> None:
    blocks = re.findall(r"^(?: {4}|[ $│]).*", TEXT, re.MULTILINE)
    assert max(map(len, blocks)) <= 120


@pytest.mark.parametrize("part", PARTS)
def test_every_part_is_in_the_picture_and_has_its_page(part: str) -> None:
    picture = TEXT.split("```")[1]
    assert part in picture
    assert re.search(rf"\| \[`{part}`\]\(docs/{part}\.md\)", TEXT)


def test_it_says_for_whom_it_is_and_for_whom_not() -> None:
    before_the_picture = TEXT.partition("```")[0]
    assert "**It is for you**" in before_the_picture
    assert "**It is not for you**" in before_the_picture


def test_two_commands_start_everything() -> None:
    commands = [line.command.split()[:2] for line in read_lines(README)]
    assert commands[:2] == [["make", "demo"], ["make", "test"]]


def test_four_lines_of_a_crontab_run_it() -> None:
    lines = [found for line in TEXT.splitlines() if (found := CRON.match(line.strip()))]
    verbs = [tuple(line["command"].split()[:2]) for line in lines]
    shipped = (ROOT / "cron/crontab").read_text("utf-8")
    assert len(verbs) == 4
    assert all(f"buildduty {' '.join(verb)} " in shipped for verb in verbs)
    assert {program for program, _ in verbs} <= set(PROGRAMS)


def test_it_leads_to_the_index() -> None:
    assert DOCS / "README.md" in links_of(README)


@pytest.mark.parametrize("page", INDEXED, ids=lambda path: path.name)
def test_every_page_is_in_the_index(page: Path) -> None:
    assert page in links_of(DOCS / "README.md"), "give it its line in docs/README.md, by question"


def test_the_index_goes_by_questions() -> None:
    headings = [each for each in read_sections(DOCS / "README.md") if each]
    assert all(each.endswith("?") for each in headings[1:])
