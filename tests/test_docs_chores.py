"""docs/runner-tasks.md has every chore with its settings, and configs/tasks.d a file for each."""

from dataclasses import fields

import pytest

from runner.chores.config import NAMES
from runner.settings import BUILDBOT
from tests.manual import DOCS, ROOT, format_default, read_sections, read_table
from tests.schema_files import CHORE_KEYS

SECTIONS = read_sections(DOCS / "runner-tasks.md")


@pytest.mark.parametrize("name", CHORE_KEYS)
def test_every_setting_of_a_chore_is_documented_with_its_default_and_no_other(name: str) -> None:
    rows = read_table(SECTIONS[name])
    documented = {row[0].strip("`"): row[3] for row in rows if len(row) == 5}
    assert documented == {each.name: format_default(each) for each in fields(CHORE_KEYS[name])}


def test_every_chore_has_a_task_file_and_every_file_a_chore() -> None:
    files = [path for path in (ROOT / "configs/tasks.d").iterdir() if path.name != "README"]
    scripts = {path.name: path.read_text() for path in files}
    named = {text.split()[-2] for text in scripts.values() if " chore " in text}
    assert named == set(NAMES)
    assert [name for name, text in scripts.items() if " chore " not in text] == [f"4-{BUILDBOT}"]
