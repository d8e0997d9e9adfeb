"""Databases that are away, slow, broken or strange: one clear line, the right code, and soon."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import scheduler_schemas
from tests.farm import Farm, Finished
from tests.proxies import silent_listener, slow_proxy
from tests.services import DatabaseServer, free_port

pytestmark = pytest.mark.integration
SECRET = "s3cr3t-word"
UNAVAILABLE, BAD_INPUT = 4, 2
SOON_S = 12.0  # a run of one second and what a busy machine adds; 240 s are allowed
LOCKS = {"mysql": "LOCK TABLES buildrequests WRITE", "postgresql": "LOCK TABLE buildrequests"}


def run(farm: Farm, *args: str, prefix: tuple[str, ...] = ()) -> Finished:
    """Run `watch-pending run` for what waits, with metrics, a deadline and perhaps less power."""
    words = ("run", "--metrics-textfile", str(metrics(farm)), "--deadline", "2", *args)
    return farm.run_from_cron(*words, prefix=prefix) if prefix else farm.run(*words)


def metrics(farm: Farm) -> Path:
    return farm.directory / "farmhand.prom"


def assert_clear(farm: Farm, ended: Finished, code: int, *words: str) -> None:
    """One line on stderr says what it was; the metrics tell of the failure; nothing was started."""
    assert (ended.code, ended.out) == (code, ""), ended
    (line,) = ended.err.splitlines()
    for word in words:
        assert word in line
    assert SECRET not in line
    exit_codes = [x for x in metrics(farm).read_text().splitlines() if "exit_code{" in x]
    assert [x.rpartition(" ")[2] for x in exit_codes] == [f"{code}.0"]
    assert farm.names() == []


@pytest.fixture
def quick(farm: Farm) -> Iterator[Farm]:
    """A farm where a job waits, and whose runs must end soon."""
    farm.add_pending()
    farm.watch["scheduler_timeout_s"] = 1
    started = time.monotonic()
    yield farm
    assert time.monotonic() - started < SOON_S


def scheduler_url(server: DatabaseServer, port: int | None = None) -> str:
    """Name a database on the server; where the server is away, any name will do."""
    return server.url("nothing_here", port=port).replace("@", f":{SECRET}@")


# The scheduler database


@pytest.mark.fault(
    "the scheduler database's file is missing",
    "exit 4, one line that names the file; it is not created, nothing starts",
)
def test_scheduler_without_its_file(quick: Farm) -> None:
    quick.watch["scheduler_db"] = f"sqlite:///{quick.directory}/missing.sqlite"
    assert_clear(quick, run(quick), UNAVAILABLE, "scheduler database", "missing.sqlite")
    assert not (quick.directory / "missing.sqlite").exists()


@pytest.mark.fault(
    "the scheduler database is a file that is no database",
    "exit 4, one line: not a database; nothing starts",
)
def test_scheduler_that_is_no_database(quick: Farm) -> None:
    (quick.directory / "text.sqlite").write_text("this is no database at all\n" * 100)
    quick.watch["scheduler_db"] = f"sqlite:///{quick.directory}/text.sqlite"
    assert_clear(quick, run(quick), UNAVAILABLE, "text.sqlite", "not a database")


@pytest.mark.fault(
    "the scheduler database has no tables",
    "exit 2, one line: no table buildrequests, no tables at all",
)
def test_scheduler_without_tables(quick: Farm) -> None:
    (quick.directory / "empty.sqlite").touch()
    quick.watch["scheduler_db"] = f"sqlite:///{quick.directory}/empty.sqlite"
    assert_clear(quick, run(quick), BAD_INPUT, "no table buildrequests", "no tables at all")


@pytest.mark.fault(
    "the scheduler database is locked by a writer", "exit 4 within the deadline, one line: locked"
)
def test_scheduler_locked_by_a_writer(quick: Farm) -> None:
    with quick.scheduler.connect() as writer:
        writer.exec_driver_sql("BEGIN EXCLUSIVE")
        assert_clear(quick, run(quick), UNAVAILABLE, "scheduler database", "locked")


@pytest.mark.fault(
    "the scheduler database's server is down",
    "exit 4, one line with its address: refused; the password is not shown",
)
def test_scheduler_server_that_is_down(quick: Farm, server: DatabaseServer) -> None:
    quick.watch["scheduler_db"] = scheduler_url(server, free_port())
    assert_clear(quick, run(quick), UNAVAILABLE, "scheduler database", "127.0.0.1", "refused")


@pytest.mark.fault(
    "the scheduler database's server takes the connection and says nothing",
    "exit 4 within the time allowed, one line with its address",
)
def test_scheduler_server_that_says_nothing(quick: Farm, server: DatabaseServer) -> None:
    with silent_listener() as port:
        quick.watch["scheduler_db"] = scheduler_url(server, port)
        assert_clear(quick, run(quick), UNAVAILABLE, "scheduler database", str(port))


@pytest.mark.fault(
    "the line to the scheduler database hangs",
    "exit 4 within the time allowed, one line with its address",
)
def test_scheduler_server_behind_a_line_that_hangs(quick: Farm, server: DatabaseServer) -> None:
    with slow_proxy(server.port) as proxy:
        proxy.hold()
        quick.watch["scheduler_db"] = server.url("nothing_here", port=proxy.port)
        assert_clear(quick, run(quick), UNAVAILABLE, "scheduler database", str(proxy.port))


@pytest.mark.fault(
    "the server does not have the scheduler database", "exit 4, one line that names the database"
)
def test_scheduler_server_that_does_not_have_the_database(
    quick: Farm, server: DatabaseServer
) -> None:
    quick.watch["scheduler_db"] = server.url("nothing_here")
    assert_clear(quick, run(quick), UNAVAILABLE, "scheduler database", "nothing_here")


@pytest.mark.fault(
    "the scheduler database refuses the password",
    "exit 4, one line: Access denied; the password is not shown",
)
def test_scheduler_server_that_refuses_the_password(quick: Farm, mariadb: DatabaseServer) -> None:
    mariadb.execute("CREATE OR REPLACE USER buildbot@'127.0.0.1' IDENTIFIED BY 'another'")
    url = mariadb.url("mysql").replace("root@", f"buildbot:{SECRET}@")
    quick.watch["scheduler_db"] = url
    assert_clear(quick, run(quick), UNAVAILABLE, "scheduler database", "Access denied")


@pytest.mark.fault(
    "the table buildrequests is locked", "exit 4 within the time allowed, one line: a timeout"
)
def test_scheduler_server_whose_table_is_locked(quick: Farm, server: DatabaseServer) -> None:
    url = server.create_database("locked")
    engine = server.engine("locked")
    scheduler_schemas.create_shape(engine, "C")
    quick.watch["scheduler_db"] = url
    with engine.connect() as holder:
        holder.exec_driver_sql(LOCKS[server.scheme])
        assert_clear(quick, run(quick), UNAVAILABLE, "scheduler database", "tim")
    server.drop_database("locked")


# The farm database


@pytest.mark.fault(
    "the farm database's server is down",
    "exit 4, one line with its address: refused; nothing is launched",
)
def test_farm_database_that_is_down(quick: Farm, server: DatabaseServer) -> None:
    quick.settings["database"] = scheduler_url(server, free_port())
    assert_clear(quick, run(quick), UNAVAILABLE, "farm database", "127.0.0.1", "refused")


@pytest.mark.fault(
    "the farm database's server takes the connection and says nothing",
    "exit 4 within the time allowed, one line; nothing is launched",
)
def test_farm_database_that_says_nothing(quick: Farm, server: DatabaseServer) -> None:
    with silent_listener() as port:
        quick.settings["database"] = scheduler_url(server, port)
        assert_clear(quick, run(quick), UNAVAILABLE, "farm database", str(port))


@pytest.mark.fault(
    "the farm database is locked by a writer", "exit 4, one line: locked; nothing is launched"
)
def test_farm_database_that_is_locked(quick: Farm) -> None:
    assert run(quick, "--deadline", "60").code == 0
    quick.add_pending(count=5)
    names = quick.names()
    with quick.database.connect() as writer:
        writer.exec_driver_sql("BEGIN EXCLUSIVE")
        ended = run(quick)
    assert (ended.code, quick.names()) == (UNAVAILABLE, names)
    assert "farm database" in ended.err
    assert "locked" in ended.err
    assert len(ended.err.splitlines()) == 1


@pytest.mark.fault(
    "the farm database is corrupt: {id}",
    "exit 4, one line that names the file, which is left as it is; nothing is launched",
)
@pytest.mark.parametrize("content", [b"no database\n" * 1000, None], ids=["text", "pages lost"])
def test_farm_database_that_is_corrupt(quick: Farm, content: bytes | None) -> None:
    path = quick.directory / "state/farmhand.db"
    if content is None:
        assert run(quick, "--deadline", "60").code == 0
        quick.ec2.reset()
        whole = path.read_bytes()
        content = whole[:4096] + b"\xff" * (len(whole) - 4096)
    path.write_bytes(content)
    ended = run(quick)
    assert_clear(quick, ended, UNAVAILABLE, "farm database", "farmhand.db")
    assert path.read_bytes() == content


def _weaker() -> tuple[str, ...]:
    """Give root's commands no more power over files than anybody's."""
    taken = "-dac_override,-dac_read_search"
    return ("setpriv", f"--bounding-set={taken}") if os.geteuid() == 0 else ()


@pytest.mark.fault(
    "the state directory can't be written",
    "exit 2: state directory … can't be written; nothing is launched",
)
def test_state_directory_that_can_not_be_written(quick: Farm) -> None:
    quick.forget_database()
    state = quick.directory / "state"
    state.mkdir(mode=0o500)
    ended = run(quick, prefix=_weaker())
    assert_clear(quick, ended, BAD_INPUT, f"state directory {state} can't be written")
    state.chmod(0o700)


@pytest.mark.fault(
    "the state directory can't be made", "exit 2, one line that names it and FARMHAND_STATE"
)
def test_state_directory_that_can_not_be_made(quick: Farm) -> None:
    (quick.directory / "file").touch()
    quick.environ["FARMHAND_STATE"] = f"{quick.directory}/file/state"
    assert_clear(quick, run(quick), BAD_INPUT, "state directory", "FARMHAND_STATE")


@pytest.mark.fault(
    "the farm database's file is read-only", "exit 4, one line: readonly; nothing is launched"
)
def test_farm_database_that_can_not_be_written(quick: Farm) -> None:
    assert run(quick, "--deadline", "60").code == 0
    quick.ec2.reset()
    path = quick.directory / "state/farmhand.db"
    path.chmod(0o400)
    ended = run(quick, prefix=_weaker())
    assert_clear(quick, ended, UNAVAILABLE, "farm database", "readonly")


@pytest.mark.fault(
    "the disk under the farm database is full",
    "exit 4, one line that names the file; nothing is launched; with room again the next run works",
)
def test_a_disk_that_is_full_spoils_nothing(quick: Farm) -> None:
    quick.forget_database()
    full = ("prlimit", "--fsize=20000")  # a write beyond it fails, as on a full disk
    ended = run(quick, prefix=full)
    assert_clear(quick, ended, UNAVAILABLE, "farm database", "farmhand.db", "disk")
    assert run(quick, "--deadline", "60").code == 0
    assert len(quick.names()) == 1
