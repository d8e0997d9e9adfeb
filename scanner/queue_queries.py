"""SQL of the operator's verbs on the queue."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.db import claim, db_now
from farmhand.errors import FarmError
from farmhand.tables.builds import build_queue, builds, daemons, processors
from scanner.models import BuildState
from scanner.operator_queries import lock_daemon


def list_queue(connection: Connection) -> list[dict[str, Any]]:
    """Read the queue: what runs first, then what waits, in the order in which it is served."""
    runs = build_queue.c.daemon_id.is_not(None)
    statement = (
        sa.select(
            build_queue,
            builds.c.source,
            builds.c.version,
            processors.c.name.label("processor"),
            daemons.c.name.label("daemon"),
        )
        .select_from(
            build_queue.join(builds, builds.c.id == build_queue.c.build_id)
            .join(processors, processors.c.id == build_queue.c.processor_id)
            .outerjoin(daemons, daemons.c.id == build_queue.c.daemon_id)
        )
        .order_by(
            runs.desc(), build_queue.c.score.desc(), build_queue.c.queued_at, build_queue.c.id
        )
    )
    names = ("status", "score", "processor", "daemon", "queued_at", "not_before", "started_at")
    return [
        {
            "build": row.build_id,
            "name": f"{row.source} {row.version}",
            "cookie": f"{row.build_id}-{row.id}",
            **{name: getattr(row, name) for name in names},
            "stop_reason": row.stop_reason,
        }
        for row in connection.execute(statement)
    ]


def read_job(connection: Connection, build_id: int) -> Mapping[str, Any] | None:
    """Read the job of a build."""
    statement = sa.select(build_queue).where(build_queue.c.build_id == build_id)
    row = connection.execute(statement).one_or_none()
    return None if row is None else dict(row._mapping)


def update_job(connection: Connection, job: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Change a job that is still where it was.

    Raises FarmError where a scan was faster.
    """
    if job["daemon_id"] is not None:
        lock_daemon(connection, job["daemon_id"])
    same = build_queue.c.daemon_id.is_not_distinct_from(job["daemon_id"])
    statement = build_queue.update().where(build_queue.c.id == job["id"], same)
    if not claim(connection, statement.values(**values)):
        raise FarmError(f"build {job['build_id']} was moved by a scan just now: try again")


def end_waiting(connection: Connection, job: Mapping[str, Any]) -> None:
    """End a build that no daemon has.

    Raises FarmError where a scan was faster.
    """
    unclaimed = build_queue.c.daemon_id.is_(None)
    statement = build_queue.delete().where(build_queue.c.id == job["id"], unclaimed)
    if connection.execute(statement).rowcount != 1:
        raise FarmError(f"build {job['build_id']} was given to a daemon just now: try again")
    connection.execute(
        builds.update()
        .where(builds.c.id == job["build_id"])
        .values(state=BuildState.CANCELLED.value, reason="was cancelled", finished_at=db_now())
    )
