"""What the files to import hold: their columns, and how a cell's text is read; pure."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from farmhand.wording import unknown

WORKER_NAME = re.compile(r"[a-z0-9_-]{1,50}")
MARKETS = ("spot", "on-demand")
MOST_CHARACTERS = 255  # of a name
MOST_TEXT_BYTES = 65_535  # MariaDB's, so that what one database takes another one takes too
TEMPLATE_SUFFIXES = (".tac.j2", ".j2")

Value = str | int | None


# One cell: text → value; raises ValueError that says what is wrong.


def read_name(text: str) -> str:
    """Read a name that must be there."""
    if not text:
        raise ValueError("is required, but empty")
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"is longer than {MOST_CHARACTERS} characters")
    if not text.isprintable():
        raise ValueError(f"{json.dumps(text)} has a character that can't be printed")
    return text


def read_optional_name(text: str) -> str | None:
    """Read a name, or nothing."""
    return read_name(text) if text else None


def read_worker_name(text: str) -> str:
    """Read a worker's name as machines say it."""
    read_name(text)
    if not WORKER_NAME.fullmatch(text):
        raise ValueError(
            f'"{text}" is no worker\'s name (1 to 50 of a-z 0-9 _ -): machines ask for theirs '
            "in lower case and without the domain"
        )
    return text


def read_host(text: str) -> str:
    """Read a host's name or address."""
    if re.search(r"\s", read_name(text)):
        raise ValueError(f'"{text}" is no host: it has a blank')
    return text


def read_port(text: str) -> int:
    """Read a TCP port.

    >>> read_port("9001")
    9001
    """
    if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise ValueError(f"{json.dumps(text, ensure_ascii=False)} is no port (1 to 65535)")
    return int(text)


def read_optional_port(text: str) -> int:
    """Read a TCP port; nothing is 0."""
    return 0 if text in {"", "0"} else read_port(text)


def read_market(text: str) -> str | None:
    """Read a market, or nothing."""
    if text and text not in MARKETS:
        raise ValueError(unknown("market", text, MARKETS))
    return text or None


def read_distro(text: str) -> str | None:
    """Read whose password it is: of one distro, or with * of all others."""
    if not text:
        raise ValueError("is empty; name a distro, or * for all that have no line of their own")
    return None if text == "*" else read_name(text)


def read_text(text: str) -> str | None:
    """Read any text, or nothing."""
    if len(text.encode()) > MOST_TEXT_BYTES:
        raise ValueError(f"is longer than {MOST_TEXT_BYTES:,} bytes")
    return text or None


def read_password(text: str) -> str:
    """Read a password, blanks and all."""
    if not text:
        raise ValueError("is required, but empty")
    read_text(text)
    return text


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """What a kind of file holds: column → how its text is read; `key` and `required` are columns.

    `kept` are the columns where an empty cell leaves what was there, `exact` those with blanks.
    """

    columns: Mapping[str, Callable[[str], Value]]
    key: tuple[str, ...]
    required: frozenset[str]
    kept: frozenset[str] = frozenset()
    exact: frozenset[str] = frozenset()


_SILO = ("distro", "bitlength", "purpose", "datacenter", "trustlevel", "speed", "environment")
WORKERS = Form(
    columns={
        "name": read_worker_name,
        "basedir": read_text,
        **dict.fromkeys(_SILO, read_optional_name),
        "pool": read_name,
        "instance_type": read_optional_name,
        "market": read_market,
        "tac_template": read_optional_name,
        "notes": read_text,
    },
    key=("name",),
    required=frozenset({"name", "pool"}),
    kept=frozenset({"notes"}),
)
MASTERS = Form(
    columns={
        "nickname": read_name,
        "fqdn": read_host,
        "http_port": read_optional_port,
        "pb_port": read_port,
        "datacenter": read_optional_name,
        "pool": read_name,
    },
    key=("nickname",),
    required=frozenset({"nickname", "fqdn", "pb_port", "pool"}),
)
PASSWORDS = Form(
    columns={"pool": read_name, "distro": read_distro, "password": read_password},
    key=("pool", "distro"),
    required=frozenset({"pool", "distro", "password"}),
    exact=frozenset({"password"}),
)
JACUZZIS = Form(
    columns={"builder": read_name, "worker": read_name},
    key=("builder", "worker"),
    required=frozenset({"builder", "worker"}),
)


def name_template(file_name: str) -> str | None:
    """Name the template that a file holds; None where its name is none of a template.

    >>> name_template("linux64.tac.j2"), name_template("linux64.tac")
    ('linux64', None)
    """
    for suffix in TEMPLATE_SUFFIXES:
        if file_name.endswith(suffix):
            return file_name.removesuffix(suffix) or None
    return None
