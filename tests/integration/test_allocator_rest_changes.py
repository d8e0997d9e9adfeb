"""What the API changes, over HTTP: conditions, additions, deletions, many at once; and lists."""

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from farmhand.tables import farm
from slavealloc.tac import read_shipped
from tests import services
from tests.allocators import (
    Allocator,
    add_masters,
    add_workers,
    make_places_database,
    running_allocator,
)

pytestmark = pytest.mark.integration

SOAKED = [pytest.param(each, marks=pytest.mark.soak) for each in ("mariadb", "postgresql")]


@pytest.fixture(scope="module", params=["sqlite", *SOAKED])
def servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Allocator, Allocator]]:
    """Two servers on one farm: masters bm1 and bm2, workers w01 to w30, 3 of them disabled."""
    state: Path = tmp_path_factory.mktemp("changes")
    config = "farm: default\nslavealloc: {default_template: ours}\n"
    (state / "farmhand.yml").write_text(config)
    url = f"sqlite:///{state}/farm.db"
    if request.param != "sqlite":
        server: services.DatabaseServer = request.getfixturevalue(request.param)
        url = server.create_database(f"changes_{uuid.uuid4().hex[:12]}")
    engine = make_places_database(url)
    with engine.begin() as connection:
        ours = {"name": "ours", "template": read_shipped("buildbot-worker")}
        connection.execute(farm.tac_templates.insert().values(ours))
    add_masters(engine, 2)
    add_workers(engine, [f"w{n:02}" for n in range(1, 28)])
    add_workers(engine, ["w28", "w29", "w30"], distro="win64", enabled=False, notes="100% broken")
    with (
        running_allocator(engine, state=state) as one,
        running_allocator(engine, state=state) as two,
    ):
        yield one, two
    engine.dispose()


@pytest.fixture
def api(servers: tuple[Allocator, Allocator]) -> Allocator:
    return servers[0]


def send(
    api: Allocator, method: str, path: str, json: Any = None, **more: str
) -> requests.Response:
    """Send with a token; `more`: headers, with _ for -."""
    headers = api.authorization() | {key.replace("_", "-"): value for key, value in more.items()}
    url = f"{api.url}/api/v1/{path}"
    return requests.request(method, url, json=json, headers=headers, timeout=30)


def get(api: Allocator, path: str, **headers: str) -> requests.Response:
    return send(api, "GET", path, **headers)


def names(api: Allocator, query: str) -> list[str]:
    return [row["name"] for row in get(api, f"slaves?{query}").json()]


# Conditions


def test_an_edit_holds_for_the_version_it_was_decided_on(api: Allocator) -> None:
    path = "slaves/w01?byname=1"
    old = get(api, path).headers["etag"]
    api.gettac("w01")
    done = send(api, "PUT", path, {"notes": "first"}, If_Match=old)
    assert (done.status_code, done.json()) == (200, {"success": True})
    late = send(api, "PATCH", path, {"notes": "second"}, If_Match=old)
    now = get(api, path)
    assert (late.status_code, late.json()["row"]) == (412, now.json())
    assert now.json()["notes"] == "first"
    assert late.headers["etag"].strip('"') == now.headers["etag"].strip('"').partition(".")[0]
    assert done.headers["etag"] == now.headers["etag"]
    assert send(api, "PUT", path, {"notes": ""}, If_Match=late.headers["etag"]).ok
    assert send(api, "PUT", path, {}, If_Match="*").ok
    assert send(api, "PUT", path, {}, If_Match="x").status_code == 400


def test_what_is_known_is_not_sent_again(api: Allocator) -> None:
    for path in ("slaves/w02?byname=1", "slaves?limit=3", "pools", "jacuzzis"):
        first = get(api, path)
        again = get(api, path, If_None_Match=f'W/{first.headers["etag"]}, "other"')
        assert (again.status_code, again.content) == (304, b"")
    before = get(api, "slaves/w02?byname=1").headers["etag"]
    api.gettac("w02")
    assert get(api, "slaves/w02?byname=1", If_None_Match=before).status_code == 200


