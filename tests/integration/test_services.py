"""The tests' own machinery: database servers, the scheduler's shapes, a real master and workers."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests import buildbot_master, proxies, scheduler_bulk, scheduler_schemas, services
from tests.scheduler_schemas import METADATA, Shape
from tests.worker_machine import wait_until

pytestmark = pytest.mark.integration
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SHAPES: tuple[Shape, ...] = ("A", "B", "C")
POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.soak)
shapes_on = pytest.mark.parametrize("server", ["mariadb", POSTGRESQL], indirect=True)
BUILDERS = scheduler_bulk.realistic_builder_names(40)


@pytest.fixture
def database(server: services.DatabaseServer) -> Iterator[sa.Engine]:
    server.create_database("farm")
    yield server.engine("farm")
    server.drop_database("farm")


@pytest.fixture(scope="module")
def master(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[buildbot_master.BuildbotMaster]:
    directory = tmp_path_factory.mktemp("farm")
    with buildbot_master.running_master(
        directory, builders=BUILDERS[:3], build_seconds=0.1
    ) as running:
        yield running


def count(engine: sa.Engine, table: sa.Table, *where: Any) -> int:
    with engine.connect() as connection:
        query = sa.select(sa.func.count()).select_from(table).where(*where)
        return connection.scalar(query) or 0


def test_a_server_keeps_its_data_and_urls_over_an_outage(server: services.DatabaseServer) -> None:
    server.create_database("kept")
    server.stop()
    with pytest.raises(sa.exc.OperationalError):
        server.execute("SELECT 1")
    server.start()
    with server.engine("kept").connect() as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1
    server.drop_database("kept")


def test_a_server_also_listens_on_its_socket(server: services.DatabaseServer) -> None:
    driver = server.engine("x").url.drivername
    name = "mysql" if server.scheme == "mysql" else "postgres"
    url = sa.make_url(server.socket_url(name)).set(drivername=driver)
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1
    assert len(str(server.folder)) < 60


def test_a_held_proxy_takes_the_query_and_answers_once_released(
    server: services.DatabaseServer,
) -> None:
    with proxies.slow_proxy(server.port) as proxy:
        assert server.url("farm", port=proxy.port).endswith(f"127.0.0.1:{proxy.port}/farm")
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=0.2) as client:
            proxy.hold()
            client.sendall(b"\0\0\0\x08\x04\xd2\x16\x2f")  # PostgreSQL's SSLRequest
            if server.scheme == "postgresql":
                with pytest.raises(TimeoutError):
                    client.recv(1)
            proxy.release()
            client.settimeout(5)
            assert client.recv(1)


def test_a_silent_listener_takes_connections_and_says_nothing() -> None:
    with (
        proxies.silent_listener() as port,
        socket.create_connection(("127.0.0.1", port), timeout=0.1) as client,
        pytest.raises(TimeoutError),
    ):
        client.recv(1)


@shapes_on
@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_takes_requests_of_every_kind(database: sa.Engine, shape: Shape) -> None:
    requests = METADATA[shape].tables["buildrequests"]
    scheduler_schemas.create_shape(database, shape)
    pending = scheduler_schemas.add_requests(
        database, shape, "a", 3, submitted_at=NOON, sourcestamp=False, active_master=False
    )
    scheduler_schemas.add_requests(database, shape, "a", 2, submitted_at=NOON, claimed=True)
    scheduler_schemas.add_requests(database, shape, "b", 1, submitted_at=NOON, complete=1)
    assert len(set(pending)) == 3
    assert count(database, requests, requests.c.complete == 0) == 5
    assert count(database, requests, requests.c.submitted_at == int(NOON.timestamp())) == 6
    if shape == "A":
        assert count(database, requests, requests.c.claimed_at > 0) == 2
    else:
        assert count(database, METADATA[shape].tables["buildrequest_claims"]) == 2


@shapes_on
@pytest.mark.parametrize("shape", SHAPES)
def test_many_requests_are_claimed_and_completed_in_proportion(
    database: sa.Engine, shape: Shape
) -> None:
    requests = METADATA[shape].tables["buildrequests"]
    scheduler_schemas.create_shape(database, shape)
    workers = ["w-1", "w-2"] if shape == "C" else []
    for name in workers:
        scheduler_schemas.add_worker(database, shape, name)
    pending = scheduler_bulk.bulk_requests(
        database, shape, 4000, BUILDERS, submitted_at=NOON, workers=workers
    )
    later = scheduler_schemas.add_requests(database, shape, BUILDERS[0], 1, submitted_at=NOON)
    assert pending == dict.fromkeys(BUILDERS, 75)
    assert count(database, requests, requests.c.complete == 1) == 800
    assert later == [4001]
    if shape != "A":
        assert count(database, METADATA[shape].tables["buildrequest_claims"]) == 1000
    if shape == "C":
        assert count(database, METADATA[shape].tables["builds"]) == 800


@shapes_on
def test_a_worker_may_be_building_after_another_build(database: sa.Engine) -> None:
    tables = METADATA["C"].tables
    scheduler_schemas.create_shape(database, "C")
    scheduler_schemas.add_worker(
        database, "C", "w-1", paused=1, building=True, last_complete_at=NOON, info={"host": "i-1"}
    )
    scheduler_schemas.add_worker(database, "C", "w-2", connected=False)
    builds = tables["builds"]
    assert count(database, tables["connected_workers"]) == 1
    assert count(database, builds, builds.c.complete_at == int(NOON.timestamp())) == 1
    assert count(database, builds, builds.c.complete_at.is_(None)) == 1


def _outline(inspector: sa.Inspector, table: str) -> tuple[object, ...]:
    columns = {(column["name"], column["nullable"]) for column in inspector.get_columns(table)}
    indexes = inspector.get_indexes(table)
    return columns, {(tuple(index["column_names"]), bool(index["unique"])) for index in indexes}


def test_shape_c_is_what_a_real_master_makes(
    master: buildbot_master.BuildbotMaster, tmp_path: Path
) -> None:
    ours = sa.create_engine(f"sqlite:///{tmp_path}/ours.sqlite", poolclass=sa.NullPool)
    scheduler_schemas.create_shape(ours, "C")
    theirs = sa.create_engine(master.db_url, poolclass=sa.NullPool)
    mine, real = sa.inspect(ours), sa.inspect(theirs)
    for table in METADATA["C"].tables:
        assert _outline(mine, table) == _outline(real, table), table
    with theirs.connect() as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == "067"


def test_a_real_worker_builds_what_was_forced(master: buildbot_master.BuildbotMaster) -> None:
    ids = master.force(BUILDERS[0], 3, priority=7)
    assert len(set(ids)) == 3
    assert master.pending() == {BUILDERS[0]: 3}
    first = master.rest(f"buildrequests/{ids[0]}")["buildrequests"][0]
    assert first["priority"] == 7
    with master.worker("demo-worker", host="i-0123") as worker:
        wait_until(lambda: not master.pending())
        wait_until(lambda: master.rest(f"buildrequests/{ids[2]}/builds")["builds"] != [])
        assert worker.finish() == 0
    builds = [master.rest(f"buildrequests/{id_}/builds")["builds"][-1] for id_ in ids]
    assert [build["results"] for build in builds] == [0, 0, 0]


def test_a_paused_worker_builds_only_when_unpaused(master: buildbot_master.BuildbotMaster) -> None:
    path = "workers/demo-worker"
    with master.worker("demo-worker"):
        wait_until(lambda: master.pause("demo-worker"))
        (brid,) = master.force(BUILDERS[1])
        assert master.pending() == {BUILDERS[1]: 1}
        master.rest(path, "unpause", reason="test")
        wait_until(
            lambda: bool(master.rest(f"buildrequests/{brid}")["buildrequests"][0]["complete"])
        )


def test_a_master_runs_on_a_database_server(
    server: services.DatabaseServer, tmp_path: Path
) -> None:
    url = server.create_database("buildbot")
    with buildbot_master.running_master(tmp_path, builders=["a"], db_url=url) as running:
        running.force("a", 2)
        assert running.pending() == {"a": 2}
        requests = METADATA["C"].tables["buildrequests"]
        assert count(server.engine("buildbot"), requests) == 2
    server.drop_database("buildbot")


def test_a_broken_configuration_fails_at_once(tmp_path: Path) -> None:
    master = buildbot_master.running_master(tmp_path, builders=["a"], workers=["w", "w"])
    with pytest.raises(RuntimeError, match="share the same name"), master:
        pytest.fail("it runs")
