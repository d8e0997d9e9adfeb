"""What the pages read of single workers and masters; all SQL is reading."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.db import db_now
from farmhand.tables import metadata
from farmhand.tables.farm import allocations, jacuzzis, masters, workers
from slavealloc import queries
from slavealloc.allocate import place_workers
from slavealloc.config import SlaveAlloc
from slavealloc.models import Loads, Master, Placement, Refusal
from slavealloc.rest.edits import Missing
from slavealloc.ui.fields import FIELDS, Names
from slavealloc.ui.history import Allocation

# A page is several reads, and each sees what others have done before it.
DELETED = "it was deleted just now"


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """When a worker last asked, whether that counts, and where it was sent."""

    last_seen_at: datetime | None
    counted: bool
    current_master_id: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a worker would be sent now, and what that is decided on."""

    answer: Placement | Refusal
    masters: Mapping[int, Master]
    loads: Loads


def read_names(connection: Connection) -> Names:
    """Read the names of everything that an id can mean: table → id → name."""
    shown = (field.table for fields in FIELDS.values() for field in fields.values())
    tables = sorted({table for table in shown if table is not None})
    parts = []
    for name in tables:
        table = metadata.tables[name]
        column = table.c.nickname if name == "masters" else table.c.name
        parts.append(sa.select(sa.literal(name, sa.String), table.c.id, column))
    names: dict[str, dict[int, str]] = {name: {} for name in tables}
    for table_name, id_, name in connection.execute(sa.union_all(*parts)):
        names[table_name][id_] = name
    return names


def read_seen(connection: Connection, worker_id: int, *, counted_s: float) -> Seen:
    """Read what placing writes of a worker; raises Missing."""
    row = connection.execute(
        sa.select(
            workers.c.last_seen_at,
            (workers.c.last_seen_at > db_now(-counted_s)).label("counted"),
            workers.c.current_master_id,
        ).where(workers.c.id == worker_id)
    ).one_or_none()
    if row is None:
        raise Missing(DELETED)
    return Seen(
        last_seen_at=row.last_seen_at,
        counted=bool(row.counted),
        current_master_id=row.current_master_id,
    )


def read_place(connection: Connection, name: str, config: SlaveAlloc) -> Place:
    """Decide where a worker would be sent now, and record nothing; raises Missing."""
    since = queries.read_turn(connection).now - timedelta(seconds=config.counted_s)
    rules = queries.read_rules(connection, default_template=config.default_template)
    found = queries.read_workers(connection, [name], rules, since=since)
    if not found:
        raise Missing(DELETED)
    loads = queries.read_loads(connection, since=since, silo=found[0].silo)
    (answer,) = place_workers(found, rules.masters, loads)
    return Place(answer=answer, masters=rules.masters, loads=loads)


def read_allocations(
    connection: Connection, worker_id: int, *, before: datetime | None, most: int
) -> Sequence[Allocation]:
    """Read where a worker was sent, newest first, each with where it had been."""
    statement = (
        sa.select(allocations.c.at, masters.c.nickname, allocations.c.reason, allocations.c.host)
        .select_from(allocations.outerjoin(masters, masters.c.id == allocations.c.master_id))
        .where(allocations.c.worker_id == worker_id)
        .order_by(allocations.c.id.desc())
        .limit(most + 1)
    )
    if before is not None:
        statement = statement.where(allocations.c.at < before)
    rows = connection.execute(statement).all()
    earlier = [*(row.nickname for row in rows[1:]), None][: len(rows)]
    return [
        Allocation(at=row.at, before=was, after=row.nickname, reason=row.reason, host=row.host)
        for row, was in zip(rows, earlier, strict=True)
    ][:most]


def read_builders_of(connection: Connection, worker_id: int) -> Sequence[str]:
    """List the builders in whose jacuzzis a worker is."""
    statement = sa.select(jacuzzis.c.builder).where(jacuzzis.c.worker_id == worker_id)
    return list(connection.scalars(statement.order_by(jacuzzis.c.builder)))