def test_two_who_edit_at_once_through_two_servers_lose_nothing(
    servers: tuple[Allocator, Allocator],
) -> None:
    path, written = "slaves/w03?byname=1", {server.url: 0 for server in servers}

    def count_up(server: Allocator) -> None:
        while written[server.url] < 10:
            read = get(server, path)
            notes = str(int(read.json()["notes"] or 0) + 1)
            done = send(server, "PUT", path, {"notes": notes}, If_Match=read.headers["etag"])
            assert done.status_code in {200, 412}
            written[server.url] += done.ok

    threads = [threading.Thread(target=count_up, args=[server]) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert get(servers[0], path).json()["notes"] == "20"


# Rows that come and go


def test_a_row_is_added_found_and_deleted(api: Allocator) -> None:
    added = send(api, "POST", "slaves", {"name": "new", "poolid": 1, "why": "bug 7"})
    assert (added.status_code, added.json()["enabled"]) == (201, False)
    path = added.headers["location"].removeprefix("/api/v1/")
    assert get(api, path).json() == added.json()
    assert get(api, path).headers["etag"] == added.headers["etag"]
    gone = send(api, "DELETE", f"{path}?why=bug%208", If_Match=added.headers["etag"])
    assert (gone.status_code, gone.content) == (204, b"")
    assert send(api, "DELETE", path).status_code == 404
    with api.engine.connect() as connection:
        found = connection.execute(sa.select(farm.audit).where(farm.audit.c.row_name == "new"))
        assert [(row.action, row.why) for row in found] == [("add", "bug 7"), ("delete", "bug 8")]


def test_what_is_used_is_not_deleted(api: Allocator) -> None:
    refused = send(api, "DELETE", "distros/linux64?byname=1")
    assert refused.status_code == 409
    assert "workers.distro_id: w01, w02, w03 and 24 more" in refused.json()["error"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "slaves"),
        ("PATCH", "slaves"),
        ("PUT", "slaves/1"),
        ("DELETE", "slaves/1"),
        ("PUT", "jacuzzis/Linux"),
        ("DELETE", "jacuzzis/Linux"),
    ],
)
def test_a_change_needs_a_token(api: Allocator, method: str, path: str) -> None:
    refused = requests.request(method, f"{api.url}/api/v1/{path}", json={}, timeout=30)
    assert refused.status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "slaves", "GET, POST, PATCH, HEAD"),
        ("PATCH", "pools", "GET, HEAD, POST"),
        ("POST", "slaves/1", "GET, PUT, PATCH, DELETE, HEAD"),
        ("GET", "allocations", "POST"),
    ],
)
def test_a_method_there_is_not_says_which_are(
    api: Allocator, method: str, path: str, allowed: str
) -> None:
    refused = send(api, method, path, {})
    assert (refused.status_code, refused.headers["allow"]) == (405, allowed)


def test_many_workers_are_disabled_with_a_reason_or_none_is(api: Allocator) -> None:
    edit = {"names": ["w10", "w11"], "set": {"enabled": False}, "why": "bug 9"}
    assert send(api, "PATCH", "slaves", edit).json() == {"success": True, "rows": 2}
    assert names(api, "enabled=0&distro=linux64") == ["w10", "w11"]
    wrong = send(api, "PATCH", "slaves", {"names": ["w12", "nobody"], "set": {"enabled": False}})
    assert (wrong.status_code, wrong.json()["error"]) == (404, "slaves has no row 'nobody'")
    assert names(api, "enabled=0&distro=linux64") == ["w10", "w11"]
    send(api, "PATCH", "slaves", edit | {"set": {"enabled": True}})


def test_a_password_can_be_set_and_is_never_shown(api: Allocator) -> None:
    added = send(api, "POST", "slave_passwords", {"poolid": 1, "distroid": 1, "password": "s3cret"})
    path = f"slave_passwords/{added.json()['passwordid']}"
    assert send(api, "PUT", path, {"password": "s3cret-2"}).ok
    assert "s3cret" not in added.text + get(api, path).text + get(api, "slave_passwords").text
    with api.engine.connect() as connection:
        assert not [
            row for row in connection.execute(sa.select(farm.audit)) if "s3cret" in str(row)
        ]
    assert "s3cret-2" in api.gettac("w04").text
    send(api, "DELETE", path)


