"""All SQL of the REST API: tables as lists of dicts under the API's names, and single edits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.output import format_time
from farmhand.tables import metadata
from farmhand.tables.farm import allocations, jacuzzis, masters, workers
from slavealloc.rest.resources import RESOURCES, Resource
from slavealloc.tac import read_shipped

HISTORY_SHOWN = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """Which row: by its id, or by its name."""

    key: int | str


def read_row(connection: Connection, name: str, row: Row) -> dict[str, Any] | None:
    """Read one row; None where there is none."""
    resource = RESOURCES[name]
    table = metadata.tables[resource.table]
    found = connection.execute(sa.select(table).where(is_row(resource, row))).one_or_none()
    return show_row(resource, found._mapping) if found else None


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


def read_history(connection: Connection, row: Row) -> list[dict[str, Any]] | None:
    """Read where a worker was sent, newest first; None for an unknown worker."""
    worker_id = connection.scalar(sa.select(workers.c.id).where(is_row(RESOURCES["slaves"], row)))
    if worker_id is None:
        return None
    statement = (
        sa.select(allocations, masters.c.nickname)
        .select_from(allocations.outerjoin(masters, masters.c.id == allocations.c.master_id))
        .where(allocations.c.worker_id == worker_id)
        .order_by(allocations.c.id.desc())
        .limit(HISTORY_SHOWN)
    )
    return [
        {
            "at": format_time(each.at),
            "masterid": each.master_id,
            "master": each.nickname,
            "reason": each.reason,
            "host": each.host,
        }
        for each in connection.execute(statement)
    ]


def read_jacuzzi(connection: Connection, builder: str) -> list[str]:
    """List the workers a builder is confined to, in order; empty: it has no jacuzzi."""
    return _machines(connection, sa.select(workers.c.name).where(jacuzzis.c.builder == builder))


def read_allocated(connection: Connection) -> list[str]:
    """List the workers that any jacuzzi has, in order."""
    return _machines(connection, sa.select(workers.c.name).distinct())


def _machines(connection: Connection, statement: sa.Select[Any]) -> list[str]:
    joined = jacuzzis.join(workers, workers.c.id == jacuzzis.c.worker_id)
    return sorted(connection.scalars(statement.select_from(joined)))
