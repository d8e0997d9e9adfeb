"""The farm database on each kind of database: versions, owners, its clock, claims."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from farmhand import __version__
from farmhand.db import FarmDb, claim, db_now, make_engine, open_farm_db, parse_url
from farmhand.errors import BadInput
from farmhand.queries import insert_run
from farmhand.tables import metadata
from farmhand.tables.launches import planner
from farmhand.tables.records import runs, schema_info
from farmhand.upgrades import MIGRATIONS, newest_revision, read_revision, upgrade
from tests.farm import Farm
from tests.farm_tables import make_tables

pytestmark = pytest.mark.integration
only_mariadb = pytest.mark.parametrize("kind", ["mariadb"])
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
THREADS = 8


@pytest.fixture(params=["sqlite", "mariadb", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of database, each time."""
    return str(request.param)


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """An empty database."""
    engine = make_engine(parse_url(database_url, "test"), timeout_s=60)
    yield engine
    engine.dispose()


@pytest.fixture
def upgraded(engine: sa.Engine) -> sa.Engine:
    """A database with this release's tables."""
    return make_tables(engine)


@pytest.fixture
def shared(migrated: sa.Engine) -> sa.Engine:
    """The tables that several tests here use in turn, as they are without runs."""
    with migrated.begin() as connection:
        connection.execute(runs.delete())
        connection.execute(planner.update().values(generation=0))
    return migrated


def open_it(
    engine: sa.Engine, *, farm: str = "test", embedded: bool = False, reading: bool = False
) -> FarmDb:
    """Open the database as a command does, and close it again."""
    database = open_farm_db(engine.url, farm=farm, embedded=embedded, timeout_s=30, reading=reading)
    database.engine.dispose()
    return database


def execute(engine: sa.Engine, statement: str | sa.Executable) -> sa.CursorResult[Any]:
    with engine.begin() as connection:
        return connection.execute(sa.text(statement) if isinstance(statement, str) else statement)


def table_names(engine: sa.Engine) -> list[str]:
    return sa.inspect(engine).get_table_names()


def test_the_migrations_make_the_tables_that_the_code_uses(engine: sa.Engine) -> None:
    upgrade(engine)
    with engine.connect() as connection:
        # MariaDB shows the default `true` as 1.
        opts = {"compare_server_default": connection.dialect.name != "mysql"}
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, metadata) == []


@pytest.mark.parametrize("kind", ["sqlite"])
def test_on_sqlite_too_an_id_never_returns(upgraded: sa.Engine) -> None:
    found = "SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'"
    kept = {table.name for table in metadata.tables.values() if is_kept(table)}
    assert "workers" in kept
    assert set(execute(upgraded, found).scalars()) == kept
    numbered = {t.name for t in metadata.tables.values() if t.autoincrement_column is not None}
    assert kept == numbered


def is_kept(table: sa.Table) -> bool:
    return bool(table.dialect_options["sqlite"]["autoincrement"])


@only_mariadb
def test_mariadb_compares_names_exactly_and_keeps_microseconds(engine: sa.Engine) -> None:
    upgrade(engine)

    def read(statement: str) -> set[tuple[object, ...]]:
        with engine.connect() as connection:
            return {tuple(row) for row in connection.execute(sa.text(statement))}

    ours = "table_schema = DATABASE() AND table_name <> 'alembic_version'"
    assert read(f"SELECT engine, table_collation FROM information_schema.tables WHERE {ours}") == {
        ("InnoDB", "utf8mb4_nopad_bin")
    }
    assert read(
        "SELECT collation_name FROM information_schema.columns "
        f"WHERE {ours} AND collation_name IS NOT NULL"
        " AND column_name NOT IN ('masters', 'summary')"  # JSON has a collation of its own
    ) == {("utf8mb4_nopad_bin",)}
    assert read(
        f"SELECT column_type FROM information_schema.columns WHERE {ours} "
        "AND data_type IN ('datetime', 'timestamp', 'date')"
    ) == {("datetime(6)",)}


def test_the_newest_revision_is_the_head_of_one_history() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [newest_revision()]


