"""What a build daemon says, as data, in both dialects: values of XML-RPC → dataclasses; pure.

A reply is data from a machine that runs untrusted code: whatever is not exactly what the protocol
has is a ProtocolError, and none of it is quoted at length or unescaped.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from scanner.transport.errors import ProtocolError, UnknownState
from scanner.transport.values import kind_of, list_of, pair_of, quote, text_of

MOST_FILES = 10_000
MOST_TAIL_BYTES = 2048
MOST_DEPENDENCIES = 16_000  # characters: fits MySQL's TEXT at four bytes each
MOST_WORD = 255
MOST_COOKIE = 1000
MOST_INFO = 500

SHA1 = re.compile(r"[0-9a-f]{40}")
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_:@-]*(/[A-Za-z0-9][A-Za-z0-9.+~_:@-]*)?")
BUILD_STATUS = re.compile(r"BuildStatus\.([A-Za-z0-9_]{1,32})")


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
    `refused` is why what the build left can't be taken: it chose that, so its daemon is believed
    all else. `log_tail` is None where the daemon tells nothing of the log, as in 2005.
    """

    state: DaemonState
    dialect: Dialect
    build_status: str | None = None
    cookie: str | None = None
    log_tail: bytes | None = b""
    files: Mapping[str, str] = field(default_factory=dict)
    dependencies: str | None = None
    refused: str = ""
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
    items = list_of(value, "the reply", most=5)
    if not items:
        raise ProtocolError("the reply is an empty list")
    return _status_of_list(_state(items[0]), items[1:])


def _status_of_dict(value: Mapping[object, object]) -> Status:
    state = _state(value.get("builder_status"))
    if state is DaemonState.ABORTED:
        raise ProtocolError("is ABORTED, which this dialect does not have")
    idle = state is DaemonState.IDLE
    status = Status(
        state=state,
        dialect=Dialect.DICT,
        cookie=None if idle else _cookie(value.get("build_id")),
        log_tail=_tail(value.get("logtail")) if state is DaemonState.BUILDING else b"",
        version=_version(value.get("builder_version")),
    )
    if state is not DaemonState.WAITING:
        return status
    build_status = _build_status(value.get("build_status"))
    return _with_results(status, build_status, value.get("filemap"), value.get("dependencies"))


def _status_of_list(state: DaemonState, items: Sequence[object]) -> Status:
    """Understand what comes after the state."""
    match state, *items:
        case (DaemonState.IDLE,) | (DaemonState.IDLE, ""):
            return Status(state=state, dialect=Dialect.LIST)
        case DaemonState.BUILDING, cookie, *tail if len(tail) < 2:
            log_tail = _tail(tail[0]) if tail else None
            return Status(
                state=state, dialect=Dialect.LIST, cookie=_cookie(cookie), log_tail=log_tail
            )
        case (DaemonState.ABORTING | DaemonState.ABORTED, cookie):
            return Status(state=state, dialect=Dialect.LIST, cookie=_cookie(cookie))
        case DaemonState.WAITING, build_status, cookie, *rest:
            status = Status(state=state, dialect=Dialect.LIST, cookie=_cookie(cookie))
            files, dependencies = [*rest, None, None][:2]
            return _with_results(status, _build_status(build_status), files, dependencies)
        case _:
            raise ProtocolError(f"{state} does not come with {len(items)} values like these")


def _with_results(status: Status, build_status: str, files: object, dependencies: object) -> Status:
    """Add how a build ended, and what it left."""
    status = replace(status, build_status=build_status)
    try:
        return replace(status, files=_files(files), dependencies=_dependencies(dependencies))
    except ProtocolError as err:
        return replace(status, refused=str(err))


def parse_info(value: object) -> DaemonInfo:
    """Understand what info() returned.

    Raises ProtocolError.
    """
    items = list_of(value, "the reply", most=3)
    if len(items) != 3:
        raise ProtocolError(f"the reply has {len(items)} values, not 3")
    version = text_of(items[0], "the version", MOST_WORD)
    if version != "1.0":
        raise ProtocolError(f"speaks protocol {quote(version)}, not '1.0'")
    types = list_of(items[2], "the list of build types", most=100)
    return DaemonInfo(
        version=version,
        arch_tag=text_of(items[1], "the architecture", 32),
        build_types=tuple(text_of(each, "a build type", 64) for each in types),
    )


def parse_presence(value: object) -> Presence:
    """Understand what ensurepresent() returned: a bare bool, or [bool, text].

    Raises ProtocolError.
    """
    present, info = (value, "") if isinstance(value, bool) else pair_of(value)
    if not isinstance(present, bool) or not isinstance(info, str):
        raise ProtocolError("the reply is neither a bool nor [bool, text]")
    return Presence(present=present, info=info[:MOST_INFO])


def parse_build_reply(value: object, cookie: str) -> BuildReply:
    """Understand what build() of this cookie returned.

    Raises ProtocolError.
    """
    status, said = pair_of(value)
    if status == "BuilderStatus.BUILDING":
        if said != cookie:
            raise ProtocolError("builds under another cookie than it was given")
        return BuildReply(accepted=True, text=cookie)
    if status not in ("BuilderStatus.UNKNOWNSUM", "BuilderStatus.UNKNOWNBUILDER"):
        raise ProtocolError(f"answers a build with {quote(status)}")
    if not isinstance(said, str | None):
        raise ProtocolError(f"the reason is {kind_of(said)}, not text")
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


# Parts of a reply


def _state(value: object) -> DaemonState:
    if not isinstance(value, str):
        raise ProtocolError(f"the state is {kind_of(value)}, not text")
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
    return text_of(value, "the cookie", MOST_COOKIE)


def _tail(value: object) -> bytes:
    if not isinstance(value, bytes | str | None):
        raise ProtocolError(f"the log's tail is {kind_of(value)}, neither bytes nor text")
    tail = value.encode() if isinstance(value, str) else value or b""
    return tail[-MOST_TAIL_BYTES:]


def _files(value: object) -> Mapping[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ProtocolError(f"the map of files is {kind_of(value)}, not a struct")
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
    return text_of(value, "the list of dependencies", MOST_DEPENDENCIES)


def _version(value: object) -> str | None:
    return None if value is None else text_of(value, "the version", MOST_WORD)
