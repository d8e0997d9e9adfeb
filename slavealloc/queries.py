"""All SQL on places: who asks, what is balanced, what was decided. Rows become dataclasses here."""

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from farmhand.db import db_now
from farmhand.tables.base import UtcDateTime
from farmhand.tables.farm import (
    allocations,
    masters,
    places,
    tac_templates,
    worker_passwords,
    workers,
)
from slavealloc.models import SHIPPED_NAMES, Master, Placement, Refusal, Rules, Silo, Turn, Worker
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


class json_list(FunctionElement[str]):  # noqa: N801 - reads as the SQL function it is
    """The values as one text, a JSON list."""

    type = sa.String()
    inherit_cache = True
    name = "json_list"


@compiles(json_list)
def _json_array(element: json_list, compiler: Any, **kw: Any) -> str:
    return f"json_array({compiler.process(element.clauses, **kw)})"


@compiles(json_list, "postgresql")
def _postgresql_json_array(element: json_list, compiler: Any, **kw: Any) -> str:
    return f"CAST(json_build_array({compiler.process(element.clauses, **kw)}) AS text)"


# Statements are made once: making one takes longer than most take to run.
SINCE = sa.bindparam("since", type_=UtcDateTime)
# A row as one text: PyMySQL reads each column of each row in Python.
ASKERS = (
    sa.select(
        json_list(
            workers.c.id,
            workers.c.name,
            workers.c.notes,
            workers.c.basedir,
            workers.c.current_master_id,
            workers.c.last_seen_at > SINCE,
            workers.c.enabled,
            workers.c.tac_template_id,
            workers.c.locked_master_id,
            *SILO,
        )
    )
    .where(workers.c.name.in_(sa.bindparam("names", expanding=True)))
    .order_by(workers.c.name)
)
LOADS = (
    sa.select(*SILO, workers.c.current_master_id, sa.func.count())
    .where(workers.c.current_master_id.is_not(None), workers.c.last_seen_at > SINCE)
    .group_by(*SILO, workers.c.current_master_id)
)
SILO_S_LOADS = LOADS.where(
    *(column.is_not_distinct_from(sa.bindparam(column.name)) for column in SILO)
)
ENTRIES = allocations.insert().from_select(
    ["worker_id", "master_id", "at", "reason", "host"],
    sa.select(
        workers.c.id,
        workers.c.current_master_id,
        workers.c.last_seen_at,
        sa.bindparam("reason", type_=sa.String),
        sa.bindparam("host", type_=sa.String),
    )
    .where(workers.c.id.in_(sa.bindparam("ids", expanding=True, literal_execute=True)))
    .order_by(workers.c.name),
)
RAISE = places.update().values(generation=places.c.generation + 1)
TURN = sa.select(places.c.generation, places.c.edits, db_now().label("now"))
LOCK = TURN.with_for_update()
MASTERS = sa.select(
    masters.c.id,
    masters.c.nickname,
    masters.c.fqdn,
    masters.c.pb_port,
    masters.c.pool_id,
    masters.c.enabled,
    masters.c.notes,
).order_by(masters.c.id)


def lock_places(connection: Connection) -> Turn:
    """Let nobody else place workers or edit anything here before this transaction ends.

    The one lock of all writers here, always taken first, so that none can wait for another in a
    circle.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    return Turn(**connection.execute(LOCK).one()._mapping)


def read_turn(connection: Connection) -> Turn:
    """Read the lock's row, and take no lock."""
    return Turn(**connection.execute(TURN).one()._mapping)


def lock_for_edit(connection: Connection) -> None:
    """Take the lock, and tell servers that nothing they remember holds any longer."""
    lock_places(connection)
    tell_edit(connection)


def tell_edit(connection: Connection) -> None:
    """Tell servers that nothing they remember holds any longer; for who has the lock."""
    columns = places.c
    statement = places.update().values(generation=columns.generation + 1, edits=columns.edits + 1)
    connection.execute(statement)


def raise_generation(connection: Connection) -> None:
    """Tell other servers that the numbers of workers they remember no longer hold."""
    connection.execute(RAISE)


