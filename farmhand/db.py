"""Engines, the database's clock, claims, and the farm database, opened."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Dialect, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import StaticPool
from sqlalchemy.sql.functions import FunctionElement

from farmhand.errors import BadInput, FarmError, Unavailable
from farmhand.pool import refuse_bad_options, spare_round_trips
from farmhand.state import find_state_directory
from farmhand.tables import launches, metadata, records
from farmhand.tables.base import UtcDateTime
from farmhand.upgrades import check_version, newest_revision, read_revision, upgrade

DRIVERS = {
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "postgresql": "postgresql+psycopg",
}
USABLE = {"sqlite", "sqlite+pysqlite", *DRIVERS.values()}
CONNECT_TIMEOUT_S = 10
# MariaDB's errors, PostgreSQL's state: this user may not do that to this table or database.
DENIED = {1044, 1142, 1143, "42501"}
POOL_RECYCLE_S = 300


class db_now(FunctionElement[datetime]):  # noqa: N801 - reads as the SQL function it is
    """The database's own UTC clock, moved by `offset_s` seconds; for expiries and claims."""

    type = UtcDateTime()
    inherit_cache = True
    name = "db_now"

    def __init__(self, offset_s: float = 0) -> None:
        super().__init__(sa.literal(float(offset_s), sa.Float))


@compiles(db_now, "sqlite")
def _sqlite_now(element: db_now, compiler: Any, **kw: Any) -> str:
    offset = compiler.process(element.clauses, **kw)
    moved = f"strftime('%Y-%m-%d %H:%M:%f', 'now', ({offset}) || ' seconds')"
    return f"({moved} || '000')"  # six digits, as SQLAlchemy writes them, so that text compares


@compiles(db_now, "mysql")
@compiles(db_now, "mariadb")
def _mysql_now(element: db_now, compiler: Any, **kw: Any) -> str:
    offset = compiler.process(element.clauses, **kw)
    return f"(UTC_TIMESTAMP(6) + INTERVAL {offset} SECOND)"


@compiles(db_now, "postgresql")
def _postgresql_now(element: db_now, compiler: Any, **kw: Any) -> str:
    offset = compiler.process(element.clauses, **kw)
    return f"(clock_timestamp() AT TIME ZONE 'utc' + make_interval(secs => {offset}))"


def read_clock(connection: Connection) -> datetime:
    """Read the database's own clock."""
    now: datetime = connection.execute(sa.select(db_now())).scalar_one()
    return now


def claim(connection: Connection, statement: sa.Update) -> bool:
    """Run an UPDATE whose WHERE holds the old value; say whether this caller won the row."""
    return connection.execute(statement).rowcount == 1


def insert_missing(table: sa.Table, dialect: Dialect) -> sa.Insert:
    """Make an INSERT that passes over the rows whose key is there already."""
    if dialect.name in {"mysql", "mariadb"}:
        return table.insert().prefix_with("IGNORE")
    # Imported here: each brings its drivers, the asynchronous ones too, at a sixth of the start-up.
    if dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgresql_insert

        return postgresql_insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects.sqlite import insert as sqlite_insert

    return sqlite_insert(table).on_conflict_do_nothing()


def parse_url(text: str, what: str) -> URL:
    """Read a database URL; `mysql://` means PyMySQL and `postgresql://` psycopg."""
    try:
        url = make_url(text)
        url = url.set(drivername=DRIVERS.get(url.drivername, url.drivername))
    except (ArgumentError, ValueError) as err:
        raise _not_usable(what) from err
    if url.drivername not in USABLE:
        raise _not_usable(what)
    return url


def _not_usable(what: str) -> BadInput:
    known = "(sqlite:///PATH, mysql://…, postgresql://…)"
    return BadInput(f"{what}: not a database URL farmhand can use {known}")


def make_engine(url: URL, *, timeout_s: float, read_only: bool = False) -> Engine:
    """Make an engine in which no statement waits longer than `timeout_s`."""
    backend = url.get_backend_name()
    whole_s = max(1, int(timeout_s))
    connect_s = min(CONNECT_TIMEOUT_S, whole_s)
    if backend == "sqlite":
        return _make_sqlite_engine(url, timeout_s, read_only=read_only)
    options: dict[str, Any]
    if backend in {"mysql", "mariadb"}:
        options = {
            "connect_timeout": connect_s,
            "read_timeout": whole_s,
            "write_timeout": whole_s,
            "charset": "utf8mb4",
        }
    else:
        options = {
            "client_encoding": "utf8",  # else psycopg gives bytes where the database is SQL_ASCII
            "connect_timeout": max(2, connect_s),  # libpq's least
            "options": f"-c statement_timeout={whole_s * 1000} -c lock_timeout={whole_s * 1000}",
            "tcp_user_timeout": whole_s * 1000,
            "keepalives_idle": whole_s,
            "keepalives_interval": 1,
            "keepalives_count": 3,
        }
    engine = sa.create_engine(
        url,
        connect_args=options,
        hide_parameters=True,  # they hold logins
        isolation_level="READ COMMITTED",
        pool_recycle=POOL_RECYCLE_S,
        pool_reset_on_return=None,
    )
    spare_round_trips(engine)
    refuse_bad_options(engine)
    if read_only:
        sa.event.listen(engine, "begin", _set_read_only)
    return engine


