"""The lines of the manual that a reader types: which they are, and what the page shows they print.

What makes a line a command is said in CONTRIBUTING.md, "The manual".
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.manual import make_slug

PARSER = MarkdownIt("commonmark").enable("table")
PROMPT = re.compile(r"\$ (?P<command>.*)")
CRON = re.compile(r"(?:[\d*/,-]+ +){5}(?P<user>[a-z]+) +(?P<command>\S.*)")
EXIT_CODES = re.compile(r"#.*\bexit code (?P<codes>\d+(?: or \d+)*)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A command as it stands at `number` of a page; `shown` is what the page says it prints."""

    number: int
    section: str
    command: str
    shown: tuple[str, ...] = ()

    @property
    def codes(self) -> set[int]:
        """The exit codes it may have: 0, unless its comment says which."""
        found = EXIT_CODES.search(self.command)
        return {int(code) for code in found["codes"].split(" or ")} if found else {0}


def read_lines(path: Path) -> list[Line]:
    """Find a page's commands, in order."""
    lines: list[Line] = []
    section = ""
    tokens = PARSER.parse(path.read_text("utf-8"))
    for at, token in enumerate(tokens):
        if token.type == "heading_open":
            section = make_slug(tokens[at + 1].content.replace("`", ""))
        elif commands := list(_read_block(token)):
            lines += [
                Line(number=number, section=section, command=command, shown=shown)
                for number, command, shown in commands
            ]
    return lines


def _read_block(token: Token) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    start = (token.map or [0])[0] + 1
    if token.type == "code_block":
        yield from ((start + at, command, ()) for at, command in _read_script(token.content))
    elif token.type == "fence" and token.info == "console":
        yield from _read_console(start + 1, token.content.splitlines())


def _read_script(text: str) -> Iterator[tuple[int, str]]:
    """Split what is typed: a line goes on where the next is indented, and to a document's end."""
    command: list[str] = []
    end: str | None = None
    began = 0
    for at, line in enumerate(text.splitlines()):
        goes_on = end is not None or line.startswith((" ", "\t"))
        if not goes_on and command:
            yield began, "\n".join(command)
            command = []
        if not command:
            began = at
            if not line.strip() or line.startswith("#"):
                continue
        command.append(_without_cron(line))
        if end is None:
            found = re.search(r"<<-?\s*['\"]?(\w+)", line)
            end = found[1] if found else None
        elif line.strip() == end:
            end = None
    if command:
        yield began, "\n".join(command)


def _without_cron(line: str) -> str:
    found = CRON.match(line)
    return found["command"] if found else line


def _read_console(start: int, rows: Sequence[str]) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    command: list[str] = []
    shown: list[str] = []
    began = start
    for number, row in enumerate(rows, start):
        found = PROMPT.fullmatch(row)
        if found:
            if command:
                yield began, "\n".join(command), tuple(shown)
            command, shown, began = [found["command"]], [], number
        elif command and not shown and row.startswith("> "):
            command.append(row.removeprefix("> "))
        else:
            assert command, f"line {number}: what is shown has no command before it"
            shown.append(row)
    if command:
        yield began, "\n".join(command), tuple(shown)


def read_inline(path: Path) -> list[tuple[int, str]]:
    """Find what stands in backquotes in a page's text and tables: line number, and the words."""
    return [
        ((token.map or [0])[0] + 1, child.content)
        for token in PARSER.parse(path.read_text("utf-8"))
        for child in token.children or ()
        if child.type == "code_inline"
    ]


def find_missing(shown: Sequence[str], printed: str) -> str | None:
    """Find the first line shown that was not printed, in order.

    Numbers may be others, columns may be wider, and `…` stands for anything.

    >>> find_missing(["type  waits", "bld      12"], "type waits\\nbld 3\\n")
    >>> find_missing(["type  waits", "try …"], "type waits\\nbld 3\\n")
    'try …'
    """
    rows = iter(printed.splitlines())
    for line in shown:
        if line.strip() in {"", "…"}:
            continue
        pattern = _make_pattern(line)
        if not any(pattern.fullmatch(row.strip()) for row in rows):
            return line
    return None


def _make_pattern(line: str) -> re.Pattern[str]:
    words = []
    for word in line.split():
        pieces = re.split(r"(…|(?<![A-Za-z])\d[\d.:,]*|i-[0-9a-f]+)", word)
        words.append("".join(_pattern_of(piece) for piece in pieces))
    return re.compile(r"\s*".join(words))


def _pattern_of(piece: str) -> str:
    if piece == "…":
        return ".*"
    if re.fullmatch(r"\d[\d.:,]*", piece):
        return r"[\d.:,]+"
    return r"i-[0-9a-f]+" if re.fullmatch(r"i-[0-9a-f]+", piece) else re.escape(piece)
