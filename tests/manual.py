"""The manual as tests read it: pages, sections, tables; and the programs it is about."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner

from farmhand.cli import main as farmhand_main
from farmhand.deployment.shell import split_commands
from runner.cli import main as runner_main
from scanner.cli import main as scanner_main
from slavealloc.cli import main as slavealloc_main
from slavealloc.runslave.cli import main as runslave_main
from watch_pending.cli import main as watch_pending_main

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(
    [*ROOT.glob("*.md"), *DOCS.rglob("*.md")], key=lambda path: path.relative_to(ROOT).as_posix()
)
PROGRAMS: Mapping[str, click.Command] = {
    "watch-pending": watch_pending_main,
    "slavealloc": slavealloc_main,
    "runslave": runslave_main,
    "runner": runner_main,
    "scanner": scanner_main,
    "farmhand": farmhand_main,
}


def read_sections(path: Path) -> dict[str, str]:
    """Heading, without # and backquotes → the text below it, up to the next heading."""
    sections: dict[str, str] = {}
    heading = ""
    fenced = False
    for line in path.read_text("utf-8").splitlines():
        fenced ^= line.startswith("```")
        if not fenced and (found := re.match(r"#+ (.*)", line)):
            heading = found[1].replace("`", "")
        sections[heading] = sections.get(heading, "") + line + "\n"
    return sections


def read_table(text: str) -> list[list[str]]:
    """Rows of the tables in a text, without heads and rules."""
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    rules = [index for index, row in enumerate(rows) if set("".join(row)) <= set("-:")]
    heads = {index - 1 for index in rules}
    return [row for index, row in enumerate(rows) if index not in heads and index not in rules]


def first_words(text: str) -> list[str]:
    """The backquoted word that each row of a table begins with."""
    return [found[1] for row in read_table(text) if (found := re.match(r"`([^`]+)`", row[0]))]


def quoted_words(text: str) -> list[str]:
    """Everything in backquotes."""
    return re.findall(r"`([^`]+)`", text)


def make_slug(heading: str) -> str:
    """The anchor that a heading makes."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def list_verbs(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """Every verb of a program, as it is typed; a program without verbs is one itself."""
    if isinstance(command, click.Group):
        for verb, each in command.commands.items():
            yield from list_verbs(f"{name} {verb}", each)
    else:
        yield name, command


def why_not_a_command(line: str) -> str | None:
    """Parse a shell line's commands of ours with click; with --help, so that nothing is done."""
    ours = [words for words in split_shell(line) if words[0] in PROGRAMS]
    for program, *args in ours:
        result = CliRunner().invoke(PROGRAMS[program], [*args, "--help"])
        if result.exit_code != 0:
            return result.output
    return None if ours else f"no command of ours: {line}"


def split_shell(line: str) -> Iterator[list[str]]:
    """Split a shell line into commands, each without its directory and where its output goes."""
    for program, *words in split_commands(line):
        yield [program.rpartition("/")[2] or program, *words]


def format_default(field: "Field[Any]") -> str:
    """Say a field's default as the manual does."""
    if field.default_factory is not MISSING:
        return "empty"
    match field.default:
        case value if value is MISSING:
            return "required"
        case None:
            return "none"
        case bool(value):
            return f"`{str(value).lower()}`"
        case "":
            return '`""`'
        case float(value):
            return f"`{value:g}`"
        case ():
            return "empty"
        case tuple(values):
            return ", ".join(f"`{each}`" for each in values)
        case value:
            return f"`{value}`"
