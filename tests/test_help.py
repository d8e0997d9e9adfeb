"""`--help` as somebody reads it who found us yesterday: whole sentences, examples, plain words."""

import re
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from tests.manual import PROGRAMS, list_verbs, why_not_a_command

VERBS = dict(pair for name, command in PROGRAMS.items() for pair in list_verbs(name, command))


def help_of(words: str) -> str:
    program, *more = words.split()
    done = CliRunner().invoke(PROGRAMS[program], [*more, "--help"], prog_name=program)
    assert done.exit_code == 0
    return done.output


def groups(name: str, command: click.Command) -> Iterator[str]:
    if isinstance(command, click.Group):
        yield name
        for verb, each in command.commands.items():
            yield from groups(f"{name} {verb}", each)


GROUPS = [each for name, command in PROGRAMS.items() for each in groups(name, command)]


@pytest.mark.parametrize("words", [*GROUPS, *VERBS])
def test_help_fits_a_terminal_and_is_not_cut(words: str) -> None:
    said = help_of(words)
    assert "..." not in said
    assert max(map(len, said.splitlines())) <= 100


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_shows_examples_that_can_be_typed(verb: str) -> None:
    found = re.search(r"^  Examples?:\n((?:    .*\n)+)", help_of(verb), re.MULTILINE)
    assert found, "no example"
    # What follows two spaces or a # says what it is for; a line that is indented more goes on.
    text = re.sub(r"\n {6,}", " ", found[1])
    for line in text.splitlines():
        command = re.split(r"  +| # ", line.strip())[0].removeprefix('eval "$(').removesuffix(')"')
        assert why_not_a_command(command.partition(" | ")[0]) is None, line


@pytest.mark.parametrize("verb", VERBS)
def test_each_option_says_what_it_is_and_what_it_takes(verb: str) -> None:
    for each in VERBS[verb].params:
        if isinstance(each, click.Option):
            assert each.help, each.opts
            takes = each.nargs != 0 and not each.is_flag and not each.count
            assert not takes or each.metavar, each.opts


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("farmhand statsu", "Did you mean 'status'?"),
        ("farmhand config chekc", "Did you mean 'check'?"),
        ("watch-pending statsu", 'unknown verb "statsu"; did you mean "status"?'),
        ("watch-pending xyzzy", 'unknown verb "xyzzy"; known: amis, '),
        ("runner staus", 'unknown verb "staus"; did you mean "status"?'),
        ("slavealloc wokers", "Did you mean 'workers'?"),
        ("watch-pending run --dryrn", "Did you mean"),
    ],
)
def test_what_is_misspelled_is_answered_with_what_is_near(line: str, hint: str) -> None:
    program, *args = line.split()
    done = CliRunner().invoke(PROGRAMS[program], args)
    assert done.exit_code == 2
    assert hint in done.stderr.replace("\n", " ")
