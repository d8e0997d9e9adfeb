"""Each command with a user who has the manual's grants for it and no others."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa

from farmhand.cli import main as farmhand
from slavealloc.cli import main as slavealloc
from tests.allocators import running_allocator
from tests.ec2_control import Ec2Server
from tests.farm import BUILD, Farm
from tests.grants import (
    BUILDBOT,
    FARM,
    drop_all,
    make_owner,
    make_reader,
    make_users,
    run_statements,
    url_of,
)
from tests.run_here import run_here
from tests.sanities import add_volume
from tests.scan_farm import Job, running_scan_farm
from tests.services import DatabaseServer
from tests.stops import add_idle_machine, master_of

pytestmark = pytest.mark.integration
CONFIGS = Path(__file__).parent.parent.parent / "configs"
POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.soak)


@pytest.fixture(scope="module", params=["mariadb", POSTGRESQL])
def server(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    """A server with the farm's database, made by its owner, and the users of the manual."""
    server: DatabaseServer = request.getfixturevalue(request.param)
    make_owner(server)
    server.create_database(BUILDBOT)
    state = str(request.getfixturevalue("tmp_path_factory").mktemp("owner"))
    environ = {"FARMHAND_STATE": state, "FARMHAND_DATABASE": url_of(server, "farm_owner")}
    assert run_here(farmhand, ["db", "upgrade"], environ).code == 0
    make_users(server)
    yield server
    drop_all(server)


def run_as(server: DatabaseServer, user: str, state: Path, *args: str) -> None:
    """Run a verb of slavealloc on the farm's database."""
    environ = {"FARMHAND_STATE": str(state), "FARMHAND_FARM": "test"}
    done = run_here(slavealloc, [*args, "-D", url_of(server, user)], environ)
    assert done.code == 0, (args, done.err)


def test_watch_pending_and_who_reads(
    server: DatabaseServer, ec2: Ec2Server, tmp_path: Path
) -> None:
    url = server.engine(BUILDBOT).url.render_as_string(hide_password=False)
    farm = Farm.make(tmp_path, ec2, scheduler_url=url)
    make_reader(server)
    farm.watch["scheduler_db"] = url_of(server, "farm_demand")
    farm.watch["jacuzzis_from"] = "database"
    farm.settings["database"] = url_of(server, "farm_watch")
    farm.add_pending(count=2)
    add_idle_machine(farm, "try-linux64-050")
    add_volume(farm)
    with master_of(farm):
        for args in (
            ("run",),
            ("stop-idle",),
            ("run",),
            ("sanity", "--fix"),
            ("amis", "prune"),
            ("amis", "publish", str(tmp_path / "amis.json")),
        ):
            done = farm.run(*args)
            assert (args, done.code) == (args, 0), done.err
        farm.settings["database"] = url_of(server, "farm_reader")
        for args in (
            ("check",),
            ("explain", BUILD),
            ("status",),
            ("run", "--dry-run"),
            ("stop-idle", "--dry-run"),
            ("sanity", "--dry-run"),
        ):
            done = farm.run(*args)
            assert (args, done.code) == (args, 0), done.err
    for args in (("status",), ("db", "current")):
        assert farm.run(*args, program="farmhand").code == 0


@pytest.mark.fault(
    "a database user lacks a grant",
    "exit 4 and one line: the user, what was denied on which table, see docs/database-grants.md; "
    "granted, all goes on",
)
def test_a_grant_that_lacks_is_named_with_its_user_its_table_and_the_page(
    server: DatabaseServer, ec2: Ec2Server, tmp_path: Path
) -> None:
    farm = Farm.make(tmp_path, ec2)
    farm.settings["database"] = url_of(server, "farm_watch")
    with revoked(server, "DELETE", "runs", "farm_watch"):
        done = farm.run()
    assert done.code == 4
    for word in ("farm_watch", "runs", "denied", "see docs/database-grants.md"):
        assert word in done.err
    assert farm.run().code == 0


