"""SQL of the REST API: rows under the API's names, and jacuzzis."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.output import format_time
from farmhand.tables import metadata
from farmhand.tables.farm import jacuzzis, workers
from slavealloc.rest.resources import Resource
from slavealloc.tac import read_shipped


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """Which row: by its id, or by its name."""

    key: int | str


def is_row(resource: Resource, row: Row) -> sa.ColumnElement[bool]:
    """Compare with a row's id or name; a row without a name is none that is asked by name."""
    table = metadata.tables[resource.table]
    if isinstance(row.key, int):
        return table.c.id == row.key
    return table.c[resource.name_field] == row.key if resource.name_field else sa.false()


def show_row(resource: Resource, row: Mapping[Any, Any]) -> dict[str, Any]:
    """Shape a row as the API shows it."""
    shown = {field: row[column] for field, column in resource.fields.items()}
    if resource.table == "tac_templates" and shown["template"] is None:
        shown["template"] = read_shipped(shown["name"])
    return {
        field: format_time(value) if isinstance(value, datetime) else value
        for field, value in shown.items()
    }


def read_jacuzzi(connection: Connection, builder: str) -> list[str]:
    """List the workers a builder is confined to, in order; empty: it has no jacuzzi."""
    return _machines(connection, sa.select(workers.c.name).where(jacuzzis.c.builder == builder))


def read_jacuzzis(connection: Connection) -> dict[str, list[str]]:
    """Read all jacuzzis: builder → its workers, both in order."""
    joined = jacuzzis.join(workers, workers.c.id == jacuzzis.c.worker_id)
    rows = connection.execute(sa.select(jacuzzis.c.builder, workers.c.name).select_from(joined))
    found: dict[str, list[str]] = {}
    for builder, name in sorted(tuple(row) for row in rows):
        found.setdefault(builder, []).append(name)
    return found


def read_allocated(connection: Connection) -> list[str]:
    """List the workers that any jacuzzi has, in order."""
    return _machines(connection, sa.select(workers.c.name).distinct())


def _machines(connection: Connection, statement: sa.Select[Any]) -> list[str]:
    joined = jacuzzis.join(workers, workers.c.id == jacuzzis.c.worker_id)
    return sorted(connection.scalars(statement.select_from(joined)))
