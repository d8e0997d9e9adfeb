"""What a daemon says, in both dialects; and what no daemon says."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farmhand.errors import BadInput
from scanner.transport.address import Address, parse_address
from scanner.transport.errors import ProtocolError, UnknownState
from scanner.transport.values import quote
from scanner.transport.wire import (
    MOST_FILES,
    BuildReply,
    DaemonInfo,
    DaemonState,
    Dialect,
    Presence,
    Status,
    parse_build_reply,
    parse_info,
    parse_presence,
    parse_state,
    parse_status,
)

IDLE, BUILDING = "BuilderStatus.IDLE", "BuilderStatus.BUILDING"
WAITING, ABORTING = "BuilderStatus.WAITING", "BuilderStatus.ABORTING"
ABORTED = "BuilderStatus.ABORTED"
OK = "BuildStatus.OK"
SHA1 = "0123456789abcdef0123456789abcdef01234567"
DEB = {"a_1.0~rc1+b-1_amd64.deb": SHA1}


def status(state: DaemonState, dialect: Dialect = Dialect.LIST, **changes: Any) -> Status:
    return Status(state=state, dialect=dialect, **changes)


LISTS: list[tuple[list[object], Status]] = [
    ([IDLE], status(DaemonState.IDLE)),
    ([IDLE, ""], status(DaemonState.IDLE)),
    ([BUILDING, "1-1"], status(DaemonState.BUILDING, cookie="1-1", log_tail=None)),
    ([BUILDING, "1-1", b"\xff"], status(DaemonState.BUILDING, cookie="1-1", log_tail=b"\xff")),
    ([BUILDING, "1-1", "ä"], status(DaemonState.BUILDING, cookie="1-1", log_tail=b"\xc3\xa4")),
    ([BUILDING, "1-1", None], status(DaemonState.BUILDING, cookie="1-1")),
    ([ABORTING, "1-1"], status(DaemonState.ABORTING, cookie="1-1")),
    ([ABORTED, "1-1"], status(DaemonState.ABORTED, cookie="1-1")),
    ([WAITING, OK, "1-1"], status(DaemonState.WAITING, build_status="OK", cookie="1-1")),
    ([WAITING, OK, "1-1", {}], status(DaemonState.WAITING, build_status="OK", cookie="1-1")),
    (
        [WAITING, "BuildStatus.DEPFAIL", "1-1", DEB, "libc6 (>= 3)"],
        status(
            DaemonState.WAITING,
            build_status="DEPFAIL",
            cookie="1-1",
            files=DEB,
            dependencies="libc6 (>= 3)",
        ),
    ),
    (
        [WAITING, OK, "1-1", DEB, None],
        status(DaemonState.WAITING, build_status="OK", cookie="1-1", files=DEB),
    ),
]

BY_NAME = Dialect.DICT
DICTS: list[tuple[dict[str, object], Status]] = [
    ({"builder_status": IDLE}, status(DaemonState.IDLE, BY_NAME)),
    (
        {"builder_status": IDLE, "builder_version": "254", "build_id": "9-9"},
        status(DaemonState.IDLE, BY_NAME, version="254"),
    ),
    (
        {"builder_status": BUILDING, "build_id": "1-1", "logtail": b"\xff\0", "jobs": [1, {}]},
        status(DaemonState.BUILDING, BY_NAME, cookie="1-1", log_tail=b"\xff\0"),
    ),
    (
        {"builder_status": ABORTING, "build_id": "1-1"},
        status(DaemonState.ABORTING, BY_NAME, cookie="1-1"),
    ),
    (
        {"builder_status": WAITING, "build_status": "BuildStatus.CHROOTFAIL", "build_id": "1-1"},
        status(DaemonState.WAITING, BY_NAME, build_status="CHROOTFAIL", cookie="1-1"),
    ),
    (
        {
            "builder_status": WAITING,
            "build_status": OK,
            "build_id": "1-1",
            "filemap": DEB,
            "dependencies": None,
        },
        status(DaemonState.WAITING, BY_NAME, build_status="OK", cookie="1-1", files=DEB),
    ),
]


@pytest.mark.parametrize(("value", "expected"), LISTS)
def test_a_list_is_understood(value: list[object], expected: Status) -> None:
    assert parse_status(value) == expected
    assert parse_status(tuple(value)) == expected


@pytest.mark.parametrize(("value", "expected"), DICTS)
def test_a_struct_is_understood(value: dict[str, object], expected: Status) -> None:
    assert parse_status(value) == expected


def test_an_unknown_build_status_is_kept() -> None:
    found = parse_status([WAITING, "BuildStatus.UPLOADFAIL_2", "1-1"])
    assert found.build_status == "UPLOADFAIL_2"


def test_a_long_tail_is_cut_at_its_start() -> None:
    found = parse_status([BUILDING, "1-1", b"a" * 3000 + b"end"])
    assert found.log_tail == b"a" * 2045 + b"end"


@pytest.mark.parametrize(
    "value", [["BuilderStatus.DREAMING", "1-1"], ["IDLE"], {"builder_status": "BuilderStatus.x"}]
)
def test_an_unknown_state_is_told_apart(value: object) -> None:
    with pytest.raises(UnknownState, match="nobody knows"):
        parse_status(value)


WAITS: dict[str, object] = {"builder_status": WAITING, "build_status": OK, "build_id": "1-1"}
WRONG: list[tuple[object, str]] = [
    (None, "nothing, not a list"),
    ("BuilderStatus.IDLE", "text, not a list"),
    (True, "a number or a date, not a list"),
    ([], "empty list"),
    ([7], "the state is a number"),
    ([None], "the state is nothing"),
    ({}, "the state is nothing"),
    ({"status": IDLE}, "the state is nothing"),
    ([IDLE, "1-1"], "IDLE does not come with 1 values"),
    ([IDLE, "", ""], "IDLE does not come with 2 values"),
    ([BUILDING], "BUILDING does not come with 0 values"),
    ([BUILDING, "1-1", "", ""], "BUILDING does not come with 3 values"),
    ([BUILDING, 7], "the cookie is a number"),
    ([BUILDING, ""], "the cookie has 0 characters"),
    ([BUILDING, "x" * 1001], "the cookie has 1001 characters"),
    ([BUILDING, "1-1", 7], "the log's tail is a number"),
    ([ABORTING], "ABORTING does not come with 0 values"),
    ([ABORTED, "1-1", "x"], "ABORTED does not come with 2 values"),
    ([WAITING, OK], "WAITING does not come with 1 values"),
    ([WAITING, OK, "1-1", {}, None, None], "6 values; 5 are the most"),
    ([WAITING, "OK", "1-1"], "the build's status is 'OK'"),
    ([WAITING, "BuildStatus.", "1-1"], "the build's status is 'BuildStatus.'"),
    ([WAITING, "BuildStatus.A\nB", "1-1"], r"the build's status is 'BuildStatus.A\\nB'"),
    ([WAITING, None, "1-1"], "the build's status is nothing"),
    ([WAITING, OK, None], "the cookie is nothing"),
    ({"builder_status": ABORTED, "build_id": "1-1"}, "ABORTED, which this dialect does not have"),
    ({"builder_status": BUILDING}, "the cookie is nothing"),
    ({"builder_status": WAITING, "build_id": "1-1"}, "the build's status is nothing"),
    ({"builder_status": IDLE, "builder_version": 254}, "the version is a number"),
]


@pytest.mark.parametrize(("value", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_is_no_status_is_refused(value: object, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        parse_status(value)


def test_as_many_files_as_may_be_are_taken() -> None:
    files = dict.fromkeys(map(str, range(MOST_FILES)), SHA1)
    assert parse_status(WAITS | {"filemap": files}).files == files


NAMES = ["a", "0", "A_1:2.0~rc1+b@c-1_all.deb", "x" * 255, "folder/a.deb"]
BAD_NAMES = {
    "": "empty",
    "/etc/passwd": "absolute",
    "../a": "up",
    "a/../b": "up inside",
    "a/..": "up at the end",
    "..": "only up",
    ".hidden": "hidden",
    "a/.hidden": "hidden inside",
    "a/b/c": "two folders",
    "a//b": "empty folder",
    "a/": "only a folder",
    "a\0b": "NUL",
    "a\nb": "newline",
    "a\n": "newline at the end",
    "-rf": "an option",
    "a b": "blank",
    "a\\b": "backslash",
    "ä": "no ASCII",
    "٣": "a digit of another script",
    "%2e%2e": "escaped",
    "x" * 256: "long",
}


@pytest.mark.parametrize("name", NAMES, ids=["a", "0", "all", "long", "folder"])
def test_a_file_may_be_named(name: str) -> None:
    assert parse_status(WAITS | {"filemap": {name: SHA1}}).files == {name: SHA1}


@pytest.mark.parametrize("name", BAD_NAMES, ids=list(BAD_NAMES.values()))
def test_one_bad_name_refuses_all_that_a_build_left_and_nothing_else(name: str) -> None:
    status = parse_status(WAITS | {"filemap": DEB | {name: SHA1}})
    assert "may not be named" in status.refused
    assert (status.refused.isprintable(), len(status.refused) < 200) == (True, True)
    assert (status.files, status.cookie, status.build_status) == ({}, WAITS["build_id"], "OK")


UNFIT: list[tuple[object, str]] = [
    ([WAITING, OK, "1-1", []], "the map of files is a list"),
    ([WAITING, OK, "1-1", {}, 7], "the list of dependencies is a number"),
    ([WAITING, OK, "1-1", {}, "x" * 16001], "the list of dependencies has 16001"),
    (WAITS | {"filemap": {7: SHA1}}, "may not be named a number"),
    (WAITS | {"filemap": {"a": None}}, "the sum of 'a' is nothing"),
    (WAITS | {"filemap": dict.fromkeys(map(str, range(MOST_FILES + 1)), SHA1)}, "10001 files"),
]


@pytest.mark.parametrize(("value", "reason"), UNFIT, ids=[reason for _, reason in UNFIT])
def test_what_a_build_left_is_refused_where_it_is_not_what_it_should_be(
    value: object, reason: str
) -> None:
    status = parse_status(value)
    assert reason in status.refused
    assert (status.state, status.files, status.dependencies) == (DaemonState.WAITING, {}, None)


SUMS = ["", SHA1[:-1], SHA1 + "0", SHA1.upper(), "buildlog", "../../x", SHA1 + "\n", "g" * 40]


@pytest.mark.parametrize("sha1", SUMS)
def test_a_sum_is_forty_digits(sha1: str) -> None:
    assert "no SHA-1" in parse_status(WAITS | {"filemap": {"a": sha1}}).refused


# Other replies


def test_info_is_understood() -> None:
    expected = DaemonInfo(version="1.0", arch_tag="i386", build_types=("debian",))
    assert parse_info(["1.0", "i386", ["debian"]]) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("1.0", "text, not a list"),
        (["1.0", "i386"], "2 values, not 3"),
        (["2.0", "i386", []], "speaks protocol '2.0', not '1.0'"),
        ([1.0, "i386", []], "the version is a number"),
        (["1.0", None, []], "the architecture is nothing"),
        (["1.0", "x" * 33, []], "the architecture has 33"),
        (["1.0", "i386", "debian"], "build types is text"),
        (["1.0", "i386", [7]], "a build type is a number"),
        (["1.0", "i386", ["x"] * 101], "101 values; 100 are the most"),
    ],
)
def test_what_is_no_info_is_refused(value: object, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        parse_info(value)


@pytest.mark.parametrize(
    ("value", "present", "info"),
    [
        (True, True, ""),
        (False, False, ""),
        ([True, "Cache"], True, "Cache"),
        ([False, "No URL"], False, "No URL"),  # a list with something in it is true in itself
        ([False, "x" * 600], False, "x" * 500),
    ],
    ids=["bare", "bare, missing", "cache", "missing", "long"],
)
def test_presence_is_unwrapped(value: object, present: bool, info: str) -> None:
    assert parse_presence(value) == Presence(present=present, info=info)


@pytest.mark.parametrize(
    "value", [None, 1, "yes", [], [True], [1, "x"], [True, None], [[True], ""]]
)
def test_what_is_no_presence_is_refused(value: object) -> None:
    with pytest.raises(ProtocolError):
        parse_presence(value)


@pytest.mark.parametrize(
    ("value", "accepted", "text"),
    [
        ([BUILDING, "1-1"], True, "1-1"),
        (["BuilderStatus.UNKNOWNSUM", SHA1], False, f"UNKNOWNSUM: {SHA1}"),
        (["BuilderStatus.UNKNOWNBUILDER", None], False, "UNKNOWNBUILDER"),
    ],
)
def test_a_build_is_taken_or_not(value: object, accepted: bool, text: str) -> None:
    assert parse_build_reply(value, "1-1") == BuildReply(accepted=accepted, text=text)


@pytest.mark.parametrize(
    "value",
    [
        True,
        [BUILDING],
        [BUILDING, "1-2"],
        [BUILDING, None],
        [IDLE, "1-1"],
        [["x"], "1-1"],
        ["BuilderStatus.UNKNOWNSUM", 7],
    ],
)
def test_what_is_no_answer_to_a_build_is_refused(value: object) -> None:
    with pytest.raises(ProtocolError):
        parse_build_reply(value, "1-1")


def test_a_call_leads_to_one_state_only() -> None:
    assert parse_state(IDLE, DaemonState.IDLE) is DaemonState.IDLE
    with pytest.raises(ProtocolError, match="is BUILDING then, not IDLE"):
        parse_state(BUILDING, DaemonState.IDLE)
    with pytest.raises(ProtocolError, match="the state is a list"):
        parse_state([IDLE], DaemonState.IDLE)


def test_what_is_quoted_is_short_and_plain() -> None:
    assert quote("\x1b[2J" * 100) == ascii("\x1b[2J" * 15) + "…"
    assert quote(b"\x1b") == "bytes"


WORDS = st.sampled_from([IDLE, BUILDING, WAITING, ABORTING, OK, "1-1", "1.0", SHA1, "a.deb", ""])
KEYS = st.sampled_from(["builder_status", "build_status", "build_id", "logtail", "filemap", "x"])
SCALARS = st.none() | st.booleans() | st.integers(0, 9) | WORDS | st.just(b"\xff")
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS | WORDS, inner, max_size=5),
    max_leaves=8,
)


@given(VALUES)
def test_whatever_a_daemon_says_is_understood_or_refused(value: object) -> None:
    for parse in (parse_status, parse_info, parse_presence):
        with suppress(ProtocolError):
            parse(value)
    with suppress(ProtocolError):
        parse_build_reply(value, "1-1")
    with suppress(ProtocolError):
        parse_state(value, DaemonState.IDLE)


# A daemon's URL


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "netloc"),
    [
        ("http://bos01", "bos01", 8221, "", "bos01:8221"),
        ("http://10.0.0.1:8222/", "10.0.0.1", 8222, "", "10.0.0.1:8222"),
        ("http://proxy/builders/7/", "proxy", 8221, "/builders/7", "proxy:8221"),
        ("http://[::1]:80", "::1", 80, "", "[::1]:80"),
    ],
)
def test_an_address_is_taken_apart(url: str, host: str, port: int, path: str, netloc: str) -> None:
    address = parse_address(url)
    assert address == Address(url=url, host=host, port=port, path=path)
    assert address.netloc == netloc


@pytest.mark.parametrize(
    "url",
    [
        "bos01:8221",
        "https://bos01",
        "http://",
        "http://user:secret@bos01",
        "http://bos01:0",
        "http://bos01:99999",
        "http://bos01:x",
        "http://bos01/?a",
        "http://bos01/#a",
        "http://bos01/a b",
        "http://bos 01/",
        "http://bos01\r\nX-A: b/",
        "http://bo\ts01",
        "http://bös01",
        "http://[::1",
        "file:///etc/passwd",
    ],
)
def test_what_is_no_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(BadInput, match="http://host:8221") as refused:
        parse_address(url)
    assert "secret" not in str(refused.value)