def read_masters(connection: Connection) -> dict[int, Master]:
    """Read all masters, by id."""
    return {
        master_id: Master(
            id=master_id,
            nickname=nickname,
            fqdn=fqdn,
            pb_port=pb_port,
            pool_id=pool_id,
            enabled=enabled,
            notes=notes or "",
        )
        for master_id, nickname, fqdn, pb_port, pool_id, enabled, notes in connection.execute(
            MASTERS
        )
    }


def read_workers(
    connection: Connection, names: Collection[str], rules: Rules, *, since: datetime
) -> list[Worker]:
    """Read the workers of these names that exist, in order of name.

    Who asked after `since` is counted.
    """
    # PostgreSQL takes no NUL, and no worker's name has one.
    names = [name for name in names if "\0" not in name]
    rows = connection.execute(ASKERS, {"names": names, "since": since}).scalars()
    found: list[Worker] = []
    common: dict[tuple[int, ...], dict[str, Any]] = {}
    for id_, name, notes, basedir, current, counted, *kind_ in map(json.loads, rows):
        kind = tuple(kind_)
        if kind not in common:
            common[kind] = _read_kind(rules, *kind)
        worker = Worker(
            id=id_,
            name=name,
            notes=notes or "",
            basedir=basedir,
            current_master_id=current,
            counted=bool(counted),
            **common[kind],
        )
        found.append(worker)
    return found


def _read_kind(
    rules: Rules, enabled: int, template_id: int | None, locked: int | None, *silo: int | None
) -> dict[str, Any]:
    """Look up what many workers have in common."""
    return {
        "enabled": bool(enabled),
        "template": rules.find_template(template_id),
        "locked_master_id": locked,
        "password": rules.find_password(pool_id=silo[0], distro_id=silo[1]),
        "silo": silo,
    }


def read_rules(connection: Connection, *, default_template: str) -> Rules:
    """Read masters, passwords and templates."""
    return Rules(
        masters=read_masters(connection),
        passwords=_read_passwords(connection),
        templates=_read_templates(connection),
        default_template=default_template,
    )


def _read_passwords(connection: Connection) -> dict[tuple[int, int | None], str]:
    """Read passwords: pool and distro → password; of two of the same, the older one counts."""
    columns = worker_passwords.c
    statement = sa.select(columns.pool_id, columns.distro_id, columns.password)
    rows = connection.execute(statement.order_by(columns.id.desc()))
    return {(pool_id, distro_id): password for pool_id, distro_id, password in rows}


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
    connection: Connection, *, since: datetime, silo: Silo | None = None
) -> dict[Silo, dict[int, int]]:
    """Count who asked after `since`, of one silo or of all: silo → master → workers."""
    asked: dict[str, Any] = {"since": since}
    if silo is not None:
        asked |= {column.name: value for column, value in zip(SILO, silo, strict=True)}
    loads: dict[Silo, dict[int, int]] = {}
    rows = connection.execute(LOADS if silo is None else SILO_S_LOADS, asked)
    for *silo_, master_id, count in rows:
        loads.setdefault(tuple(silo_), {})[master_id] = count
    return loads


def write_answers(
    connection: Connection, answers: Sequence[Placement | Refusal], host: str, now: datetime
) -> None:
    """Write that these workers asked, which masters they have, and where they were sent.

    `host` is the server's that decided.
    """
    moves = [each for each in answers if isinstance(each, Placement) and each.moved]
    # As text, since it is all numbers: binding a thousand takes longer than writing the rows.
    assignments = f"last_seen_at = '{now.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}'"
    if moves:
        whens = (
            f"WHEN {move.worker.id} THEN {move.master.id if move.master else 'NULL'}"
            for move in moves
        )
        assignments += f", current_master_id = CASE id {' '.join(whens)} ELSE current_master_id END"
    ids = ", ".join(str(answer.worker.id) for answer in answers)
    connection.exec_driver_sql(f"UPDATE workers SET {assignments} WHERE id IN ({ids})")  # noqa: S608
    for reason in sorted({move.reason for move in moves}):
        moved = [move.worker.id for move in moves if move.reason is reason]
        connection.execute(ENTRIES, {"ids": moved, "reason": str(reason), "host": host})
