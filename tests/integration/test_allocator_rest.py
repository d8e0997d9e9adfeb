"""The REST API on each database: the original's routes and fields, and its errors."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from farmhand.tables import farm
from tests import services
from tests.allocators import (
    Allocator,
    add_masters,
    add_workers,
    make_places_database,
    running_allocator,
)
from tests.integration.conftest import POSTGRESQL

pytestmark = pytest.mark.integration

LOOK_UPS = {
    "distros": "distroid",
    "datacenters": "dcid",
    "bitlengths": "bitsid",
    "speeds": "speedid",
    "purposes": "purposeid",
    "trustlevels": "trustid",
    "environments": "envid",
    "pools": "poolid",
}
# What the original's slaves and masters had, and its page and command line rely on.
SLAVE_FIELDS = {
    *("slaveid", "name", "distroid", "bitsid", "speedid", "purposeid", "dcid", "trustid"),
    *("envid", "poolid", "basedir", "locked_masterid", "custom_tplid", "enabled", "notes"),
    "current_masterid",
}
SLAVE_NAMES = {
    *("distro", "bitlength", "speed", "purpose", "datacenter", "trustlevel", "environment"),
    *("pool", "locked_master", "current_master"),
}
MASTER_FIELDS = {
    *("masterid", "nickname", "fqdn", "http_port", "pb_port", "dcid", "poolid"),
    *("enabled", "notes"),
}


@pytest.fixture(scope="module", params=["sqlite", "mariadb", POSTGRESQL])
def api(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Allocator]:
    state: Path = tmp_path_factory.mktemp("rest")
    if request.param == "sqlite":
        url = f"sqlite:///{state}/farm.db"
    else:
        server: services.DatabaseServer = request.getfixturevalue(request.param)
        url = server.create_database(f"rest_{uuid.uuid4().hex[:12]}")
    engine = make_places_database(url)
    add_masters(engine, 2)
    add_masters(engine, 1, pool="staging")
    add_workers(engine, ["w1", "w2"], purpose="build", environment="prod")
    add_workers(engine, ["s1"], pool="staging", purpose="tests", environment="staging")
    add_workers(engine, ["off"], enabled=False)
    with engine.begin() as connection:
        found = connection.execute(sa.select(farm.workers.c.name, farm.workers.c.id))
        ids = {row.name: row.id for row in found}
        rows = [
            {"builder": "Linux x86-64 a/b build", "worker_id": ids[name]} for name in ("w2", "w1")
        ]
        connection.execute(farm.jacuzzis.insert(), rows)
    with running_allocator(engine, state=state) as allocator:
        yield allocator
    engine.dispose()


def error(reply: requests.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]


@pytest.mark.parametrize("prefix", ["/api", "/api/v1"])
@pytest.mark.parametrize(("table", "id_field"), LOOK_UPS.items())
def test_a_look_up_table_is_ids_and_names(
    api: Allocator, prefix: str, table: str, id_field: str
) -> None:
    rows = api.get(f"{prefix}/{table}").json()
    assert rows
    assert {frozenset(row) for row in rows} == {frozenset({id_field, "name"})}


def test_slaves_have_the_original_s_fields_and_names(api: Allocator) -> None:
    rows = api.get("/api/slaves").json()
    assert [row["name"] for row in rows] == ["w1", "w2", "s1", "off"]
    assert set(rows[0]) >= SLAVE_FIELDS | SLAVE_NAMES
    assert (rows[0]["pool"], rows[0]["environment"], rows[0]["purpose"]) == (
        "prod",
        "prod",
        "build",
    )


def test_masters_have_the_original_s_fields_and_names(api: Allocator) -> None:
    rows = api.get("/api/masters").json()
    assert set(rows[0]) >= MASTER_FIELDS | {"datacenter", "pool"}
    assert [(row["nickname"], row["pool"]) for row in rows] == [
        ("bm1", "prod"),
        ("bm2", "prod"),
        ("bm3", "staging"),
    ]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("pool=staging", ["s1"]),
        ("pool=staging&pool=prod", ["w1", "w2", "s1", "off"]),
        ("purpose=build", ["w1", "w2"]),
        ("environment=staging&purpose=build", []),
        ("enabled=0", ["off"]),
        ("enabled=true&pool=prod", ["w1", "w2"]),
    ],
)
def test_slaves_are_filtered(api: Allocator, query: str, names: list[str]) -> None:
    assert [row["name"] for row in api.get(f"/api/slaves?{query}").json()] == names


def test_a_row_is_found_by_id_and_by_name(api: Allocator) -> None:
    by_id = api.get("/api/masters/2").json()
    assert by_id == api.get("/api/masters/bm2?byname=1").json()
    assert by_id["nickname"] == "bm2"


@pytest.mark.parametrize(
    "row", ["999", "0", "-1", "1e3", "x", "9" * 30, "x?byname=1", "%00?byname=1"]
)
def test_a_row_that_is_not_there_is_404_and_empty(api: Allocator, row: str) -> None:
    reply = api.get(f"/api/slaves/{row}")
    assert (reply.status_code, reply.json()) == (404, {})


def test_a_table_that_is_not_there_says_which_are(api: Allocator) -> None:
    status, message = error(api.get("/api/passwords"))
    assert status == 404
    assert "there are slaves, masters" in message


@pytest.mark.parametrize(
    ("row", "edit"),
    [
        ("slaves/1", {"notes": "it's \N{SNOWMAN}", "basedir": "/builds/other"}),
        ("slaves/1", {"locked_masterid": 3}),
        ("slaves/1", {"locked_masterid": None}),
        ("slaves/1", {"enabled": False}),
        ("slaves/1", {"enabled": True, "custom_tplid": 2, "market": "spot"}),
        ("slaves/1", {"custom_tplid": None}),
        ("masters/1", {"fqdn": "bm1.new.example.com", "http_port": 8010, "notes": "x"}),
        ("pools/1", {"name": "production"}),
        ("pools/1", {"name": "prod"}),
        ("tac_templates/1", {"template": "x = {{ basedir }}\n"}),
    ],
)
def test_what_is_put_is_what_is_got(api: Allocator, row: str, edit: dict[str, Any]) -> None:
    assert api.put(f"/api/{row}", edit).json() == {"success": True}
    found = api.get(f"/api/{row}").json()
    assert {key: found[key] for key in edit} == edit


def test_a_template_set_to_null_is_the_shipped_one_again(api: Allocator) -> None:
    api.put("/api/tac_templates/1", {"template": "x = {{ basedir }}\n"})
    api.put("/api/tac_templates/1", {"template": None})
    assert (
        "from buildbot_worker.bot import Worker"
        in (api.get("/api/tac_templates/1").json()["template"])
    )


def test_a_whole_row_may_be_sent_back(api: Allocator) -> None:
    row = api.get("/api/slaves").json()[1]
    assert api.put(f"/api/slaves/{row['slaveid']}", row | {"notes": "new"}).status_code == 200
    assert api.get("/api/slaves").json()[1] == row | {"notes": "new"}


@pytest.mark.parametrize(
    ("row", "edit", "message"),
    [
        ("slaves/1", {"poolid": 999}, "poolid: pools has no id 999"),
        ("slaves/1", {"custom_tplid": 999}, "custom_tplid: tac_templates has no id 999"),
        ("slaves/1", {"locked_masterid": "bm1"}, "locked_masterid: "),
        ("slaves/1", {"enabled": 1}, "enabled: "),
        ("slaves/1", {"speed": "slow", "sped": 1}, 'unknown field "sped"'),
        ("masters/1", {"nickname": "bm2"}, 'nickname: "bm2" is taken'),
        ("masters/1", {"pb_port": 0}, "pb_port: "),
        ("tac_templates/1", {"template": "x = '{{ basedir }}'"}, "template: "),
        ("tac_templates/1", {"template": "umask = 002"}, "template: line 1: "),
        ("tac_templates/2", {"name": "mine"}, 'name: this release ships no template called "mine"'),
        ("tac_templates/2", {"name": "mine", "template": None}, "template: this release ships no"),
    ],
)
def test_a_wrong_edit_names_the_field_and_changes_nothing(
    api: Allocator, row: str, edit: dict[str, Any], message: str
) -> None:
    before = api.get(f"/api/{row}").json()
    status, said = error(api.put(f"/api/{row}", edit))
    assert status == 400
    assert message in said
    assert api.get(f"/api/{row}").json() == before


def test_an_edit_of_a_row_that_is_not_there_is_404(api: Allocator) -> None:
    assert error(api.put("/api/slaves/999", {"notes": "x"})) == (404, "slaves has no row '999'")


def test_an_edit_may_go_by_name(api: Allocator) -> None:
    assert api.put("/api/slaves/s1?byname=1", {"notes": "by name"}).status_code == 200
    assert api.get("/api/slaves/s1?byname=1").json()["notes"] == "by name"


def test_history_of_nobody_is_404(api: Allocator) -> None:
    assert error(api.get("/api/slaves/nobody/history?byname=1"))[0] == 404


@pytest.mark.parametrize("name", ["Linux x86-64 a/b build", "Linux%20x86-64%20a%2Fb%20build"])
def test_a_jacuzzi_is_asked_as_the_original_s_was(api: Allocator, name: str) -> None:
    assert api.get(f"/v1/builders/{name}").json() == {"machines": ["w1", "w2"]}


def test_a_builder_without_a_jacuzzi_is_404(api: Allocator) -> None:
    assert api.get("/v1/builders/Linux").status_code == 404
    assert api.get("/v1/builders/%00").status_code == 404


def test_all_allocated_machines_are_listed(api: Allocator) -> None:
    assert api.get("/v1/allocated/all").json() == {"machines": ["w1", "w2"]}


def test_a_preview_of_nobody_says_so(api: Allocator) -> None:
    reply = api.get("/api/gettac/nobody")
    assert (reply.status_code, reply.json()["success"]) == (404, False)


def test_a_preview_knows_upper_case_names(api: Allocator) -> None:
    assert api.get("/api/gettac/W2").json()["success"] is True
