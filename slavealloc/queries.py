"""All SQL on places: who asks, what is balanced, what was decided. Rows become dataclasses here."""

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.db import db_now
from farmhand.tables.farm import (
    allocations,
    masters,
    tac_templates,
    worker_passwords,
    workers,
)
from slavealloc.models import Master, Placement, Silo, Worker

SILO = (
    workers.c.pool_id,
    workers.c.distro_id,
    workers.c.bitlength_id,
    workers.c.speed_id,
    workers.c.purpose_id,
    workers.c.datacenter_id,
    workers.c.trustlevel_id,
    workers.c.environment_id,
)


def lock_places(connection: Connection) -> dict[int, Master]:
    """Let nobody else place workers or change masters before this transaction ends.

    The one lock of all writers here, always taken first, so that none can wait for another in a
    circle. Returns the masters by id.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    statement = sa.select(masters).order_by(masters.c.id).with_for_update(key_share=True)
    return _masters(connection, statement)


def read_masters(connection: Connection) -> dict[int, Master]:
    """Read all masters, by id."""
    return _masters(connection, sa.select(masters))


def _masters(connection: Connection, statement: sa.Select[Any]) -> dict[int, Master]:
    return {
        row.id: Master(
            id=row.id,
            nickname=row.nickname,
            fqdn=row.fqdn,
            pb_port=row.pb_port,
            pool_id=row.pool_id,
            enabled=row.enabled,
            notes=row.notes or "",
        )
        for row in connection.execute(statement)
    }


def read_workers(
    connection: Connection, names: Collection[str], *, counted_s: float, default_template: str
) -> list[Worker]:
    """Read the workers of these names that exist, in order of name, with password and template."""
    counted = workers.c.last_seen_at > db_now(-counted_s)
    statement = (
        sa.select(workers, counted.label("counted"))
        .where(workers.c.name.in_(sorted(names)))
        .order_by(workers.c.name)
    )
    rows = connection.execute(statement).all()
    passwords = _read_passwords(connection, {row.pool_id for row in rows})
    templates = _read_templates(connection)
    return [
        Worker(
            id=row.id,
            name=row.name,
            enabled=row.enabled,
            notes=row.notes or "",
            silo=(
                row.pool_id,
                row.distro_id,
                row.bitlength_id,
                row.speed_id,
                row.purpose_id,
                row.datacenter_id,
                row.trustlevel_id,
                row.environment_id,
            ),
            basedir=row.basedir,
            counted=bool(row.counted),
            password=passwords.get(
                (row.pool_id, row.distro_id), passwords.get((row.pool_id, None))
            ),
            template=templates.get(row.tac_template_id or default_template),
            locked_master_id=row.locked_master_id,
            current_master_id=row.current_master_id,
        )
        for row in rows
    ]


def _read_passwords(
    connection: Connection, pool_ids: Collection[int | None]
) -> dict[tuple[int, int | None], str]:
    """Read passwords: pool and distro → password; of two of the same, the older one counts."""
    statement = (
        sa.select(worker_passwords)
        .where(worker_passwords.c.pool_id.in_(sorted(each for each in pool_ids if each)))
        .order_by(worker_passwords.c.id.desc())
    )
    return {(row.pool_id, row.distro_id): row.password for row in connection.execute(statement)}


def _read_templates(connection: Connection) -> dict[int | str, str | None]:
    """Read templates, each by its id and by its name; a shipped one's text is the release's."""
    from slavealloc.tac import read_shipped

    found: dict[int | str, str | None] = {}
    for row in connection.execute(sa.select(tac_templates)):
        text = row.template if row.template is not None else read_shipped(row.name)
        found |= {row.id: text, row.name: text}
    return found


def read_loads(
    connection: Connection, pool_ids: Collection[int], *, counted_s: float
) -> dict[Silo, dict[int, int]]:
    """Count the live workers of these pools: silo → master → workers."""
    statement = (
        sa.select(*SILO, workers.c.current_master_id, sa.func.count())
        .where(
            workers.c.pool_id.in_(sorted(pool_ids)),
            workers.c.current_master_id.is_not(None),
            workers.c.last_seen_at > db_now(-counted_s),
        )
        .group_by(*SILO, workers.c.current_master_id)
    )
    loads: dict[Silo, dict[int, int]] = {}
    for *silo, master_id, count in connection.execute(statement):
        loads.setdefault(tuple(silo), {})[master_id] = count
    return loads


def write_seen(connection: Connection, worker_ids: Collection[int]) -> None:
    """Write that these workers asked just now."""
    statement = workers.update().where(workers.c.id.in_(sorted(worker_ids)))
    connection.execute(statement.values(last_seen_at=db_now()))


def write_moves(connection: Connection, moves: Sequence[Placement], host: str) -> None:
    """Write which master each of these workers has now, and that it was sent there."""
    after = {
        move.worker.id: move.master.id if move.master else sa.null()
        for move in sorted(moves, key=lambda each: each.worker.id)
    }
    connection.execute(
        workers.update()
        .where(workers.c.id.in_(list(after)))
        .values(current_master_id=sa.case(after, value=workers.c.id))
    )
    connection.execute(
        allocations.insert().values(at=db_now()),
        [
            {
                "worker_id": move.worker.id,
                "master_id": move.master.id if move.master else None,
                "reason": str(move.reason),
                "host": host,
            }
            for move in moves
        ],
    )