def _set_read_only(connection: Connection) -> None:
    connection.exec_driver_sql("SET TRANSACTION READ ONLY")


def _make_sqlite_engine(url: URL, timeout_s: float, *, read_only: bool) -> Engine:
    if url.database in {None, "", ":memory:"}:
        return sa.create_engine(
            url, poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
    if read_only and not str(url.database).startswith("file:"):
        path = Path(str(url.database)).absolute()
        url = url.set(database=path.as_uri(), query={"mode": "ro", "uri": "true"})
    engine = sa.create_engine(url, connect_args={"timeout": timeout_s}, hide_parameters=True)

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        if not read_only:
            connection.execute("PRAGMA foreign_keys=ON")

    return engine


def tune_for_serving(engine: Engine) -> None:
    """Let readers of an SQLite file not wait for the writer, nor a commit for the disk.

    The file stays whole when the power fails; the last commits may then be missing.
    """
    if engine.dialect.name != "sqlite" or engine.url.database in {None, "", ":memory:"}:
        return

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA temp_store=MEMORY")  # else each large UPDATE makes a file

    engine.dispose()


def format_url(url: URL) -> str:
    """Format a URL for people: without its password, nor the query, which may hold one; pure.

    >>> format_url(make_url("mysql://reader:hunter2@db/buildbot?password=hunter2"))
    'mysql://reader:***@db/buildbot'
    """
    return url.set(query={}).render_as_string(hide_password=True)


@contextmanager
def reaching(what: str, url: URL) -> Iterator[None]:
    """Turn what a database may do to us into one line that says which database it was."""
    try:
        yield
    except SQLAlchemyError as err:
        cause = err.orig if isinstance(err, DBAPIError) and err.orig is not None else err
        reason = re.sub(r"\s+", " ", str(cause)).strip() or type(cause).__name__
        if DENIED & {getattr(cause, "sqlstate", None), *cause.args[:1]}:
            reason += "; see docs/database-grants.md"
        raise Unavailable(f"{what} ({format_url(url)}): {reason}") from err


@dataclass(frozen=True, kw_only=True, slots=True)
class FarmDb:
    """The farm database, opened, of the right version, and of the right farm."""

    engine: Engine
    url: URL

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Open one transaction; a database that fails is `Unavailable`."""
        with reaching("farm database", self.url), self.engine.begin() as connection:
            yield connection


def open_farm_db(url: URL, *, farm: str, embedded: bool, timeout_s: float, reading: bool) -> FarmDb:
    """Open the farm database for a command.

    The embedded default is created and upgraded by itself; when only `reading`, a missing one
    counts as empty and nothing is written.

    Raises BadInput when its version or its farm's name is not ours, or its path is not for us;
    Unavailable when it is away.
    """
    missing = embedded and _is_missing(Path(str(url.database)))
    if reading and missing:
        engine = sa.create_engine("sqlite://", poolclass=StaticPool)
        metadata.create_all(engine)
        with engine.begin() as connection:
            connection.execute(launches.planner.insert().values(id=1, generation=0))
        return FarmDb(engine=engine, url=url)
    if missing:
        with suppress(OSError):  # which the engine is going to meet, and say
            Path(str(url.database)).touch(mode=0o640)  # it may hold workers' passwords
    engine = make_engine(url, timeout_s=timeout_s, read_only=reading)
    database = FarmDb(engine=engine, url=url)
    try:
        with reaching("farm database", url):
            if embedded and not reading and (read_revision(engine) or "") < newest_revision():
                upgrade(engine)
            check_version(engine)
        check_farm(database, farm, reading=reading)
    except FarmError:
        engine.dispose()
        raise
    return database


def _is_missing(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError as err:
        raise BadInput(
            f"farm database {path}: {err.strerror}; "
            "let this user enter its directory, or set FARMHAND_STATE to another one"
        ) from err
    return False


def check_farm(database: FarmDb, farm: str, *, reading: bool) -> None:
    """Refuse another farm's database; the first writer gives it its name."""
    info = records.schema_info
    with database.begin() as connection:
        if not reading:
            claim(connection, info.update().where(info.c.farm.is_(None)).values(farm=farm))
        stored = connection.execute(sa.select(info.c.farm)).scalar()
    if stored not in {None, farm}:
        raise BadInput(
            f'the farm database belongs to farm "{stored}", the configuration says "{farm}": '
            "one of the two is the wrong one"
        )


def find_farm_db(configured: str | None, environ: Mapping[str, str]) -> tuple[URL, bool]:
    """Find the farm database: `database:`, else $FARMHAND_DATABASE, else the embedded default.

    Returns its URL, and whether it is the embedded one.
    """
    if configured:
        return parse_url(configured, "database"), False
    if named := environ.get("FARMHAND_DATABASE"):
        return parse_url(named, "$FARMHAND_DATABASE"), False
    return URL.create("sqlite", database=str(find_state_directory(environ) / "farmhand.db")), True
