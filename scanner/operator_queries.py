"""SQL of the operator's verbs on daemons and processors."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.db import db_now
from farmhand.tables.builds import (
    attempts,
    build_queue,
    builds,
    daemon_processors,
    daemons,
    processors,
)
from scanner.job_queries import write_changes
from scanner.models import BuildState, Fate, JobChange
from scanner.queries import read_daemons

# Of every daemon, as `daemon show` has it.
SHOWN = (
    "url",
    "enabled",
    "manual",
    "notes",
    "clean",
    "failure_count",
    "failing_since",
    "not_before",
    "aborting_since",
    "fetching_until",
    "last_seen_at",
    "last_error",
    "dialect",
    "build_type",
    "arch_tag",
    "version",
    "owner",
)


def count_queue(connection: Connection) -> dict[str, int]:
    """Count the jobs of the queue: status → number."""
    number = sa.func.count().label("number")
    statement = sa.select(build_queue.c.status, number).group_by(build_queue.c.status)
    return {row.status: row.number for row in connection.execute(statement)}


def read_names(connection: Connection) -> Sequence[str]:
    """Read the names of all daemons."""
    return connection.scalars(sa.select(daemons.c.name).order_by(daemons.c.name)).all()


def find_at(connection: Connection, url: str) -> str | None:
    """Find the name of the daemon at a URL."""
    return connection.scalar(sa.select(daemons.c.name).where(daemons.c.url == url))


def read_processors(connection: Connection) -> dict[str, int]:
    """Read all processors: name → id."""
    statement = sa.select(processors.c.name, processors.c.id).order_by(processors.c.name)
    return {row.name: row.id for row in connection.execute(statement)}


def read_daemon(connection: Connection, name: str) -> Mapping[str, Any] | None:
    """Read one daemon's row."""
    row = connection.execute(sa.select(daemons).where(daemons.c.name == name)).one_or_none()
    return None if row is None else dict(row._mapping)


def list_daemons(connection: Connection) -> list[dict[str, Any]]:
    """Read all daemons, with their jobs and processors."""
    names: dict[int, list[str]] = {}
    has = sa.select(daemon_processors.c.daemon_id, processors.c.name).join(
        processors, processors.c.id == daemon_processors.c.processor_id
    )
    for row in connection.execute(has.order_by(processors.c.name)):
        names.setdefault(row.daemon_id, []).append(row.name)
    statement = (
        sa.select(daemons, build_queue.c.id.label("queue_id"), build_queue.c.build_id)
        .select_from(daemons.outerjoin(build_queue, build_queue.c.daemon_id == daemons.c.id))
        .order_by(daemons.c.name)
    )
    return [_to_shown(row, names.get(row.id, [])) for row in connection.execute(statement)]


def _to_shown(row: Any, names: list[str]) -> dict[str, Any]:
    mode = "disabled" if not row.enabled else "manual" if row.manual else "auto"
    return {
        "daemon": row.name,
        "state": _state(row),
        "mode": mode,
        "job": f"{row.build_id}-{row.queue_id}" if row.queue_id else None,
        "processors": names,
        "tags": row.tags.split(),
        **{name: getattr(row, name) for name in SHOWN},
    }


def _state(row: Any) -> str:
    if row.failing_since:
        return "silent"
    return "fetching" if row.fetching_until else (row.last_state or "unknown").lower()


def insert_daemon(
    connection: Connection, values: Mapping[str, Any], processor_ids: Sequence[int]
) -> None:
    """Add a daemon."""
    done = connection.execute(daemons.insert().values(**values))
    _write_processors(connection, int((done.inserted_primary_key or (0,))[0]), processor_ids)


def update_daemon(
    connection: Connection,
    daemon_id: int,
    values: Mapping[str, Any],
    processor_ids: Sequence[int] | None,
) -> None:
    """Change a daemon; its processors are replaced where some are given."""
    if values:
        connection.execute(daemons.update().where(daemons.c.id == daemon_id).values(**values))
    if processor_ids is not None:
        connection.execute(
            daemon_processors.delete().where(daemon_processors.c.daemon_id == daemon_id)
        )
        _write_processors(connection, daemon_id, processor_ids)


def _write_processors(connection: Connection, daemon_id: int, ids: Sequence[int]) -> None:
    if ids:
        rows = [{"daemon_id": daemon_id, "processor_id": each} for each in ids]
        connection.execute(daemon_processors.insert(), rows)


def lock_daemon(connection: Connection, daemon_id: int) -> None:
    """Wait until no scan writes of this daemon, and let none until this transaction ends."""
    connection.execute(
        daemons.update().where(daemons.c.id == daemon_id).values(name=daemons.c.name)
    )


def release_job(connection: Connection, daemon_id: int, reason: str) -> None:
    """Queue a daemon's job again, under a new id; a cancelled one ends."""
    lock_daemon(connection, daemon_id)
    daemon = read_daemons(connection, daemons.c.id == daemon_id)[daemon_id]
    job = daemon.job
    if job is None:
        return
    change = JobChange(
        job=job,
        daemon_id=daemon_id,
        fate=Fate.ENDED if job.is_cancelled else Fate.REQUEUED,
        state=BuildState.CANCELLED if job.is_cancelled else BuildState.NEEDS_BUILD,
        reason=reason,
    )
    now = connection.execute(sa.select(db_now())).scalar_one()
    write_changes(connection, [change], now)


def has_job(connection: Connection, daemon_id: int) -> bool:
    """Whether a daemon has a job."""
    statement = sa.select(build_queue.c.id).where(build_queue.c.daemon_id == daemon_id)
    return connection.execute(statement).first() is not None


def delete_daemon(connection: Connection, daemon_id: int) -> None:
    """Forget a daemon; attempts keep its name. One that has a job meanwhile can't be removed."""
    connection.execute(daemon_processors.delete().where(daemon_processors.c.daemon_id == daemon_id))
    for table in (builds, attempts):
        connection.execute(
            sa.update(table).where(table.c.daemon_id == daemon_id).values(daemon_id=None)
        )
    connection.execute(daemons.delete().where(daemons.c.id == daemon_id))


def insert_processor(connection: Connection, name: str, title: str) -> None:
    """Add a processor."""
    connection.execute(processors.insert().values(name=name, title=title))


def list_processors(connection: Connection) -> list[Mapping[str, Any]]:
    """Read processors, and how many daemons have each."""
    number = sa.func.count(daemon_processors.c.daemon_id).label("daemons")
    statement = (
        sa.select(processors.c.name.label("processor"), processors.c.title, number)
        .select_from(processors.outerjoin(daemon_processors))
        .group_by(processors.c.name, processors.c.title)
        .order_by(processors.c.name)
    )
    return [dict(row._mapping) for row in connection.execute(statement)]