def test_upgrading_twice_changes_nothing(engine: sa.Engine) -> None:
    upgrade(engine)
    execute(engine, planner.update().values(generation=7))
    upgrade(engine)
    assert read_revision(engine) == newest_revision()
    assert execute(engine, sa.select(planner.c.generation)).scalars().all() == [7]


@pytest.mark.fault("three hosts upgrade the database at once", "all exit 0; it is upgraded once")
def test_three_upgrades_at_once_all_succeed(
    farm: Farm, database_url: str, engine: sa.Engine
) -> None:
    farm.settings["database"] = database_url
    farm.write_config()
    upgrades = [farm.start("db", "upgrade", program="farmhand") for _ in range(3)]
    ended = [each.finish(60) for each in upgrades]
    assert [done.code for done in ended] == [0, 0, 0], ended
    assert read_revision(engine) == newest_revision()
    assert len(execute(engine, sa.select(planner)).all()) == 1
    assert len(execute(engine, "SELECT * FROM alembic_version").all()) == 1


def test_an_id_never_returns(shared: sa.Engine) -> None:
    def add() -> int:
        with shared.begin() as connection:
            return insert_run(connection, command="c", verb="v", host="h", started_at=NOON)

    before = [add(), add()]
    execute(shared, runs.delete())
    assert add() > max(before)


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 11, 21, 12, 30, 15, 123456, tzinfo=UTC),
        datetime(2026, 11, 21, 23, 59, 59, 999999, tzinfo=timezone(timedelta(hours=-8))),
        datetime(2026, 11, 21, tzinfo=UTC),
    ],
    ids=["microseconds", "another zone", "midnight"],
)
def test_a_time_comes_back_to_the_microsecond_and_in_utc(
    shared: sa.Engine, moment: datetime
) -> None:
    row = {"command": "c", "verb": "v", "host": "h", "version": "1", "started_at": moment}
    execute(shared, runs.insert().values(**row))
    (found,) = execute(shared, sa.select(runs.c.started_at)).scalars().all()
    assert found == moment
    assert isinstance(found, datetime)
    assert found.tzinfo is UTC


@pytest.mark.fault(
    "a time without a zone is to be stored", "it is refused before anything is written"
)
def test_a_time_without_a_zone_is_refused(shared: sa.Engine) -> None:
    with pytest.raises(sa.exc.StatementError, match="naive"):
        execute(shared, runs.update().values(started_at=datetime(2026, 11, 21)))  # noqa: DTZ001


def test_the_databases_clock_is_utc_and_moves_by_an_offset(shared: sa.Engine) -> None:
    asked = sa.select(db_now(), db_now(-300), db_now(1.5))
    now, earlier, later = tuple[datetime, ...](execute(shared, asked).one())
    assert abs((now - datetime.now(UTC)).total_seconds()) < 2
    assert abs((now - earlier).total_seconds() - 300) < 1
    assert abs((later - now).total_seconds() - 1.5) < 1


def test_stored_times_compare_with_the_databases_clock(shared: sa.Engine) -> None:
    execute(shared, schema_info.update().values(farm="x"))
    row = {"command": "c", "verb": "v", "host": "h", "version": "1"}
    execute(shared, runs.insert().values(started_at=db_now(-300), **row))
    execute(shared, runs.insert().values(started_at=datetime.now(UTC), **row))
    old = sa.select(runs.c.id).where(runs.c.started_at <= db_now(-60))
    assert len(execute(shared, old).all()) == 1
    future = sa.select(runs.c.id).where(runs.c.started_at > db_now(60))
    assert execute(shared, future).all() == []


def test_one_of_many_wins_a_claim(shared: sa.Engine) -> None:
    barrier = Barrier(THREADS)
    raised = planner.update().where(planner.c.generation == 0).values(generation=1)

    def try_it(_: int) -> bool:
        engine = make_engine(shared.url, timeout_s=60)
        barrier.wait()
        with engine.begin() as connection:
            won = claim(connection, raised)
        engine.dispose()
        return won

    with ThreadPoolExecutor(THREADS) as pool:
        assert sorted(pool.map(try_it, range(THREADS))) == [False] * (THREADS - 1) + [True]