def test_a_builder_is_confined_and_freed_again(api: Allocator) -> None:
    path = "jacuzzis/Linux%20x86-64%20a%2Fb"
    put = send(api, "PUT", path, {"machines": ["w06", "w05"]})
    assert put.json() == {"builder": "Linux x86-64 a/b", "machines": ["w05", "w06"]}
    assert get(api, path).json() == put.json() == get(api, "jacuzzis").json()[0]
    assert api.get("/v1/builders/Linux%20x86-64%20a%2Fb").json()["machines"] == ["w05", "w06"]
    again = send(api, "PUT", path, {"machines": ["w05", "w06"]}, If_None_Match=put.headers["etag"])
    assert (again.status_code, again.json()) == (200, put.json())
    send(api, "PUT", path, {"machines": ["w07"]})
    late = send(api, "DELETE", path, If_Match=put.headers["etag"])
    assert (late.status_code, late.json()["row"]["machines"]) == (412, ["w07"])
    assert send(api, "DELETE", path).status_code == 204
    assert get(api, path).status_code == 404


# Lists


def test_a_list_comes_in_parts(api: Allocator) -> None:
    path, seen = "/api/v1/slaves?limit=10&sort=-name", []
    while path:
        part = api.get(path)
        seen += [row["name"] for row in part.json()]
        path = part.links.get("next", {}).get("url", "")
    assert seen == [f"w{n:02}" for n in range(30, 0, -1)]
    middle = get(api, "slaves?limit=10&offset=10&enabled=1")
    assert (len(middle.json()), middle.headers["x-total-count"]) == (10, "27")
    assert {
        rel: link["url"].partition("offset=")[2].partition("&")[0]
        for rel, link in middle.links.items()
    } == {
        "first": "0",
        "prev": "0",
        "next": "20",
        "last": "20",
    }
    assert [row["name"] for row in get(api, "slaves?offset=28").json()] == ["w29", "w30"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("distro=win64&datacenter=datacenter&instance_type=-", ["w28", "w29", "w30"]),
        ("distro=win64&locked_master=bm1", []),
        ("master=bm1&master=bm2", ["w20", "w21"]),
        ("master=-&name=1", None),
        ("silent=0", ["w20", "w21"]),
        ("silent=1&search=W2&limit=2", ["w22", "w23"]),
        ("notes=1&search=0%25%20BROKEN", ["w28", "w29", "w30"]),
        ("notes=1&search=_", []),
        ("notes=0&sort=-slaveid&limit=1&search=w", ["w27"]),
        ("sort=-last_seen_at&limit=1&enabled=0", ["w28"]),
    ],
)
def test_workers_are_found(api: Allocator, query: str, found: list[str] | None) -> None:
    with api.engine.begin() as connection:
        columns = farm.workers.c
        connection.execute(
            farm.workers.update()
            .where(columns.name.in_([f"w0{n}" for n in range(1, 10)]))
            .values(last_seen_at=None, current_master_id=None, notes=None)
        )
    api.gettac("w20")
    api.gettac("w21")
    if found is None:
        assert get(api, f"slaves?{query}").status_code == 400
        assert api.get(f"/api/slaves?{query}").status_code == 200
    else:
        assert names(api, query) == found


def test_places_are_given_as_json(api: Allocator) -> None:
    asked = {"names": ["W22.build.example.com", "w28", "nobody"]}
    reply = requests.post(f"{api.url}/api/v1/allocations", json=asked, timeout=30)
    found = reply.json()["allocations"]
    assert [(each["name"], each["outcome"]) for each in found] == [
        ("w22", "placed"),
        ("w28", "disabled"),
        ("nobody", "unknown"),
    ]
    assert found[0]["master"] in {"bm1", "bm2"}
    assert found[2]["error"] == "no allocation available: no worker is called 'nobody'"
    assert "pw-prod" not in reply.text
    assert get(api, "slaves/w22?byname=1").json()["current_masterid"] in {1, 2}
    shown = requests.post(
        f"{api.url}/api/allocations", json={"name": "w22", "tac": True}, timeout=30
    )
    assert "pw-prod" in shown.json()["allocations"][0]["tac"]


@pytest.mark.fault(
    "somebody deletes or renames the tac template that `default_template` names",
    "409 with the reason; nothing is changed",
)
def test_the_configuration_s_template_can_neither_go_nor_have_another_name(api: Allocator) -> None:
    ours, text = "tac_templates/ours?byname=1", {"template": "x = {{ basedir }}\n"}
    for refused in (send(api, "DELETE", ours), send(api, "PUT", ours, {"name": "mine"})):
        assert refused.status_code == 409
        said = "ours is still used by the configuration, as slavealloc.default_template"
        assert said in refused.json()["error"]
    assert send(api, "POST", "tac_templates", {"name": "other", **text}).status_code == 201
    assert send(api, "DELETE", "tac_templates/other?byname=1").status_code == 204
    assert send(api, "PUT", ours, text).ok
