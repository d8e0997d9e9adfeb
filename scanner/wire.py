"""What a build daemon says, as data, in both dialects: values of XML-RPC → dataclasses; pure.

A reply is data from a machine that runs untrusted code: whatever is not exactly what the protocol
has is a ProtocolError, and none of it is quoted at length or unescaped.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from scanner.errors import ProtocolError, UnknownState

MOST_FILES = 10_000
MOST_TAIL_BYTES = 2048
MOST_DEPENDENCIES = 16_000  # characters: fits MySQL's TEXT at four bytes each
MOST_WORD = 255
MOST_COOKIE = 1000
MOST_INFO = 500

SHA1 = re.compile(r"[0-9a-f]{40}")
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_:@-]*(/[A-Za-z0-9][A-Za-z0-9.+~_:@-]*)?")
BUILD_STATUS = re.compile(r"BuildStatus\.([A-Za-z0-9_]{1,32})")

KNOWN_BUILD_STATUSES = frozenset(
    ("OK", "PACKAGEFAIL", "DEPFAIL", "CHROOTFAIL", "BUILDERFAIL", "GIVENBACK", "ABORTED")
)
"""Without "BuildStatus."; a daemon may say others."""


class DaemonState(StrEnum):
    """What a daemon is doing; ABORTED is of the list dialect before September 2013."""

    IDLE = "IDLE"
    BUILDING = "BUILDING"
    WAITING = "WAITING"
    ABORTING = "ABORTING"
    ABORTED = "ABORTED"


class Dialect(StrEnum):
    """How a daemon answers status(): positions before January 2014, names since."""

    LIST = "list"
    DICT = "dict"


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """What a daemon is doing; `build_status` is "OK", "PACKAGEFAIL", …, or one unknown.

    `files` is name → sha1. A name is data, never a path; only builds of type `ci` may have a "/".
    """

    state: DaemonState
    dialect: Dialect
    build_status: str | None = None
    cookie: str | None = None
    log_tail: bytes = b""
    files: Mapping[str, str] = field(default_factory=dict)
    dependencies: str | None = None
    version: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DaemonInfo:
    """What a daemon is; `version` is the protocol's."""

    version: str
    arch_tag: str
    build_types: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Presence:
    """Whether the daemon has a file now, and what it says of it; a daemon of 2005 says nothing."""

    present: bool
    info: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildReply:
    """Whether the daemon took the build; `text` is its cookie then, else why not."""

    accepted: bool
    text: str


def parse_status(value: object) -> Status:
    """Understand what status() returned, in either dialect: a struct, or a list.

    Raises ProtocolError.
    """
    if isinstance(value, dict):
        return _status_of_dict(value)
    items = _list(value, "the reply", most=5)
    if not items:
        raise ProtocolError("the reply is an empty list")
    return _status_of_list(_state(items[0]), items[1:])


def _status_of_dict(value: Mapping[object, object]) -> Status:
    state = _state(value.get("builder_status"))
    if state is DaemonState.ABORTED:
        raise ProtocolError("is ABORTED, which this dialect does not have")
    waiting = state is DaemonState.WAITING
    idle = state is DaemonState.IDLE
    return Status(
        state=state,
        dialect=Dialect.DICT,
        build_status=_build_status(value.get("build_status")) if waiting else None,
        cookie=None if idle else _text(value.get("build_id"), "the cookie", MOST_COOKIE),
        log_tail=_tail(value.get("logtail")) if state is DaemonState.BUILDING else b"",
        files=_files(value.get("filemap")) if waiting else {},
        dependencies=_dependencies(value.get("dependencies")) if waiting else None,
        version=_version(value.get("builder_version")),
    )


def _status_of_list(state: DaemonState, items: Sequence[object]) -> Status:
    """Understand what comes after the state."""
    match state, *items:
        case (DaemonState.IDLE,) | (DaemonState.IDLE, ""):
            return Status(state=state, dialect=Dialect.LIST)
        case DaemonState.BUILDING, cookie, *tail if len(tail) < 2:
            log_tail = _tail(tail[0]) if tail else b""
            return Status(
                state=state, dialect=Dialect.LIST, cookie=_cookie(cookie), log_tail=log_tail
            )
        case (DaemonState.ABORTING | DaemonState.ABORTED, cookie):
            return Status(state=state, dialect=Dialect.LIST, cookie=_cookie(cookie))
        case DaemonState.WAITING, build_status, cookie, *rest:
            files, dependencies = [*rest, None, None][:2]
            return Status(
                state=state,
                dialect=Dialect.LIST,
                build_status=_build_status(build_status),
                cookie=_cookie(cookie),
                files=_files(files),
                dependencies=_dependencies(dependencies),
            )
        case _:
            raise ProtocolError(f"{state} does not come with {len(items)} values like these")