def test_a_claim_that_changes_nothing_is_won_where_the_old_value_matches(
    shared: sa.Engine,
) -> None:
    same = planner.update().where(planner.c.generation == 0).values(generation=0)
    with shared.begin() as connection:
        assert claim(connection, same)
        assert not claim(connection, same.where(planner.c.id == 2))


@pytest.mark.fault(
    "the farm database belongs to another farm",
    "exit 2: it belongs to farm …, the configuration says …",
)
def test_the_first_writer_names_the_farm_and_another_farm_is_refused(upgraded: sa.Engine) -> None:
    open_it(upgraded, farm="staging", reading=True)
    assert execute(upgraded, sa.select(schema_info.c.farm)).scalars().all() == [None]
    open_it(upgraded, farm="prod")
    open_it(upgraded, farm="prod", reading=True)
    for reading in (True, False):
        with pytest.raises(BadInput, match=r'belongs to farm "prod".*says "staging"') as caught:
            open_it(upgraded, farm="staging", reading=reading)
        assert caught.value.exit_code == 2


@pytest.mark.fault(
    "the farm database has no tables", "exit 2: run farmhand db upgrade; nothing is created"
)
def test_a_database_without_tables_is_refused_and_not_upgraded(engine: sa.Engine) -> None:
    execute(engine, "SELECT 1")  # SQLite's file is there, and empty
    for reading in (True, False):
        with pytest.raises(BadInput, match=re.escape("run `farmhand db upgrade`")):
            open_it(engine, reading=reading)
        assert table_names(engine) == []


@pytest.mark.fault(
    "the farm database is older than the command",
    "exit 2 with its revision: run farmhand db upgrade",
)
def test_an_older_database_is_refused_and_not_upgraded(upgraded: sa.Engine) -> None:
    execute(upgraded, "UPDATE alembic_version SET version_num = '0000'")
    for reading in (True, False):
        with pytest.raises(BadInput, match=r"at revision 0000.*run `farmhand db upgrade`"):
            open_it(upgraded, reading=reading)
        assert read_revision(upgraded) == "0000"


@pytest.mark.fault(
    "the farm database is newer than the command",
    "it works where the migration allows this release, else exit 2: upgrade this host",
)
def test_a_newer_database_works_if_it_says_so(upgraded: sa.Engine) -> None:
    execute(upgraded, "UPDATE alembic_version SET version_num = '9999'")
    execute(upgraded, schema_info.update().values(compatible_from=__version__))
    # Only SQLite is ever embedded, and then upgraded by itself.
    embedded = upgraded.dialect.name == "sqlite"
    open_it(upgraded, embedded=embedded)
    open_it(upgraded, embedded=embedded, reading=True)
    execute(upgraded, schema_info.update().values(compatible_from="99.10"))
    with pytest.raises(BadInput, match=r"needs farmhand 99\.10 or newer.*upgrade this host"):
        open_it(upgraded, embedded=embedded)


def test_only_a_real_run_creates_the_embedded_database(farm: Farm) -> None:
    farm.forget_database()
    farm.add_pending()
    path = farm.directory / "state/farmhand.db"
    readers = {
        "watch_pending": (["run", "--dry-run"], ["explain", "Linux build"], ["check"]),
        "farmhand": (["status"], ["db", "current"], ["db", "upgrade", "--dry-run"]),
    }
    for program, words in [(key, words) for key, verbs in readers.items() for words in verbs]:
        ended = farm.run(*words, program=program)
        assert "Traceback" not in ended.err
        assert not path.parent.exists(), words
    assert farm.run("run").code == 0
    assert path.stat().st_mode & 0o027 == 0  # slavealloc may keep workers' passwords in it


@pytest.mark.fault(
    "a run finds an empty database on a server", "exit 2: run farmhand db upgrade; no table is made"
)
@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_a_run_never_upgrades_a_database_server(
    farm: Farm, engine: sa.Engine, database_url: str
) -> None:
    farm.settings["database"] = database_url
    ended = farm.run("run")
    assert (ended.code, ended.out) == (2, "")
    assert "run `farmhand db upgrade`" in ended.err
    assert table_names(engine) == []
    assert farm.run("db", "upgrade", program="farmhand").code == 0
    assert farm.run("run").code == 0
