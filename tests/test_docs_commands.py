"""The manual has every command and option, and the commands it shows can be typed."""

import re

import click
import pytest
from click.testing import CliRunner

from farmhand.errors import ExitCode
from tests.manual import (
    DOCS,
    PAGES,
    PROGRAMS,
    list_verbs,
    make_slug,
    read_sections,
    read_table,
    split_shell,
    why_not_a_command,
)
from tests.manual_lines import read_inline

COMMANDS = DOCS / "commands.md"
VERBS = dict(pair for name, command in PROGRAMS.items() for pair in list_verbs(name, command))
# How the manual begins a table of options that some verbs have → what those verbs' sections say.
SHARED = {
    "Verbs that change something": "Changes something.",
    "that open the database": "Opens the database.",
    "that ask a server": "Asks a server.",
    "that know the farm's database": "Knows the database.",
}


def flags_of(command: click.Command) -> set[str]:
    return {
        flag
        for each in command.params
        if isinstance(each, click.Option)
        for flag in (*each.opts, *each.secondary_opts)
    }


def flags_in(text: str) -> set[str]:
    """The flags in the first column of a text's tables."""
    return {
        flag for row in read_table(text) for flag in re.findall(r"`(-[\w-]+)`", row[0]) if row[0]
    }


def own_text(verb: str) -> str:
    """A verb's section, and the one on another page that it says has its options."""
    own = read_sections(COMMANDS)[verb]
    if elsewhere := re.search(r"Options: \[[^]]*\]\((\S+\.md)#(\S+)\)", own):
        sections = read_sections(DOCS / elsewhere[1])
        own += next(text for name, text in sections.items() if make_slug(name) == elsewhere[2])
    return own


def documented_flags(verb: str) -> set[str]:
    own = own_text(verb)
    always, *shared = re.split(
        r"^(?=Verbs )", read_sections(COMMANDS)["Options of every verb"], flags=re.M
    )
    flags = flags_in(always) | flags_in(own)
    for text in shared:
        lead = text.splitlines()[0]
        marks = [mark for words, mark in SHARED.items() if words in lead]
        of_this_program = not marks and f"`{verb.split()[0]}`" in lead
        if of_this_program or any(mark in own for mark in marks):
            flags |= flags_in(text)
    missing = " ".join(re.findall(r"Has no (`[^.]*`)\.", own))
    return flags - set(re.findall(r"`(-[\w-]+)`", missing))


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_its_section_and_nothing_else_has(verb: str) -> None:
    named = {name for name in read_sections(COMMANDS) if name.split(" ")[0] in PROGRAMS}
    assert verb in named
    assert named == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_a_verb_is_documented_and_no_other(verb: str) -> None:
    given = flags_of(VERBS[verb]) | {"-h", "--help"}
    assert documented_flags(verb) == given - {"--version"}


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_stands_without_a_verb_is_documented(program: str) -> None:
    text = read_sections(COMMANDS)["Options of every verb"]
    assert f"`{program} --version`" in text
    flags = flags_of(PROGRAMS[program]) - {"--version"}
    assert program in VERBS or flags <= flags_in(text)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_in_the_table_of_all(verb: str) -> None:
    assert f"`{verb}" in read_sections(COMMANDS)["All commands"]


def test_every_exit_code_is_documented_and_no_other() -> None:
    rows = [
        row for row in read_table((DOCS / "operations.md").read_text("utf-8")) if row[0].isdigit()
    ]
    assert [(int(row[0]), row[1]) for row in rows] == [(int(code), code.name) for code in ExitCode]


def test_exit_codes_of_run_are_in_its_help() -> None:
    said = CliRunner().invoke(PROGRAMS["watch-pending"], ["run", "--help"]).output
    codes = (ExitCode.OK, ExitCode.BAD_INPUT, ExitCode.PARTIAL, ExitCode.UNAVAILABLE)
    assert all(re.search(rf"\b{int(code)} ", said) for code in (*codes, ExitCode.LOCKED))


# Examples


@pytest.mark.parametrize(
    "line", ["watch-pending run --wrong", "farmhand wrong", "runslave --wrong", "sleep 1"]
)
def test_a_wrong_command_would_be_found(line: str) -> None:
    assert why_not_a_command(line) is not None


def inline_commands() -> list[str]:
    """What the manual's text has in backquotes that begins with a command of ours and goes on."""
    words = {content for path in PAGES for _, content in read_inline(path)}
    ours = [each for each in words if each.partition(" ")[0].rpartition("/")[2] in PROGRAMS]
    return sorted(each for each in ours if ": " not in each)  # no log line


def test_every_command_in_the_text_parses() -> None:
    lines = inline_commands()
    assert len(lines) > 200
    values = {line: " 1" if line.split()[-1].startswith("-") else "" for line in lines}
    wrong = {line: why_not_a_command(line + value) for line, value in values.items()}
    assert {line: why for line, why in wrong.items() if why is not None} == {}


def test_a_shell_line_is_split_where_commands_end() -> None:
    line = "cd /x && . ./y && .venv/bin/slavealloc dbdump -D 'a b' > z & sleep 1"
    assert list(split_shell(line)) == [
        ["cd", "/x"],
        [".", "./y"],
        ["slavealloc", "dbdump", "-D", "a b"],
        ["sleep", "1"],
    ]
