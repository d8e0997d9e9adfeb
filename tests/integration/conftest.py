"""Databases, each of the three in turn; each shape of the scheduler's; EC2's client."""

from __future__ import annotations

import multiprocessing
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from farmhand.db import make_engine, parse_url
from tests import ec2_client, ec2_control, services
from tests.farm import Farm
from tests.farm_tables import make_tables
from tests.scan_farm import ScanFarm, running_scan_farm
from tests.scheduler_database import SchedulerDatabase
from tests.scheduler_schemas import Shape
from tests.stops import RestServer, master_of

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

# Where one of our statements is written for each kind, a file has its own `kind`: all, each time.
POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.soak)
# What databases have no part in, as other tests show of the same statements.
one_kind = pytest.mark.parametrize(
    "kind", ["sqlite", pytest.param("mariadb", marks=pytest.mark.soak), POSTGRESQL]
)


@pytest.fixture(autouse=True)
def _none_is_left() -> Iterator[None]:
    """End the commands that a failed test leaves behind, stopped ones too."""
    before = multiprocessing.active_children()  # a server that a whole file shares
    yield
    for process in multiprocessing.active_children():
        if process not in before:
            process.kill()


@pytest.fixture(params=["mariadb", "postgresql"])
def server(request: pytest.FixtureRequest) -> services.DatabaseServer:
    """The private MariaDB, then the private PostgreSQL."""
    server: services.DatabaseServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture(params=["sqlite", "mariadb", POSTGRESQL])
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of database in turn; PostgreSQL where time does not matter."""
    return str(request.param)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind, gone after the test."""
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path}/database.sqlite"
        return
    server: services.DatabaseServer = request.getfixturevalue(kind)
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield server.create_database(name)
    server.drop_database(name)


@pytest.fixture(params=("A", "B", "C"))
def shape(request: pytest.FixtureRequest) -> Shape:
    """Each shape of the scheduler database in turn."""
    shape: Shape = request.param
    return shape


@pytest.fixture(scope="session")
def _schedulers() -> Iterator[dict[tuple[Shape, str], SchedulerDatabase]]:
    made: dict[tuple[Shape, str], SchedulerDatabase] = {}
    yield made
    for scheduler in made.values():
        scheduler.close()


@pytest.fixture
def scheduler(
    request: pytest.FixtureRequest,
    shape: Shape,
    kind: str,
    tmp_path_factory: pytest.TempPathFactory,
    _schedulers: dict[tuple[Shape, str], SchedulerDatabase],
) -> SchedulerDatabase:
    """A scheduler database of each shape on each kind of database, without rows."""
    if (shape, kind) not in _schedulers:
        if kind == "sqlite":
            url = f"sqlite:///{tmp_path_factory.mktemp('scheduler')}/{shape}.sqlite"
        else:
            server: services.DatabaseServer = request.getfixturevalue(kind)
            url = server.create_database(f"scheduler_{shape.lower()}")
        _schedulers[shape, kind] = SchedulerDatabase.create(url, shape)
    scheduler = _schedulers[shape, kind]
    scheduler.clear()
    return scheduler


@pytest.fixture
def client(ec2: ec2_control.Ec2Server) -> EC2Client:
    """A client of the stand-in for EC2."""
    return ec2_client.make_client(ec2)


@pytest.fixture
def master(farm: Farm) -> Iterator[RestServer]:
    """The REST of a farm's one master; where a real Buildbot runs, a file has its own `master`."""
    with master_of(farm) as server:
        yield server


@pytest.fixture(params=["sqlite", "mariadb", pytest.param("postgresql", marks=pytest.mark.soak)])
def scans(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ScanFarm]:
    """A farm of build daemons, without any, on each kind of database."""
    if request.param == "sqlite":
        yield request.getfixturevalue("bobs")
        return
    server: services.DatabaseServer = request.getfixturevalue(request.param)
    name = f"scan_{uuid.uuid4().hex[:12]}"
    with running_scan_farm(tmp_path, server.create_database(name)) as farm:
        yield farm
    server.drop_database(name)


@pytest.fixture
def bobs(tmp_path: Path) -> Iterator[ScanFarm]:
    """The same on SQLite only, for what the database has no part in."""
    with running_scan_farm(tmp_path, f"sqlite:///{tmp_path}/farm.sqlite") as farm:
        yield farm


@pytest.fixture
def skewed(mariadb: services.DatabaseServer) -> Iterator[Callable[[float], str]]:
    """Make a user of MariaDB for whom it is that many seconds later; returns the URL's user."""

    def skew(seconds: float) -> str:
        mariadb.execute("CREATE OR REPLACE USER skewed@'127.0.0.1'")
        mariadb.execute("GRANT ALL ON *.* TO skewed@'127.0.0.1'")
        mariadb.execute("REVOKE SUPER, CONNECTION ADMIN ON *.* FROM skewed@'127.0.0.1'")
        late = f"SET timestamp = UNIX_TIMESTAMP(NOW(6)) + ({seconds})"
        mariadb.execute(f"SET GLOBAL init_connect = '{late}'")
        return "skewed"

    yield skew
    mariadb.execute("SET GLOBAL init_connect = ''")
    mariadb.execute("DROP USER IF EXISTS skewed@'127.0.0.1'")


@pytest.fixture(scope="module", params=["sqlite", "mariadb", "postgresql"])
def migrated(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[sa.Engine]:
    """A farm database with this release's tables, for all tests of a file; on each kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('farm')}/farmhand.db"
    else:
        server: services.DatabaseServer = request.getfixturevalue(request.param)
        url = server.create_database(f"migrated_{uuid.uuid4().hex[:12]}")
    engine = make_tables(make_engine(parse_url(url, "test"), timeout_s=60))
    yield engine
    engine.dispose()
