"""Who may change something: tokens, the login's cookie, pages of other sites; one server."""

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from farmhand.tables import farm
from slavealloc.doors.models import Scope
from tests.allocators import (
    Allocator,
    add_masters,
    add_token,
    add_workers,
    make_places_database,
    run_slavealloc,
    running_allocator,
)

pytestmark = pytest.mark.integration

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
EDIT = "/api/slaves/1"
PASSWORD = "distinctive-passw0rd"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("doors")


@pytest.fixture(scope="module")
def server(state: Path) -> Iterator[Allocator]:
    engine = make_places_database(f"sqlite:///{state}/farm.db")
    add_masters(engine, 1)
    add_workers(engine, ["w1", "w2"])
    with running_allocator(engine, state=state) as server:
        yield server
    engine.dispose()


def send(server: Allocator, method: str, path: str, **more: Any) -> requests.Response:
    """Send as a program or a browser does; redirects are not followed."""
    url = f"{server.url}{path}"
    return requests.request(method, url, timeout=30, allow_redirects=False, **more)


def edit(server: Allocator, notes: str, **headers: str) -> requests.Response:
    return send(server, "PUT", EDIT, json={"notes": notes}, headers=headers)


def log_in(server: Allocator, token: str, target: str = "", **headers: str) -> requests.Response:
    form = {"token": token, "next": target}
    return send(server, "POST", "/login", data=form, headers=headers)


def used(server: Allocator, name: str) -> Any:
    column = farm.tokens.c.last_used_at
    with server.engine.connect() as connection:
        return connection.scalar(sa.select(column).where(farm.tokens.c.name == name))


def set_used(server: Allocator, name: str, at: Any) -> None:
    with server.engine.begin() as connection:
        named = farm.tokens.c.name == name
        connection.execute(farm.tokens.update().where(named).values(last_used_at=at))


# Tokens


@pytest.mark.fault(
    "an old client's PUT without a token", "401 that says how to make a token and where to put it"
)
def test_everybody_may_read_and_only_tokens_may_write(server: Allocator) -> None:
    assert server.gettac("w1").status_code == 200
    assert server.get("/api/slaves").status_code == 200
    reply = edit(server, "no")
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert "`slavealloc token add NAME`" in reply.json()["error"]
    assert "slavealloc.api_token" in reply.json()["error"]
    assert server.put(EDIT, {"notes": "yes"}).status_code == 200
    assert server.get(EDIT).json()["notes"] == "yes"


@pytest.mark.fault(
    "a token is unknown, empty, too long or no ASCII",
    "401: this token is unknown, also for reading",
)
@pytest.mark.parametrize(
    "shown", ["Bearer farmhand_nobody", "bearer", "Bearer " + "x" * 5000, "Bearer é"]
)
def test_an_unknown_token_opens_nothing_not_even_reading(server: Allocator, shown: str) -> None:
    headers = {"Authorization": shown.encode()}
    reply = send(server, "GET", "/api/slaves", headers=headers)
    assert reply.status_code == 401
    assert reply.json()["error"].startswith("this token is unknown: ")


def test_a_proxys_own_password_is_none_of_ours(server: Allocator) -> None:
    reply = send(server, "GET", "/api/slaves", auth=("me", "secret"))
    assert reply.status_code == 200


@pytest.mark.fault("a machine's token is used for a change", "403 that says whose token it is")
def test_a_machines_token_changes_nothing(server: Allocator) -> None:
    token = add_token(server.engine, "machines", Scope.MACHINE)
    reply = edit(server, "no", Authorization=f"Bearer {token}")
    assert reply.status_code == 403
    assert '"machines" is a machine\'s' in reply.json()["error"]
    assert "failed=1" in log_in(server, token).headers["location"]


