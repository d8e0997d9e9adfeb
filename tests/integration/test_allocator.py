"""Machines ask a real slavealloc, on each database: what old clients expect, and even masters."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from farmhand.tables.farm import allocations, audit, masters, places, workers
from tests import services
from tests.allocators import (
    Allocator,
    add_masters,
    add_workers,
    balance,
    make_places_database,
    running_allocator,
)
from tests.integration.conftest import POSTGRESQL

pytestmark = pytest.mark.integration
# What the database has no part in is tried on one.
only_sqlite = pytest.mark.parametrize("server", ["sqlite"], indirect=True)


@pytest.fixture(scope="module", params=["sqlite", "mariadb", POSTGRESQL])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Allocator]:
    """Three masters, and workers w1 to w7."""
    state: Path = tmp_path_factory.mktemp("asked")
    url = f"sqlite:///{state}/farm.db"
    if request.param != "sqlite":
        database: services.DatabaseServer = request.getfixturevalue(request.param)
        url = database.create_database(f"asked_{uuid.uuid4().hex[:12]}")
    engine = make_places_database(url)
    add_masters(engine, 3)
    add_workers(engine, [f"w{n}" for n in range(1, 8)])
    with running_allocator(engine, state=state) as allocator:
        yield allocator
    engine.dispose()


@pytest.fixture
def allocator(server: Allocator) -> Allocator:
    """The server before anybody has asked; it is told, as it keeps what it has read until then."""
    unasked = dict.fromkeys(("current_master_id", "locked_master_id", "last_seen_at", "notes"))
    told = {"generation": places.c.generation + 1, "edits": places.c.edits + 1}
    with server.engine.begin() as connection:
        for history in (allocations, audit):
            connection.execute(history.delete())
        connection.execute(workers.update().values(enabled=True, **unasked))
        connection.execute(masters.update().values(enabled=True, notes=None))
        connection.execute(places.update().values(told))
    return server


def test_a_worker_gets_its_tac_and_the_place_is_recorded(allocator: Allocator) -> None:
    reply = allocator.gettac("w1")
    assert (reply.status_code, reply.headers["content-type"]) == (
        200,
        "text/plain; charset=utf-8",
    )
    assert reply.text.startswith("# AUTOMATICALLY GENERATED - DO NOT MODIFY\n")
    assert "\nbuildmaster_host = 'bm1.example.com'\nport = 9001\n" in reply.text
    assert balance(allocator.engine) == {1: 1, 2: 0, 3: 0}


@only_sqlite
def test_upper_case_and_domain_are_the_same_worker(allocator: Allocator) -> None:
    assert "'w2'" in allocator.gettac("W2.Build.example.com").text


def test_masters_fill_evenly_and_asking_again_moves_nobody(allocator: Allocator) -> None:
    first = [allocator.gettac(f"w{n}").text.splitlines()[8:12] for n in range(1, 8)]
    assert balance(allocator.engine) == {1: 3, 2: 2, 3: 2}
    assert [allocator.gettac(f"w{n}").text.splitlines()[8:12] for n in range(1, 8)] == first


def test_a_disabled_worker_gets_a_page_that_says_so(allocator: Allocator) -> None:
    allocator.gettac("w1")
    allocator.put("/api/slaves/w1?byname=1", {"enabled": False, "notes": "bug 1: it's 'broken'"})
    reply = allocator.gettac("w1")
    assert reply.status_code == 200
    assert "nothing assigned: \"w1 is disabled: bug 1: it's 'broken'\"" in reply.text
    assert balance(allocator.engine) == {1: 0, 2: 0, 3: 0}


def test_a_locked_worker_goes_to_its_master_and_nowhere_else(allocator: Allocator) -> None:
    assert allocator.put("/api/slaves/1", {"locked_masterid": 3}).json() == {"success": True}
    assert "bm3" in allocator.gettac("w1").text
    allocator.put("/api/masters/3", {"enabled": False, "notes": "being drained"})
    reply = allocator.gettac("w1")
    assert reply.status_code == 404
    assert reply.text == (
        "no allocation available for w1: it is locked to master bm3, which is disabled: "
        "being drained"
    )


@pytest.mark.fault("a worker that nobody knows asks for its tac", "404 in plain text")
@only_sqlite
def test_an_unknown_worker_is_404_in_plain_text(allocator: Allocator) -> None:
    reply = allocator.gettac("nobody")
    assert reply.status_code == 404
    assert reply.text == "no allocation available: no worker is called 'nobody'"


def test_every_move_is_history(allocator: Allocator) -> None:
    allocator.gettac("w1")
    allocator.gettac("w1")
    allocator.put("/api/masters/1", {"enabled": False})
    allocator.gettac("w1")
    history = allocator.get("/api/slaves/w1/history?byname=1").json()
    assert [(each["master"], each["reason"]) for each in history] == [
        ("bm2", "chosen"),
        ("bm1", "chosen"),
    ]


def test_who_has_not_asked_for_a_day_counts_no_more(allocator: Allocator) -> None:
    for n in (1, 2, 3):
        allocator.gettac(f"w{n}")
    with allocator.engine.begin() as connection:
        old = sa.select(sa.func.max(workers.c.last_seen_at)).scalar_subquery()
        seen = connection.scalar(sa.select(old))
        assert seen is not None
        connection.execute(
            workers.update()
            .where(workers.c.name == "w2")
            .values(last_seen_at=seen.replace(year=seen.year - 1))
        )
    assert "bm2" in allocator.gettac("w4").text


@only_sqlite
def test_nothing_is_recorded_for_a_preview(allocator: Allocator) -> None:
    reply = allocator.get("/api/gettac/w1").json()
    assert reply["success"] is True
    assert "bm1" in reply["tac"]
    with allocator.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(allocations)) == 0
        assert connection.scalar(sa.select(workers.c.last_seen_at).where(workers.c.id == 1)) is None


@only_sqlite
def test_a_pool_without_an_enabled_master_says_so(allocator: Allocator) -> None:
    with allocator.engine.begin() as connection:
        connection.execute(masters.update().values(enabled=False))
    assert allocator.gettac("w1").text == (
        "no allocation available for w1: its pool has no enabled master"
    )