@pytest.mark.fault(
    "a database user may not see the tables",
    "exit 4 and one line, which names docs/database-grants.md",
)
def test_who_may_not_see_the_tables_is_told_so(
    server: DatabaseServer, ec2: Ec2Server, tmp_path: Path
) -> None:
    farm = Farm.make(tmp_path, ec2)
    farm.settings["database"] = url_of(server, "farm_reader")
    with revoked(server, "SELECT", "alembic_version", "farm_reader"):
        done = farm.run("status")
    assert done.code == 4
    assert "see docs/database-grants.md" in done.err


@contextmanager
def revoked(server: DatabaseServer, verb: str, table: str, user: str) -> Iterator[None]:
    """Take a grant away for a while."""
    name = f"{FARM}.{table}" if server.scheme == "mysql" else table
    run_statements(server, FARM, [f"REVOKE {verb} ON {name} FROM {user}"])
    yield
    run_statements(server, FARM, [f"GRANT {verb} ON {name} TO {user}"])


def test_slavealloc(server: DatabaseServer, tmp_path: Path) -> None:
    files = [
        f"--{option}-data={CONFIGS}/{name}.csv"
        for option, name in (("master", "masters"), ("slave", "workers"), ("password", "passwords"))
    ]
    run_as(server, "farm_site", tmp_path, "dbimport", *files, "--enable")
    run_as(server, "farm_site", tmp_path, "token", "add", "jane")
    run_as(server, "farm_backup", tmp_path, "token", "list")
    serve_and_change(server, tmp_path)
    run_as(server, "farm_site", tmp_path, "token", "revoke", "jane")
    dump = str(tmp_path / "dump.jsonl")
    run_as(server, "farm_backup", tmp_path, "dbdump", dump)
    run_as(server, "farm_owner", tmp_path, "dbinit", "--force")
    run_as(server, "farm_site", tmp_path, "dbload", dump)


def serve_and_change(server: DatabaseServer, tmp_path: Path) -> None:
    """Ask as a machine, look as a person, and change all that the API changes."""
    url = sa.make_url(url_of(server, "farm_slavealloc"))
    driver = server.engine(FARM).url.drivername
    engine = sa.create_engine(url.set(drivername=driver))
    with running_allocator(engine, state=tmp_path, FARMHAND_FARM="test") as allocator:
        site = server.engine(FARM)
        allocator.engine = site
        headers = allocator.authorization()
        workers = allocator.get("/api/slaves").json()
        assert allocator.gettac(workers[0]["name"]).status_code == 200
        assert allocator.get("/ui/").status_code == 200
        assert allocator.put("/api/slaves/1", {"notes": "x"}).status_code == 200
        base = f"{allocator.url}/api/pools"
        made = requests.post(base, json={"name": "new"}, headers=headers, timeout=30)
        assert made.status_code == 201, made.text
        where = f"{allocator.url}{made.headers['Location']}"
        assert requests.delete(where, headers=headers, timeout=30).status_code in {200, 204}
        site.dispose()
    engine.dispose()


def test_scanner(server: DatabaseServer, tmp_path: Path) -> None:
    with running_scan_farm(tmp_path, server.url(FARM), empty=False) as farm:
        farm.url = url_of(server, "farm_scanner")
        daemon = farm.add_daemon()
        daemon.default_job = Job(files={"hello.deb": b"a package"})
        first = farm.add_build()
        farm.scan()
        daemon.restart()
        farm.scan_until_ended(first)
        assert farm.build(first)["state"] == "fullybuilt"
        second = farm.add_build("other")
        for args in (
            ("queue", "cancel", str(second)),
            ("daemon", "disable", "bob", "moves"),
            ("daemon", "remove", "bob"),
        ):
            assert farm.run(*args).code == 0
        farm.url = url_of(server, "farm_scans")
        for line in ("status", "build list", "daemon list", "scan --dry-run"):
            done = farm.run(*line.split())
            assert (line, done.code) == (line, 0), done.err
