"""What the tables have that an import changes, for the audit."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.tables import farm
from slavealloc.bulk.changes import Key, Watched
from slavealloc.bulk.queries import LOOK_UPS

NAMED = (*LOOK_UPS.values(), farm.tac_templates, farm.workers)


def watch(connection: Connection) -> dict[str, Watched]:
    """Read all that an import may change: table → its rows."""
    found = {table.name: _watch_named(connection, table, "name") for table in NAMED}
    masters = _watch_named(connection, farm.masters, "nickname")
    passwords = _read(connection, farm.worker_passwords)
    names: dict[Key, str] = {
        key: f"{found['pools'].names[row['pool_id']]}/"
        f"{found['distros'].names.get(row['distro_id'], '*')}"
        for key, row in passwords.items()
    }
    return {
        **found,
        "masters": masters,
        "worker_passwords": Watched(rows=passwords, names=names),
        "jacuzzis": _watch_jacuzzis(connection),
    }


def _watch_named(connection: Connection, table: sa.Table, name: str) -> Watched:
    rows = _read(connection, table)
    return Watched(rows=rows, names={key: row[name] for key, row in rows.items()})


def _read(connection: Connection, table: sa.Table) -> dict[Key, dict[str, Any]]:
    statement = sa.select(table).order_by(table.c.id)
    return {row.id: dict(row._mapping) for row in connection.execute(statement)}


def _watch_jacuzzis(connection: Connection) -> Watched:
    statement = sa.select(farm.jacuzzis).order_by(*farm.jacuzzis.primary_key)
    rows: dict[Key, dict[str, Any]] = {
        (row.worker_id, row.builder): dict(row._mapping) for row in connection.execute(statement)
    }
    names: dict[Key, str] = {key: row["builder"] for key, row in rows.items()}
    return Watched(rows=rows, names=names)
