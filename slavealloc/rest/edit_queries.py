"""All SQL of edits: the rows as they are, what refers to them, and their changes."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.chunks import chunked
from farmhand.tables import metadata
from farmhand.tables.farm import (
    allocations,
    audit,
    distros,
    jacuzzis,
    masters,
    pools,
    worker_passwords,
    workers,
)
from slavealloc.rest.resources import Resource

CHUNK = 500
USERS_NAMED = 3
NAMES = {"workers": "name", "masters": "nickname", "jacuzzis": "builder"}


def read_rows(
    connection: Connection, resource: Resource, keys: Sequence[int | str]
) -> dict[int | str, Mapping[str, Any]]:
    """Read rows by id or name: key → column → value; what is not there is left out."""
    table = metadata.tables[resource.table]
    ids = [key for key in keys if isinstance(key, int)]
    # PostgreSQL takes no NUL, and no name has one.
    names = [key for key in keys if isinstance(key, str) and "\0" not in key]
    found = {row["id"]: row for row in _read_in(connection, table.c.id, ids)}
    rows: dict[int | str, Mapping[str, Any]] = {**found}
    if resource.name_field:
        named = _read_in(connection, table.c[resource.name_field], names)
        rows |= {row[resource.name_field]: row for row in named}
    return rows


def _read_in(
    connection: Connection, column: sa.Column[Any], values: Sequence[Any]
) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for chunk in chunked(values, CHUNK):
        statement = sa.select(column.table).where(column.in_(chunk))
        found += [dict(row) for row in connection.execute(statement).mappings()]
    return found


def read_last_change(connection: Connection, resource: Resource, row_id: int) -> int | None:
    """Read the id of a row's latest change."""
    statement = sa.select(sa.func.max(audit.c.id))
    found: int | None = connection.scalar(
        statement.where(audit.c.table_name == resource.table, audit.c.row_id == row_id)
    )
    return found


def read_password_name(connection: Connection, row: Mapping[str, Any]) -> str:
    """Name a password by its pool and distro, as dbimport's files do."""
    pool = connection.scalar(sa.select(pools.c.name).where(pools.c.id == row["pool_id"]))
    distro = connection.scalar(sa.select(distros.c.name).where(distros.c.id == row["distro_id"]))
    return f"{pool}/{distro or '*'}"


def find_password(connection: Connection, pool_id: int, distro_id: int | None) -> int | None:
    """Find the password of a pool and a distro: its id."""
    columns = worker_passwords.c
    statement = sa.select(sa.func.min(columns.id)).where(columns.pool_id == pool_id)
    found: int | None = connection.scalar(
        statement.where(columns.distro_id.is_not_distinct_from(distro_id))
    )
    return found


def find_missing(connection: Connection, table: str, ids: Collection[int]) -> list[int]:
    """Find out which of these ids a table has not."""
    if not ids:
        return []
    column = metadata.tables[table].c.id
    return sorted(set(ids) - set(connection.scalars(sa.select(column).where(column.in_(ids)))))


def find_users(connection: Connection, resource: Resource, row_id: int) -> list[str]:
    """Say what refers to a row and would be broken without it: table.column and names.

    Not history, nor where disabled workers were sent last.
    """
    row = metadata.tables[resource.table].c.id
    used: list[str] = []
    for table in metadata.tables.values():
        for key in table.foreign_keys:
            if key.column is not row or table is allocations:
                continue
            where = key.parent == row_id
            if key.parent is workers.c.current_master_id:
                where &= workers.c.enabled
            used += _name_users(connection, key.parent, where)
    return sorted(used)


def _name_users(
    connection: Connection, column: sa.Column[Any], where: sa.ColumnElement[bool]
) -> list[str]:
    table = column.table
    number = connection.scalar(sa.select(sa.func.count()).select_from(table).where(where))
    if not number:
        return []
    shown = table.c[NAMES.get(table.name, "id")]
    found = connection.scalars(sa.select(shown).where(where).order_by(shown).limit(USERS_NAMED))
    more = f" and {number - USERS_NAMED} more" if number > USERS_NAMED else ""
    return [f"{table.name}.{column.name}: {', '.join(map(str, found))}{more}"]


def insert_row(
    connection: Connection, resource: Resource, values: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Insert a row, and read it back."""
    result = connection.execute(metadata.tables[resource.table].insert().values(dict(values)))
    (row_id,) = result.inserted_primary_key or (0,)
    return read_rows(connection, resource, [row_id])[row_id]


def update_rows(
    connection: Connection, resource: Resource, values: Mapping[int, Mapping[str, Any]]
) -> None:
    """Change rows: id → column → new value; those that get the same in one statement."""
    table = metadata.tables[resource.table]
    alike: dict[tuple[tuple[str, Any], ...], list[int]] = {}
    for row_id, changed in values.items():
        alike.setdefault(tuple(sorted(changed.items())), []).append(row_id)
    for items, ids in alike.items():
        for chunk in chunked(ids, CHUNK):
            statement = table.update().where(table.c.id.in_(chunk))
            connection.execute(statement.values(dict(items)))


def delete_row(connection: Connection, resource: Resource, row_id: int) -> None:
    """Delete a row; of a master, also where disabled workers were sent last."""
    table = metadata.tables[resource.table]
    if table is masters:
        columns = workers.c
        statement = workers.update().where(columns.current_master_id == row_id)
        connection.execute(statement.values(current_master_id=None))
    connection.execute(table.delete().where(table.c.id == row_id))


def change_jacuzzi(
    connection: Connection, builder: str, *, gone: Collection[int], new: Collection[int]
) -> None:
    """Take workers out of a builder's jacuzzi, and put others in."""
    if gone:
        columns = jacuzzis.c
        connection.execute(
            jacuzzis.delete().where(columns.builder == builder, columns.worker_id.in_(gone))
        )
    if new:
        rows = [{"builder": builder, "worker_id": worker_id} for worker_id in new]
        connection.execute(jacuzzis.insert(), rows)