def parse_info(value: object) -> DaemonInfo:
    """Understand what info() returned.

    Raises ProtocolError.
    """
    items = _list(value, "the reply", most=3)
    if len(items) != 3:
        raise ProtocolError(f"the reply has {len(items)} values, not 3")
    version = _text(items[0], "the version", MOST_WORD)
    if version != "1.0":
        raise ProtocolError(f"speaks protocol {quote(version)}, not '1.0'")
    types = _list(items[2], "the list of build types", most=100)
    return DaemonInfo(
        version=version,
        arch_tag=_text(items[1], "the architecture", 32),
        build_types=tuple(_text(each, "a build type", 64) for each in types),
    )


def parse_presence(value: object) -> Presence:
    """Understand what ensurepresent() returned: a bare bool, or [bool, text].

    Raises ProtocolError.
    """
    present, info = (value, "") if isinstance(value, bool) else _pair(value)
    if not isinstance(present, bool) or not isinstance(info, str):
        raise ProtocolError("the reply is neither a bool nor [bool, text]")
    return Presence(present=present, info=info[:MOST_INFO])


def parse_build_reply(value: object, cookie: str) -> BuildReply:
    """Understand what build() of this cookie returned.

    Raises ProtocolError.
    """
    status, said = _pair(value)
    if status == "BuilderStatus.BUILDING":
        if said != cookie:
            raise ProtocolError("builds under another cookie than it was given")
        return BuildReply(accepted=True, text=cookie)
    if status not in ("BuilderStatus.UNKNOWNSUM", "BuilderStatus.UNKNOWNBUILDER"):
        raise ProtocolError(f"answers a build with {quote(status)}")
    if not isinstance(said, str | None):
        raise ProtocolError(f"the reason is {_kind(said)}, not text")
    reason = str(status).removeprefix("BuilderStatus.")
    return BuildReply(accepted=False, text=f"{reason}: {said[:MOST_INFO]}" if said else reason)


def parse_state(value: object, expected: DaemonState) -> DaemonState:
    """Understand what abort() or clean() returned: the one state it may lead to.

    Raises ProtocolError.
    """
    state = _state(value)
    if state is not expected:
        raise ProtocolError(f"is {state} then, not {expected}")
    return state


def quote(value: object) -> str:
    r"""Quote what a daemon said: short, and with nothing a terminal would obey.

    >>> quote("red: \x1b[31m"), quote(["a"])
    ("'red: \\x1b[31m'", 'a list')
    """
    if not isinstance(value, str):
        return _kind(value)
    return ascii(value) if len(value) <= 60 else ascii(value[:60]) + "…"


# Parts of a reply


def _state(value: object) -> DaemonState:
    if not isinstance(value, str):
        raise ProtocolError(f"the state is {_kind(value)}, not text")
    prefix, dot, name = value.partition(".")
    if prefix + dot != "BuilderStatus." or name not in DaemonState.__members__:
        raise UnknownState(f"is in a state {quote(value)} that nobody knows")
    return DaemonState(name)


def _build_status(value: object) -> str:
    found = BUILD_STATUS.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ProtocolError(f"the build's status is {quote(value)}")
    return found[1]


def _cookie(value: object) -> str:
    return _text(value, "the cookie", MOST_COOKIE)


def _tail(value: object) -> bytes:
    if not isinstance(value, bytes | str | None):
        raise ProtocolError(f"the log's tail is {_kind(value)}, neither bytes nor text")
    tail = value.encode() if isinstance(value, str) else value or b""
    return tail[-MOST_TAIL_BYTES:]


def _files(value: object) -> Mapping[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ProtocolError(f"the map of files is {_kind(value)}, not a struct")
    if len(value) > MOST_FILES:
        raise ProtocolError(f"names {len(value)} files; {MOST_FILES} are the most")
    for name, sha1 in value.items():
        if not (isinstance(name, str) and FILE_NAME.fullmatch(name) and len(name) <= MOST_WORD):
            raise ProtocolError(f"a file may not be named {quote(name)}")
        if not (isinstance(sha1, str) and SHA1.fullmatch(sha1)):
            raise ProtocolError(f"the sum of {quote(name)} is {quote(sha1)}, no SHA-1")
    return dict(value)


def _dependencies(value: object) -> str | None:
    if value is None or value == "":
        return None
    return _text(value, "the list of dependencies", MOST_DEPENDENCIES)


def _version(value: object) -> str | None:
    return None if value is None else _text(value, "the version", MOST_WORD)


def _text(value: object, what: str, most: int) -> str:
    if not isinstance(value, str):
        raise ProtocolError(f"{what} is {_kind(value)}, not text")
    if not 0 < len(value) <= most:
        raise ProtocolError(f"{what} has {len(value)} characters, not 1 to {most}")
    return value


def _list(value: object, what: str, *, most: int) -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise ProtocolError(f"{what} is {_kind(value)}, not a list")
    if len(value) > most:
        raise ProtocolError(f"{what} has {len(value)} values; {most} are the most")
    return value


def _pair(value: object) -> tuple[object, object]:
    items = _list(value, "the reply", most=2)
    if len(items) != 2:
        raise ProtocolError(f"the reply has {len(items)} values, not 2")
    return items[0], items[1]


def _kind(value: object) -> str:
    kinds = {list: "a list", dict: "a struct", str: "text", bytes: "bytes", type(None): "nothing"}
    return kinds.get(type(value), "a number or a date")
