"""What the tables have that an import changes, for the audit."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.tables import farm
from slavealloc.bulk.changes import Watched
from slavealloc.bulk.queries import LOOK_UPS

NAMED = (*LOOK_UPS.values(), farm.tac_templates, farm.workers)


def watch(connection: Connection) -> dict[str, Watched]:
    """Read all that an import may change: table → its rows."""
    found = {table.name: _watch_named(connection, table, "name") for table in NAMED}
    pools, distros = found["pools"].names, found["distros"].names
    passwords = _read(connection, farm.worker_passwords)
    return {
        **found,
        "masters": _watch_named(connection, farm.masters, "nickname"),
        "worker_passwords": Watched(
            rows=passwords,
            names={
                row_id: f"{pools[row['pool_id']]}/{distros.get(row['distro_id'], '*')}"
                for row_id, row in passwords.items()
            },
        ),
        "jacuzzis": _watch_jacuzzis(connection, found["workers"]),
    }


def _watch_named(connection: Connection, table: sa.Table, name: str) -> Watched:
    rows = _read(connection, table)
    return Watched(rows=rows, names={row_id: row[name] for row_id, row in rows.items()})


def _read(connection: Connection, table: sa.Table) -> dict[int, dict[str, Any]]:
    return {row.id: dict(row._mapping) for row in connection.execute(sa.select(table))}


def _watch_jacuzzis(connection: Connection, workers: Watched) -> Watched:
    """Read which builders each worker serves: a worker is what is changed."""
    builders: dict[int, list[str]] = {}
    for row in connection.execute(sa.select(farm.jacuzzis)):
        builders.setdefault(row.worker_id, []).append(row.builder)
    rows = {
        worker_id: {"builders": ", ".join(sorted(each))} for worker_id, each in builders.items()
    }
    return Watched(rows=rows, names=workers.names)
