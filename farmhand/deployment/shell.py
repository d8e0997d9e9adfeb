"""Lines of sh, as far as crontabs and units have them: simple commands; pure."""

import re
import shlex
from collections.abc import Iterator

ASSIGNED = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)


def split_commands(line: str) -> Iterator[list[str]]:
    """Split a line into commands, without where their output goes; raises ValueError.

    >>> list(split_commands("cd /x && watch-pending -q > 'a b'; sleep 1"))
    [['cd', '/x'], ['watch-pending', '-q'], ['sleep', '1']]
    """
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;<>")
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    redirected = False
    for word in lexer:
        if set(word) <= set("&|;"):
            yield from [words] if words else []
            words = []
        elif set(word) <= set("<>"):
            redirected = True
        elif redirected:
            redirected = False
        else:
            words.append(word)
    yield from [words] if words else []


def parse_environment(text: str) -> dict[str, str]:
    """Read NAME=VALUE lines, as systemd and sh both take them; raises ValueError with the line.

    >>> parse_environment("# why" + chr(10) + "A='b c'")
    {'A': 'b c'}
    """
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            (word,) = shlex.split(line)
        except ValueError:
            raise ValueError(f"{number}: expected NAME=VALUE, in quotes if it has blanks") from None
        found = ASSIGNED.fullmatch(word)
        if found is None:
            raise ValueError(f"{number}: expected NAME=VALUE")
        values[found[1]] = found[2]
    return values
