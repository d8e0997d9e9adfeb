"""What people and machines may send: each wrong request is refused by name, nobody else notices."""

import itertools
import json
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import requests

from tests import services
from tests.allocators import (
    Allocator,
    add_masters,
    add_workers,
    make_places_database,
    running_allocator,
)
from tests.storm import ask_all

pytestmark = pytest.mark.integration
NAMES = [f"w{number}" for number in range(200)]
STRANGE = {
    "percent": "w1%s%n%(x)s",
    "single quote": "w1'; DROP TABLE workers; --",
    "double quote": '"w1"',
    "newline": "w1\nw2",
    "carriage return": "w1\r\nSet-Cookie: x=1",
    "NUL": "w1\0",
    "NUL alone": "\0",
    "space after": "w1 ",
    "space before": " w1",
    "backslash": "w1\\",
    "underscore as a wildcard": "w_",
    "wildcard": "w%",
    "Kelvin sign": "\u212a1",
    "full-width": "ｗ１",
    "accent": "ẃ1",
    "dotless i": "wı",
    "soft hyphen": "w\u00ad1",
    "zero width": "w\u200b1",
    "emoji": "w1😀",
    "not UTF-8": "%FF%FE",
    "surrogate": "%ED%A0%80",
    "long": "w" * 10_000,
    "template": "{{ 7 * 7 }}",
    "script": "<script>alert(1)<%2Fscript>",
    "dots": "..",
    "empty before a domain": ".example.com",
}
VERBATIM = {"not UTF-8", "surrogate", "script"}


@pytest.fixture(
    scope="module",
    params=[
        "sqlite",
        *(pytest.param(k, marks=pytest.mark.soak) for k in ("mariadb", "postgresql")),
    ],
)
def allocator(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Allocator]:
    """One server is asked all of it; the database has little part in this."""
    state: Path = tmp_path_factory.mktemp("wrong")
    url = f"sqlite:///{state}/farm.db"
    if request.param != "sqlite":
        server: services.DatabaseServer = request.getfixturevalue(request.param)
        url = server.create_database(f"wrong_{uuid.uuid4().hex[:12]}")
    engine = make_places_database(url)
    add_masters(engine, 3)
    add_workers(engine, [*NAMES, "k1"])
    with running_allocator(engine, state=state) as allocator:
        yield allocator
    engine.dispose()


def connect(allocator: Allocator) -> socket.socket:
    port = urlsplit(allocator.url).port
    return socket.create_connection(("127.0.0.1", port or 0), timeout=30)


@pytest.mark.fault(
    "a strange name is asked for: {id}",
    "404 in plain text, and no header of its making; who asks at the same time is served",
    each=STRANGE,
)
def test_strange_names_are_unknown_and_who_asks_beside_them_is_served(allocator: Allocator) -> None:
    paths = {
        kind: name if kind in VERBATIM else quote(name, safe="") for kind, name in STRANGE.items()
    }
    asked = [*itertools.chain(*zip(NAMES, paths.values())), *NAMES[len(paths) :]]  # noqa: B905
    storm = ask_all([allocator.url], asked, concurrency=64)
    got = {answer.name: answer for answer in storm.answers}
    assert {kind: got[path].status for kind, path in paths.items()} == dict.fromkeys(paths, 404)
    assert {got[name].status for name in NAMES} == {200}
    strange = [got[path] for path in paths.values()]
    assert all("text/plain" in answer.head for answer in strange)
    assert all("set-cookie" not in answer.head.lower() for answer in strange)


WRONG = [
    ("slaves/1", b"", "JSON"),
    ("slaves/1", b"{", "JSON"),
    ("slaves/1", b"\xff\xfe\x00", "JSON"),
    ("slaves/1", b"[" * 100_000, "JSON"),
    ("slaves/1", b"[]", "object"),
    ("slaves/1", b'"enabled"', "object"),
    ("slaves/1", b'{"enabled": "yes"}', "enabled"),
    ("slaves/1", b'{"enabled": 1}', "enabled"),
    ("slaves/1", b'{"enabled": null}', "enabled"),
    ("slaves/1", b'{"notes": 7}', "notes"),
    ("slaves/1", b'{"notes": "a\\u0000b"}', "notes"),
    ("slaves/1", b'{"notes": "\\ud800"}', "notes"),
    ("slaves/1", b'{"enabeld": true}', "enabeld"),
    ("slaves/1", b'{"poolid": 99}', "poolid"),
    ("slaves/1", b'{"poolid": 1.5}', "poolid"),
    ("slaves/1", b'{"poolid": NaN}', "poolid"),
    ("slaves/1", b'{"poolid": 1e400}', "poolid"),
    ("slaves/1", b'{"poolid": -1}', "poolid"),
    ("slaves/1", b'{"poolid": ' + str(2**31).encode() + b"}", "poolid"),
    ("slaves/1", b'{"poolid": ' + str(2**63).encode() + b"}", "poolid"),
    ("slaves/1", b'{"poolid": ' + b"9" * 5000 + b"}", "JSON"),
    ("slaves/1", b'{"locked_masterid": 99}', "locked_masterid"),
    ("slaves/1", b'{"custom_tplid": 99}', "custom_tplid"),
    ("slaves/1", b'{"locked_masterid": "bm1"}', "locked_masterid"),
    ("slaves/1", b'{"market": "stolen"}', "market"),
    ("masters/1", b'{"pb_port": 70000}', "pb_port"),
    ("masters/1", b'{"pb_port": true}', "pb_port"),
    ("masters/1", b'{"fqdn": ""}', "fqdn"),
    ("masters/1", b'{"fqdn": "a\\nb"}', "fqdn"),
    ("masters/1", b'{"nickname": "bm2"}', "nickname"),
    ("masters/1", b'{"poolid": null}', "poolid"),
    ("pools/1", b'{"name": "' + b"p" * 256 + b'"}', "name"),
    ("tac_templates/1", b'{"template": "{{ nothing }}"}', "template"),
]


