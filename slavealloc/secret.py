"""The token that a command shows a server: where it stands, and what it may look like."""

import re
from collections.abc import Mapping
from pathlib import Path

from farmhand.errors import BadInput
from farmhand.files import is_open_to_others

TOKEN_VARIABLE = "FARMHAND_TOKEN"  # noqa: S105 - a name
# What a header can hold: else the library's error would quote it.
TOKEN = re.compile(r"[!-~]+")


def find_token(environ: Mapping[str, str]) -> str | None:
    """Read $FARMHAND_TOKEN; raises BadInput, without its value, where it can be no token."""
    text = environ.get(TOKEN_VARIABLE)
    return parse_token(text, f"${TOKEN_VARIABLE}") if text else None


def read_token(path: Path) -> str:
    """Read a file that holds a token alone, and that others may not read; raises BadInput."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read()
            is_open = is_open_to_others(file)
    except OSError as err:
        raise BadInput(f"{path}: {err.strerror}") from err
    except ValueError as err:
        raise BadInput(f"{path}: is no text") from err
    if is_open:
        raise BadInput(f"{path}: holds a token and others can read it; chmod 600 {path}")
    return parse_token(text, str(path))


def parse_token(text: str, what: str) -> str:
    """Check that a text can be a token; raises BadInput, which does not quote it.

    >>> parse_token("farmhand_x\\n", "$FARMHAND_TOKEN")
    'farmhand_x'
    """
    token = text.strip()
    if not TOKEN.fullmatch(token):
        raise BadInput(f"{what}: is no token; `slavealloc token add NAME` makes one")
    return token
