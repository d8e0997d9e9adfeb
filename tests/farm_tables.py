"""This release's tables: made by the migrations once in each process of tests, and copied then."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from farmhand.db import make_engine, parse_url
from farmhand.upgrades import upgrade

CHANGES = ("ALTER", "CREATE", "INSERT", "UPDATE")
_recorded: dict[str, list[tuple[str, Any]]] = {}


def make_tables(engine: sa.Engine) -> sa.Engine:
    """Do to an empty database what `farmhand db upgrade` does."""
    dialect = engine.dialect.name
    if dialect == "sqlite":
        copy_database(Path(str(engine.url.database)))
    elif dialect not in _recorded:
        _recorded[dialect] = _upgrade_and_record(engine)
    else:
        with engine.begin() as connection:
            for statement, parameters in _recorded[dialect]:
                connection.exec_driver_sql(statement, parameters)
    return engine


def copy_database(path: Path) -> None:
    """Write an SQLite database of a farm without rows."""
    path.write_bytes(_read_made())


@cache
def _read_made() -> bytes:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "farmhand.db"
        engine = make_engine(parse_url(f"sqlite:///{path}", "test"), timeout_s=60)
        upgrade(engine)
        engine.dispose()
        return path.read_bytes()


def _upgrade_and_record(engine: sa.Engine) -> list[tuple[str, Any]]:
    seen: list[tuple[str, Any]] = []

    def record(
        _connection: object, _cursor: object, statement: str, parameters: Any, *_: Any
    ) -> None:
        if statement.lstrip().startswith(CHANGES):
            seen.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", record)
    upgrade(engine)
    sa.event.remove(engine, "before_cursor_execute", record)
    return seen
