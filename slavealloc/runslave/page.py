"""What the allocator sent: a tac or not, and where its worker lives; pure."""

import ast
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from farmhand.errors import Unavailable

MARKER = "AUTOMATICALLY GENERATED - DO NOT MODIFY"
DIGEST = re.compile(rb"^# sha256 of the lines below:(?: ([0-9a-f]{64})\n)?", re.MULTILINE)
CODE = re.compile(r"^\s*[^\s#]", re.MULTILINE)
IDLE = re.compile(r"^# nothing assigned\b", re.MULTILINE)
BASEDIR = re.compile(r"^basedir[ \t]*=[ \t]*(.*)$", re.MULTILINE)
LITERAL = re.compile(r"""([ur]?(?:'[^'\n]*'|"[^"\n]*"))\s*(?:#.*)?""")

# The first pattern that matches a name, in lower case → its base directory. Beyond the original's
# names these are w64-ix-* and its like, -xp- and -w7- of the talos-r3 machines, and the boards,
# whose workers share a host.
BASEDIRS = tuple(
    (re.compile(pattern), basedir)
    for pattern, basedir in (
        (r"(bld|b|try|y)-.*2008|(w32|w64|mw32|win2008)-", "c:\\builds\\moz2_slave"),
        (r"(tst|t|talos)-.*\b(xp|xp32|w7|w732|w8|w864|w10)-", "C:\\slave"),
        (r"(panda|tegra)-\d+$", "/builds/{name}"),
        (r"(bld|b|try|y|tst|t|talos|av|dev|linux|linux64|moz2|mv-moz2)-", "/builds/slave"),
    )
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tac:
    """A page that is a tac. `basedir` is None where it says none, or none that can be `trusted`.

    `idle` is the tac of a worker that has no master now. `page` holds a password.
    """

    page: bytes = field(repr=False)
    basedir: Path | None
    distrusted: str | None
    idle: bool


def parse_page(page: bytes) -> Tac:
    """Read a page; nothing of it is ever run.

    Raises Unavailable, saying why, for what is no tac or not all of one.
    """
    try:
        text = page.decode("utf-8")
    except UnicodeDecodeError as err:
        raise Unavailable(f"it is not UTF-8 at byte {err.start}") from err
    if MARKER not in text:
        raise Unavailable(f"it is no tac: it does not say {MARKER!r}")
    if (found := DIGEST.search(page)) and not _is_whole(found, page):
        raise Unavailable("it was cut or changed on the way: its sha256 does not match")
    if not CODE.search(text):
        raise Unavailable("it was cut on the way: it has nothing but comments")
    basedir, distrusted = parse_basedir(text)
    return Tac(page=page, basedir=basedir, distrusted=distrusted, idle=bool(IDLE.search(text)))


def _is_whole(found: re.Match[bytes], page: bytes) -> bool:
    digest: bytes | None = found[1]
    return digest == hashlib.sha256(page[found.end() :]).hexdigest().encode()


def parse_basedir(text: str) -> tuple[Path | None, str | None]:
    """Read `basedir = '…'`: the directory, or the line that is no plain absolute path.

    >>> parse_basedir("basedir = r'/builds/slave'")
    (PosixPath('/builds/slave'), None)
    >>> parse_basedir("basedir = '/x' + exit()")
    (None, "basedir = '/x' + exit()")
    """
    line = BASEDIR.search(text)
    if line is None:
        return None, None
    literal = LITERAL.fullmatch(line[1].strip())
    try:
        value = ast.literal_eval(literal[1]) if literal else ""
    except (SyntaxError, ValueError):
        value = ""
    usable = Path(value).is_absolute() and value.isprintable()
    return (Path(value), None) if usable else (None, line[0])


def guess_basedir(name: str) -> str | None:
    """Guess where a worker of this name lives, as this farm's machines were always set up.

    >>> guess_basedir("bld-linux64-spot-001")
    '/builds/slave'
    """
    name = name.lower()
    found = (basedir for pattern, basedir in BASEDIRS if pattern.match(name))
    basedir = next(found, None)
    return basedir.format(name=name) if basedir else None
