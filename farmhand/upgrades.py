"""The farm database's version: which one it has, whether it suits, and the way to the newest."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from farmhand import __version__
from farmhand.errors import BadInput, Unavailable
from farmhand.tables import records

MIGRATIONS = Path(__file__).parent / "migrations"
UPGRADE_WAIT_S = 60
UPGRADE_LOCK = 0x6661726D  # "farm", among PostgreSQL's advisory locks of one database


def newest_revision() -> str:
    """Return the newest revision that this release ships; revisions are numbered files."""
    return max(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def read_revision(engine: Engine) -> str | None:
    """Read which revision a database is at; None for one without tables of ours."""
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        version = sa.column("version_num", sa.String)
        statement = sa.select(version).select_from(sa.table("alembic_version"))
        return connection.execute(statement).scalar()


def check_version(engine: Engine) -> None:
    """Refuse a database that is older than this release, or too new for it."""
    revision, newest = read_revision(engine), newest_revision()
    if revision is None:
        unseen = "" if engine.dialect.name == "sqlite" else ", or its user may not see them"
        raise BadInput(
            f"the farm database has no tables yet{unseen}: run `farmhand db upgrade`"
            + (", or see docs/database-grants.md" if unseen else "")
        )
    if revision < newest:
        raise BadInput(
            f"the farm database is at revision {revision}, farmhand {__version__} needs {newest}: "
            "run `farmhand db upgrade`"
        )
    with engine.connect() as connection:
        oldest = connection.execute(sa.select(records.schema_info.c.compatible_from)).scalar_one()
    if _release(__version__) < _release(oldest):
        raise BadInput(
            f"the farm database needs farmhand {oldest} or newer, this is {__version__}: "
            "upgrade this host"
        )


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def upgrade(engine: Engine) -> None:
    """Bring a database to this release's revision."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.connect() as connection, _alone(connection):
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        # Before the lock is given back: who waits for it must see the new version.
        connection.commit()


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Let one upgrade of a database run at a time; the next one finds nothing left to do."""
    dialect = connection.dialect.name
    if dialect == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield
    elif dialect == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(UPGRADE_LOCK)))
        yield
    else:
        # The name counts on the whole server, and a commit, as DDL does many, releases nothing.
        name = sa.func.concat("farmhand ", sa.func.sha1(sa.func.database()))
        if connection.scalar(sa.select(sa.func.get_lock(name, UPGRADE_WAIT_S))) != 1:
            raise Unavailable("another upgrade of the farm database does not end; look at it there")
        try:
            yield
        finally:
            connection.execute(sa.select(sa.func.release_lock(name)))