def test_the_command_line_makes_lists_and_revokes_tokens(server: Allocator, state: Path) -> None:
    database = ("-D", server.engine.url.render_as_string())

    def run(*args: str) -> Any:
        return run_slavealloc(state, "token", *args, *database)

    assert run("add", "jane", "--dry-run").out == (
        'would make the token "jane", good for changes\n'
    )
    made = run("add", "jane")
    token = made.out.strip()
    assert re.fullmatch(r"farmhand_[\w-]{43}", token)
    assert made.err == ""
    assert edit(server, "jane's", Authorization=f"Bearer {token}").status_code == 200
    again = run("add", "jane")
    assert (again.code, again.out) == (2, "")
    assert 'a token "jane" is there' in again.err
    assert run("add", "j@ne").code == 2
    machine = json.loads(run("add", "bld", "--machine", "--json").out)
    assert (machine["name"], machine["scope"]) == ("bld", "machine")
    listed = run("list", "--json")
    (row,) = [row for row in json.loads(listed.out) if row["name"] == "jane"]
    assert row["last_used_at"]
    assert row["revoked_at"] is None
    assert run("revoke", "jane", "--json").out.count('"changed": true') == 1
    assert run("revoke", "jane", "-v").out == 'the token "jane" was revoked before\n'
    assert 'did you mean "jane"' in run("revoke", "jahne").err
    reply = edit(server, "no", Authorization=f"Bearer {token}")
    assert reply.status_code == 401
    assert 'the token "jane" was revoked' in reply.json()["error"]
    told = listed.out + run("list").out + again.err
    assert token not in told
    assert "digest" not in told
    with server.engine.connect() as connection:
        statement = sa.select(farm.audit).where(farm.audit.c.row_name == "jane")
        rows = list(connection.execute(statement.order_by(farm.audit.c.id)))
    assert [(row.action, row.table_name) for row in rows] == [("add", "tokens"), ("edit", "tokens")]
    assert all("@" in row.who for row in rows)


def test_a_use_is_noted_once_an_hour_and_keeps_no_read_waiting(server: Allocator) -> None:
    headers = {"Authorization": f"Bearer {add_token(server.engine, 'noted')}"}
    fresh = sa.func.strftime("%Y-%m-%d %H:%M:%f000", "now", "-50 minutes")
    set_used(server, "noted", fresh)
    before = used(server, "noted")
    assert send(server, "GET", "/api/pools", headers=headers).status_code == 200
    assert used(server, "noted") == before
    set_used(server, "noted", sa.func.strftime("%Y-%m-%d %H:%M:%f000", "now", "-70 minutes"))
    with server.engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # nobody else may write now
        assert send(server, "GET", "/api/pools", headers=headers).status_code == 200
        connection.rollback()
    wait_until_used(server, "noted", before)


def wait_until_used(server: Allocator, name: str, before: Any) -> None:
    """The next request of this connection comes after what the last one left to be written."""
    for _ in range(200):
        if used(server, name) > before:
            return
        server.get("/api/pools")
    raise AssertionError("it was never noted")


# The page's cookie


def test_a_login_leads_back_and_its_cookie_is_for_this_server_alone(server: Allocator) -> None:
    token = add_token(server.engine, "page")
    reply = log_in(server, token, "/ui/workers?q=a")
    assert (reply.status_code, reply.headers["location"]) == (303, "/ui/workers?q=a")
    cookie = reply.headers["set-cookie"]
    for part in (f"farmhand_token={token}", "HttpOnly", "SameSite=strict", "Path=/"):
        assert part.lower() in cookie.lower()
    assert "Secure" not in cookie
    proxied = {"X-Forwarded-Proto": "https"}  # from this host, as nginx sends it
    assert "Secure" in log_in(server, token, **proxied).headers["set-cookie"]
    shown = {"Cookie": f"farmhand_token={token}"}
    home = {"Origin": server.url}
    assert edit(server, "by cookie", **shown, **home).status_code == 200
    assert edit(server, "by fetch", **shown, **{"Sec-Fetch-Site": "same-origin"}).status_code == 200
    gone = send(server, "POST", "/logout", headers={**shown, **home})
    assert gone.status_code == 303
    assert 'farmhand_token=""; ' in gone.headers["set-cookie"]


@pytest.mark.fault("a login is to lead to another site", "it leads to the dashboard")
@pytest.mark.parametrize(
    "target",
    [
        "//evil.example.com",
        "/\\evil.example.com",
        "https://evil.example.com",
        "/a\r\nX: y",
        "",
        "a",
    ],
)
def test_a_login_leads_nowhere_else(server: Allocator, target: str) -> None:
    token = add_token(server.engine, f"to-{abs(hash(target))}")
    assert log_in(server, token, target).headers["location"] == "/ui/"


@pytest.mark.fault("a login with a wrong token", "the page asks again; no cookie is set")
def test_a_login_with_a_wrong_token_asks_again(server: Allocator) -> None:
    reply = log_in(server, "farmhand_wrong", "/ui/silos")
    assert reply.headers["location"] == "/ui/login?failed=1&next=%2Fui%2Fsilos"
    assert "set-cookie" not in reply.headers


