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
from slavealloc.models import SHIPPED_NAMES, Master, Placement, Refusal, Silo, Worker
from slavealloc.tac import read_shipped

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


ASKERS = sa.select(
    workers.c.id,
    workers.c.name,
    workers.c.enabled,
    workers.c.notes,
    workers.c.basedir,
    workers.c.tac_template_id,
    workers.c.locked_master_id,
    workers.c.current_master_id,
    *SILO,
).order_by(workers.c.name)
MASTERS = sa.select(
    masters.c.id,
    masters.c.nickname,
    masters.c.fqdn,
    masters.c.pb_port,
    masters.c.pool_id,
    masters.c.enabled,
    masters.c.notes,
).order_by(masters.c.id)


def lock_places(connection: Connection) -> dict[int, Master]:
    """Let nobody else place workers or change masters before this transaction ends.

    The one lock of all writers here, always taken first, so that none can wait for another in a
    circle. Returns the masters by id.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    return _masters(connection, MASTERS.with_for_update(key_share=True))


def read_masters(connection: Connection) -> dict[int, Master]:
    """Read all masters, by id."""
    return _masters(connection, MASTERS)


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
    # PostgreSQL takes no NUL, and no worker's name has one.
    names = [name for name in names if "\0" not in name]
    statement = ASKERS.add_columns(counted.label("counted")).where(workers.c.name.in_(names))
    rows = connection.execute(statement).all()
    passwords = _read_passwords(connection, {row.pool_id for row in rows})
    templates = _read_templates(connection)
    return [
        Worker(
            id=row.id,
            name=row.name,
            enabled=row.enabled,
            notes=row.notes or "",
            silo=tuple(row[-1 - len(SILO) : -1]),
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
    found: dict[int | str, str | None] = {name: read_shipped(name) for name in SHIPPED_NAMES}
    for row in connection.execute(sa.select(tac_templates)):
        text = row.template if row.template is not None else read_shipped(row.name)
        found |= {row.id: text, row.name: text}
    return found


def read_template_names(connection: Connection) -> list[str]:
    """List the templates a worker can have, by name."""
    return [each for each in _read_templates(connection) if isinstance(each, str)]


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


def write_answers(
    connection: Connection, answers: Sequence[Placement | Refusal], host: str
) -> None:
    """Write that these workers asked just now, which masters they have, and where they were sent.

    `host` is the server's that decided.
    """
    moves = [each for each in answers if isinstance(each, Placement) and each.moved]
    values: dict[str, Any] = {"last_seen_at": db_now()}
    if moves:
        # As text, since it is all numbers: binding a thousand takes longer than writing the rows.
        whens = (
            f"WHEN {move.worker.id} THEN {move.master.id if move.master else 'NULL'}"
            for move in moves
        )
        case = f"CASE workers.id {' '.join(whens)} ELSE workers.current_master_id END"
        values["current_master_id"] = sa.literal_column(case)
    ids = sorted(answer.worker.id for answer in answers)
    statement = workers.update().where(workers.c.id.in_(ids)).values(values)
    connection.execute(statement, execution_options={"compiled_cache": None})
    if not moves:
        return
    # Read apart: PyMySQL sends many rows at once only where each value is a plain one.
    at = connection.scalar(sa.select(db_now()))
    connection.execute(
        allocations.insert(),
        [
            {
                "worker_id": move.worker.id,
                "master_id": move.master.id if move.master else None,
                "at": at,
                "reason": str(move.reason),
                "host": host,
            }
            for move in moves
        ],
    )
