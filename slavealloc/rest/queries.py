"""All SQL of the REST API: tables as lists of dicts under the API's names, and single edits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.db import db_now
from farmhand.output import format_time
from farmhand.tables import metadata
from farmhand.tables.farm import allocations, jacuzzis, masters, pools, workers
from slavealloc.rest.resources import RESOURCES, SILO_REFERENCES, Resource
from slavealloc.tac import read_shipped

HISTORY_SHOWN = 100
# The API's filter and the name beside a worker's id, in the original's words.
NAMES_BESIDE = {
    "distro": "distroid",
    "bitlength": "bitsid",
    "speed": "speedid",
    "purpose": "purposeid",
    "datacenter": "dcid",
    "trustlevel": "trustid",
    "environment": "envid",
    "pool": "poolid",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """Which row: by its id, or by its name."""

    key: int | str


def read_list(connection: Connection, name: str) -> list[dict[str, Any]]:
    """Read a whole table, in order of id."""
    resource = RESOURCES[name]
    table = metadata.tables[resource.table]
    statement = sa.select(table).order_by(table.c.id)
    return [show_row(resource, row._mapping) for row in connection.execute(statement)]


def read_slaves(
    connection: Connection, only: Mapping[str, Sequence[str]], enabled: bool | None
) -> list[dict[str, Any]]:
    """Read workers with the names of what their ids mean.

    `only`: environment, purpose or pool → the names wanted; empty means all.
    """
    resource = RESOURCES["slaves"]
    locked, current = masters.alias("locked"), masters.alias("current")
    joined: sa.FromClause = workers.outerjoin(
        locked, locked.c.id == workers.c.locked_master_id
    ).outerjoin(current, current.c.id == workers.c.current_master_id)
    names: dict[str, sa.ColumnElement[str]] = {}
    for beside, field in NAMES_BESIDE.items():
        table = metadata.tables[SILO_REFERENCES[field]]
        joined = joined.outerjoin(table, table.c.id == workers.c[resource.fields[field]])
        names[beside] = table.c.name
    names |= {"locked_master": locked.c.nickname, "current_master": current.c.nickname}
    statement = sa.select(workers, *(column.label(name) for name, column in names.items()))
    for name, wanted in only.items():
        if wanted:
            statement = statement.where(names[name].in_(wanted))
    if enabled is not None:
        statement = statement.where(workers.c.enabled == enabled)
    rows = connection.execute(statement.select_from(joined).order_by(workers.c.id))
    return [
        show_row(resource, row._mapping) | {name: row._mapping[name] for name in names}
        for row in rows
    ]


def read_masters(connection: Connection, *, counted_s: float) -> list[dict[str, Any]]:
    """Read masters with the names of what their ids mean, and how many live workers each serves."""
    resource = RESOURCES["masters"]
    datacenters = metadata.tables["datacenters"]
    live = (
        sa.select(sa.func.count())
        .where(
            workers.c.current_master_id == masters.c.id,
            workers.c.last_seen_at > db_now(-counted_s),
        )
        .scalar_subquery()
    )
    statement = (
        sa.select(
            masters,
            datacenters.c.name.label("datacenter"),
            pools.c.name.label("pool"),
            live.label("live_slaves"),
        )
        .select_from(
            masters.join(pools, pools.c.id == masters.c.pool_id).outerjoin(
                datacenters, datacenters.c.id == masters.c.datacenter_id
            )
        )
        .order_by(masters.c.id)
    )
    beside = ("datacenter", "pool", "live_slaves")
    return [
        show_row(resource, row._mapping) | {name: row._mapping[name] for name in beside}
        for row in connection.execute(statement)
    ]


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