@pytest.mark.fault("another site's page sends the cookie along: {id}", "403, nothing changes")
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example.com"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
    ids=["nothing", "origin", "null", "cross-site", "same-site", "none"],
)
def test_a_cookie_changes_nothing_when_another_sites_page_sends_it(
    server: Allocator, headers: dict[str, str]
) -> None:
    before = server.get(EDIT).json()["notes"]
    server.authorization()
    shown = {"Cookie": f"farmhand_token={server.token}", **headers}
    assert edit(server, "forged", **shown).status_code == 403
    assert server.get(EDIT).json()["notes"] == before
    if headers:  # nor may it log somebody in
        assert log_in(server, server.token, **headers).status_code == 403


@pytest.mark.fault(
    "the cookie's token is good no more", "reading works, the cookie is forgotten; a change is 401"
)
def test_a_cookie_that_is_good_no_more_is_forgotten_and_still_reads(server: Allocator) -> None:
    shown = {"Cookie": "farmhand_token=farmhand_old"}
    reply = send(server, "GET", "/api/pools", headers=shown)
    assert reply.status_code == 200
    assert reply.headers["set-cookie"].startswith("farmhand_token=; Max-Age=0; Path=/")
    reply = edit(server, "no", **shown, Origin=server.url)
    assert reply.status_code == 401
    assert "this token is unknown" in reply.json()["error"]


# What every answer says, and how much a request may have


@pytest.mark.parametrize("path", ["/api/", "/api/slaves", "/nowhere", "/metrics", "/"])
def test_every_answer_keeps_browsers_from_misusing_it(server: Allocator, path: str) -> None:
    headers = send(server, "GET", path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-frame-options"] == "DENY"


def test_refusals_say_it_too(server: Allocator) -> None:
    reply = edit(server, "no", Authorization="Bearer farmhand_no")
    assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]


@pytest.mark.fault("a request's head never ends", "the connection is cut; others are served")
def test_a_head_without_end_is_cut_off(server: Allocator) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as line:
        line.sendall(b"GET /api/pools HTTP/1.1\r\nHost: x\r\n")
        answer = b""
        try:
            for _ in range(100):
                line.sendall(b"X-Long: " + b"y" * 16_000 + b"\r\n")
            answer = line.recv(65536)
        except OSError:  # it has hung up already
            pass
        assert b"200 OK" not in answer
    assert server.get("/api/pools").status_code == 200


@pytest.mark.fault("a login of a megabyte", "413")
def test_a_login_of_a_megabyte_is_refused(server: Allocator) -> None:
    reply = send(server, "POST", "/login", data=b"token=" + b"x" * 1_000_000, headers=FORM)
    assert reply.status_code == 413


# Secrets


def test_neither_passwords_nor_tokens_are_told_anywhere(server: Allocator, state: Path) -> None:
    """A story with distinctive secrets; then everything that was printed, answered and logged."""
    database = ("-D", server.engine.url.render_as_string())
    (state / "p.csv").write_text(f"pool,distro,password\nprod,*,{PASSWORD}\n")
    (state / "bad.csv").write_text(f"pool,distro,password\nprod,*,{PASSWORD}\nprod,*,{PASSWORD}\n")
    token = add_token(server.engine, "story")
    shown = {"FARMHAND_TOKEN": token}
    ran = [
        run_slavealloc(state, "dbimport", "--password-data", "p.csv", "-vv", *database),
        run_slavealloc(state, "dbimport", "--password-data", "bad.csv", "-vv", *database),
        run_slavealloc(state, "-A", server.url, "disable", "w2", "-m", "bug", "-vv", **shown),
        run_slavealloc(state, "-A", server.url, "history", "w2", "--json", "-vv", **shown),
        run_slavealloc(state, "-A", server.url, "lock", "w2", "nobody", "-vv", **shown),
        run_slavealloc(state, "-A", server.url, "notes", "w2", "-m", "x", FARMHAND_TOKEN="a\nb"),
    ]
    assert [done.code for done in ran] == [0, 2, 0, 0, 2, 2]
    told = "".join(done.out + done.err for done in ran)
    assert PASSWORD in server.gettac("w1").text  # whom it is for
    tables = ("slaves", "masters", "pools", "tac_templates", "slave_passwords", "nowhere")
    paths = [f"/api/v1/{table}" for table in tables] + ["/api/v1/slaves/2/history", "/metrics"]
    told += "".join(server.get(path, headers=server.authorization()).text for path in paths)
    told += edit(server, "x" * 20_000, Authorization=f"Bearer {token}").text
    told += edit(server, "x", Authorization=f"Bearer {token}x").text
    told += log_in(server, token + "y").headers["location"]
    told += server.command.said
    with server.engine.connect() as connection:
        told += "".join(str(row) for row in connection.execute(sa.select(farm.audit)))
    assert "(hidden)" in told
    assert PASSWORD not in told
    assert token not in told
    assert token.removeprefix("farmhand_") not in told
