"""SQL of the list of workers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.db import db_now
from farmhand.tables import metadata
from farmhand.tables.farm import audit, masters, pools, workers
from slavealloc.rest.resources import SILO_REFERENCES
from slavealloc.ui.list_asked import FIELDS, NOTHING, SILO, Asked, Sort, State
from slavealloc.ui.list_view import Known, LastWord, Listed

Conditions = Sequence[sa.ColumnElement[bool]]
COLUMNS: Mapping[str, sa.Column[int]] = {
    **{name: workers.c[f"{name}_id"] for name in SILO},
    "master": workers.c.current_master_id,
    "locked": workers.c.locked_master_id,
}
SORTS: Mapping[Sort, Sequence[sa.ColumnElement[Any]]] = {
    Sort.NAME: (),
    Sort.STATE: (workers.c.enabled,),
    # Who never came comes first; databases differ in where NULL stands.
    Sort.SEEN: (workers.c.last_seen_at.is_not(None), workers.c.last_seen_at),
    Sort.MASTER: (sa.func.coalesce(masters.c.nickname, ""),),
    Sort.POOL: (sa.func.coalesce(pools.c.name, ""),),
    Sort.NOTES: (sa.func.coalesce(workers.c.notes, "") == "", workers.c.notes),
}
JOINS = {
    Sort.MASTER: (masters, workers.c.current_master_id),
    Sort.POOL: (pools, workers.c.pool_id),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """Which of the rows that match are wanted."""

    start: int
    size: int


def read_known(connection: Connection) -> Known:
    """Read what workers can have: field → id → name, in order of name."""
    tables = {name: metadata.tables[SILO_REFERENCES[_reference(name)]] for name in SILO}
    selects = [
        sa.select(sa.literal(name).label("field"), table.c.id, table.c.name)
        for name, table in tables.items()
    ]
    selects.append(sa.select(sa.literal("master"), masters.c.id, masters.c.nickname))
    selects.append(
        sa.select(sa.literal("instance_type"), sa.func.min(workers.c.id), workers.c.instance_type)
        .where(workers.c.instance_type.is_not(None))
        .group_by(workers.c.instance_type)
    )
    found: dict[str, dict[int, str]] = {name: {} for name in FIELDS}
    for field, id_, name in sorted(connection.execute(sa.union_all(*selects)), key=lambda r: r[2]):
        found[field][id_] = name
    return found | {"locked": found["master"]}


def _reference(name: str) -> str:
    return next(field for field, table in SILO_REFERENCES.items() if table == f"{name}s")


def find_workers(
    connection: Connection, asked: Asked, known: Known, *, counted_s: float, window: Window
) -> list[Listed]:
    """Read one page of the workers asked for; who did not ask within `counted_s` is silent."""
    silent = _is_silent(counted_s)
    statement = sa.select(workers, silent.label("silent")).where(*_match(asked, known, silent))
    if joined := JOINS.get(asked.sort):
        statement = statement.outerjoin(joined[0], joined[0].c.id == joined[1])
    turn: Callable[[sa.ColumnElement[Any]], sa.ColumnElement[Any]] = (
        sa.desc if asked.descending else sa.asc
    )
    keys = [turn(key) for key in (*SORTS[asked.sort], workers.c.name)]
    rows = connection.execute(
        statement.order_by(*keys).offset(window.start).limit(window.size)
    ).all()
    words = read_last_words(connection, [row.id for row in rows if not row.enabled])
    return [
        Listed(
            id=row.id,
            name=row.name,
            enabled=row.enabled,
            silent=bool(row.silent),
            last_seen_at=row.last_seen_at,
            master=known["master"].get(row.current_master_id),
            locked=known["master"].get(row.locked_master_id),
            silo={name: known[name].get(getattr(row, f"{name}_id")) for name in SILO},
            notes=row.notes or "",
            last_word=words.get(row.id),
        )
        for row in rows
    ]


def count_workers(connection: Connection, asked: Asked, known: Known, *, counted_s: float) -> int:
    """Count the workers asked for."""
    conditions = _match(asked, known, _is_silent(counted_s))
    statement = sa.select(sa.func.count()).select_from(workers).where(*conditions)
    return int(connection.scalar(statement) or 0)


def find_ids(
    connection: Connection, asked: Asked, known: Known, *, counted_s: float
) -> dict[int, bool]:
    """Read the ids of all workers asked for, and whether each is enabled."""
    conditions = _match(asked, known, _is_silent(counted_s))
    rows = connection.execute(sa.select(workers.c.id, workers.c.enabled).where(*conditions))
    return {row.id: row.enabled for row in rows}


def _is_silent(counted_s: float) -> sa.ColumnElement[bool]:
    seen = workers.c.last_seen_at
    return sa.and_(workers.c.enabled, sa.or_(seen.is_(None), seen <= db_now(-counted_s)))


def _match(asked: Asked, known: Known, silent: sa.ColumnElement[bool]) -> Conditions:
    """Say in SQL which workers are asked for."""
    states = {
        State.ENABLED: workers.c.enabled,
        State.DISABLED: sa.not_(workers.c.enabled),
        State.SILENT: silent,
        State.LIVE: sa.and_(workers.c.enabled, sa.not_(silent)),
    }
    found = [states[asked.state]] if asked.state else []
    for name, wanted in asked.names.items():
        found.append(_has(name, wanted, known))
    return [*found, *(_mentions(word, known) for word in asked.words)]


def _has(name: str, wanted: str, known: Known) -> sa.ColumnElement[bool]:
    if name == "instance_type":
        column = workers.c.instance_type
        return column.is_(None) if wanted == NOTHING else column == wanted.replace("\0", "")
    if wanted == NOTHING:
        return COLUMNS[name].is_(None)
    return COLUMNS[name].in_([id_ for id_, each in known[name].items() if each == wanted])


def _mentions(word: str, known: Known) -> sa.ColumnElement[bool]:
    """Match a word in a worker's name, in its notes, or in its master's name."""
    serving = [id_ for id_, name in known["master"].items() if word in name.lower()]
    return sa.or_(
        sa.func.lower(workers.c.name).contains(word, autoescape=True),
        sa.func.lower(workers.c.notes).contains(word, autoescape=True),
        *([workers.c.current_master_id.in_(serving)] if serving else []),
    )


def read_last_words(connection: Connection, ids: Sequence[int]) -> dict[int, LastWord]:
    """Read who enabled or disabled these workers last, when, and why."""
    if not ids:
        return {}
    newest = (
        sa.select(sa.func.max(audit.c.id))
        .where(
            audit.c.table_name == "workers",
            audit.c.row_id.in_(ids),
            audit.c.changes.contains('"enabled"'),
        )
        .group_by(audit.c.row_id)
    )
    statement = sa.select(audit.c.row_id, audit.c.who, audit.c.at, audit.c.why)
    rows = connection.execute(statement.where(audit.c.id.in_(newest)))
    return {row.row_id: LastWord(who=row.who, at=row.at, why=row.why or "") for row in rows}


def read_enabled(connection: Connection, ids: Sequence[int]) -> dict[int, bool]:
    """Read whether these workers are enabled; who is not there is left out."""
    statement = sa.select(workers.c.id, workers.c.enabled).where(workers.c.id.in_(ids))
    return {row.id: row.enabled for row in connection.execute(statement)}