@pytest.mark.fault(
    "an edit with a wrong type, an unknown field or id, or broken JSON",
    "400, 409 or 422 with a JSON error that names the field; nothing changes",
)
def test_each_wrong_edit_is_refused_by_the_name_of_the_field(allocator: Allocator) -> None:
    tables = ("slaves", "masters", "pools", "tac_templates")
    before = {table: allocator.get(f"/api/{table}").json() for table in tables}
    answers = {}
    for path, body, word in WRONG:
        url, shown = f"{allocator.url}/api/{path}", allocator.authorization()
        reply = requests.put(url, data=body, headers=shown, timeout=30)
        fine = reply.status_code in {400, 409, 422} and word in _error(reply)
        if not fine:
            answers[path, body[:60]] = (reply.status_code, reply.text[:200], f"expected {word}")
    assert answers == {}
    assert {table: allocator.get(f"/api/{table}").json() for table in tables} == before


@pytest.mark.fault("an edit of a row that does not exist", "404 that says of which table")
def test_an_unknown_row_is_404(allocator: Allocator) -> None:
    for key in ("999", "abc", "-1", str(10**30), "w1%00?byname=1", "W1?byname=1"):
        reply = allocator.put(f"/api/slaves/{key}", {"notes": "x"})
        assert (reply.status_code, "slaves" in _error(reply)) == (404, True), key


def _error(reply: requests.Response) -> str:
    document: Any = json.loads(reply.text)
    return str(document["error"])


@pytest.mark.fault(
    "a body of a megabyte",
    "413 that says how long it may be, also where it comes in chunks; nothing changes",
)
def test_a_body_of_a_megabyte_is_refused(allocator: Allocator) -> None:
    body = b'{"notes": "' + b"x" * 1_000_000 + b'"}'
    chunks = (body[:500_000], body[500_000:])
    for data in (body, iter(chunks)):
        url, shown = f"{allocator.url}/api/slaves/1", allocator.authorization()
        reply = requests.put(url, data=data, headers=shown, timeout=30)
        assert reply.status_code == 413
        assert "longer than" in _error(reply)
    assert allocator.get("/api/slaves/1").json()["notes"] is None


@pytest.mark.fault(
    "slow clients send half a request and wait",
    "all others are served within seconds; the slow ones get their answer when they have "
    "finished asking",
)
def test_who_drips_a_request_keeps_nobody_waiting(allocator: Allocator) -> None:
    asking, editing = connect(allocator), connect(allocator)
    others = [connect(allocator) for _ in range(100)]
    for line in (asking, *others):
        line.sendall(b"GET /gettac/w1 HTTP/1.1\r\nHost: x")
    allocator.authorization()
    shown = f"Authorization: Bearer {allocator.token}\r\n".encode()
    editing.sendall(b"PUT /api/slaves/1 HTTP/1.1\r\nHost: x\r\n" + shown)
    editing.sendall(b"Content-Length: 17\r\n\r\n{")
    storm = ask_all([allocator.url], NAMES, concurrency=64)
    assert storm.statuses == {200: len(NAMES)}
    assert storm.waited_ms(1) < 5000
    asking.sendall(b"\r\n\r\n")
    editing.sendall(b'"enabled": true}')
    assert asking.recv(65536).startswith(b"HTTP/1.1 200 OK")
    assert editing.recv(65536).startswith(b"HTTP/1.1 200 OK")
    for line in (asking, editing, *others):
        line.close()


@pytest.mark.fault("200 clients hang up before their answer", "nobody else notices")
def test_who_hangs_up_keeps_nobody_waiting(allocator: Allocator) -> None:
    for name in NAMES:
        with connect(allocator) as line:
            line.sendall(f"GET /gettac/{name} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    storm = ask_all([allocator.url], NAMES, concurrency=64)
    assert storm.statuses == {200: len(NAMES)}
