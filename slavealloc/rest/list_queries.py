"""All SQL of lists: which rows, in which order, with the names of what their ids mean."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.db import db_now
from farmhand.tables import metadata
from farmhand.tables.farm import masters, pools, workers
from slavealloc.rest.queries import show_row
from slavealloc.rest.resources import RESOURCES, SILO_REFERENCES, Resource
from slavealloc.rest.wanted import Wanted

NONE = "-"
# The name beside a worker's id, in the original's words; also the filter by it.
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
FILTERED_AS = {"master": "current_master"}

Expressions = Mapping[str, sa.ColumnElement[Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """Rows as the API shows them; `total`: how many there are without limit and offset."""

    rows: Sequence[Mapping[str, Any]]
    total: int


def read_list(connection: Connection, name: str, wanted: Wanted, *, counted_s: float) -> Listed:
    """Read a list; who did not ask within `counted_s` is silent."""
    resource = RESOURCES[name]
    table = metadata.tables[resource.table]
    joined, beside = _JOINS[name](counted_s) if name in _JOINS else (table, {})
    shown: Expressions = {
        **{field: table.c[column] for field, column in resource.fields.items()},
        **beside,
    }
    where = _where(resource, shown, wanted, counted_s)
    statement = (
        sa.select(table, *(expression.label(field) for field, expression in beside.items()))
        .select_from(joined)
        .where(*where)
        .order_by(*_order(shown, wanted.sort), table.c.id)
    )
    if wanted.part:
        statement = statement.limit(wanted.limit).offset(wanted.offset)
    rows = [
        show_row(resource, row._mapping) | {field: row._mapping[field] for field in beside}
        for row in connection.execute(statement)
    ]
    if not wanted.part:
        return Listed(rows=rows, total=len(rows))
    count = sa.select(sa.func.count()).select_from(joined).where(*where)
    return Listed(rows=rows, total=connection.scalar(count) or 0)


def _where(
    resource: Resource, shown: Expressions, wanted: Wanted, counted_s: float
) -> list[sa.ColumnElement[bool]]:
    where: list[sa.ColumnElement[bool]] = []
    for name, texts in wanted.filters.items():
        column = shown[FILTERED_AS.get(name, name)]
        found = column.in_([text for text in texts if text != NONE])
        where.append(sa.or_(found, column.is_(None)) if NONE in texts else found)
    for name, so in wanted.switches.items():
        holds = _switch(name, shown, counted_s)
        where.append(holds if so else sa.not_(holds))
    if wanted.search:
        columns = [shown[name] for name in shown if name in {resource.name_field, "notes"}]
        part = wanted.search.lower()
        where.append(
            sa.or_(*(sa.func.lower(text).contains(part, autoescape=True) for text in columns))
        )
    return where


def _switch(name: str, shown: Expressions, counted_s: float) -> sa.ColumnElement[bool]:
    if name == "silent":
        return ~sa.func.coalesce(shown["last_seen_at"] > db_now(-counted_s), sa.false())
    if name == "notes":
        return sa.func.coalesce(shown["notes"], "") != ""
    return shown[name].is_(sa.true())


def _order(shown: Expressions, sort: str) -> list[sa.ColumnElement[Any]]:
    """Sort by a field, rows without it last on every database."""
    if not sort:
        return []
    column = shown[sort.removeprefix("-")]
    return [column.is_(None), column.desc() if sort.startswith("-") else column]


# What a list has beside its table's columns


def _join_slaves(_: float) -> tuple[sa.FromClause, Expressions]:
    fields = RESOURCES["slaves"].fields
    locked, current = masters.alias("locked"), masters.alias("current")
    joined: sa.FromClause = workers.outerjoin(
        locked, locked.c.id == workers.c.locked_master_id
    ).outerjoin(current, current.c.id == workers.c.current_master_id)
    names: dict[str, sa.ColumnElement[Any]] = {}
    for beside, field in NAMES_BESIDE.items():
        table = metadata.tables[SILO_REFERENCES[field]]
        joined = joined.outerjoin(table, table.c.id == workers.c[fields[field]])
        names[beside] = table.c.name
    names |= {"locked_master": locked.c.nickname, "current_master": current.c.nickname}
    return joined, names


def _join_masters(counted_s: float) -> tuple[sa.FromClause, Expressions]:
    """Join masters with names, and with how many live workers each serves."""
    datacenters = metadata.tables["datacenters"]
    live = (
        sa.select(sa.func.count())
        .where(
            workers.c.current_master_id == masters.c.id,
            workers.c.last_seen_at > db_now(-counted_s),
        )
        .scalar_subquery()
    )
    joined = masters.join(pools, pools.c.id == masters.c.pool_id).outerjoin(
        datacenters, datacenters.c.id == masters.c.datacenter_id
    )
    return joined, {
        "datacenter": datacenters.c.name,
        "pool": pools.c.name,
        "live_slaves": live,
    }


_JOINS: Mapping[str, Callable[[float], tuple[sa.FromClause, Expressions]]] = {
    "slaves": _join_slaves,
    "masters": _join_masters,
}
