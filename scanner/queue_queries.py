"""SQL of the operator's verbs on the queue."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.db import claim, db_now
from farmhand.errors import FarmError
from farmhand.tables.builds import (
    build_queue,
    builds,
    chroots,
    daemons,
    processors,
    stored_files,
)
from scanner.attention import Record, Waiting
from scanner.build_queries import KEY
from scanner.dispatch_queries import same_architecture, waits
from scanner.models import ENDINGS, BuildState
from scanner.operator_queries import lock_daemon

ENDED = sorted(state.value for state in ENDINGS.values())


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


def count_waiting(connection: Connection) -> list[Waiting]:
    """Count the jobs that wait, by what they need."""
    architecture = [builds.c[name] for name in KEY]
    columns = (processors.c.name, builds.c.tags, *architecture, stored_files.c.sha1)
    statement = (
        sa.select(*columns, sa.func.count().label("number"))
        .select_from(
            build_queue.join(builds, builds.c.id == build_queue.c.build_id)
            .join(processors, processors.c.id == build_queue.c.processor_id)
            .outerjoin(chroots, same_architecture)
            .outerjoin(stored_files, stored_files.c.id == chroots.c.file_id)
        )
        .where(waits)
        .group_by(*columns)
        .order_by(*columns)
    )
    return [
        Waiting(
            processor=row.name,
            tags=frozenset(row.tags.split()),
            architecture=f"{row.distribution}/{row.series}/{row.arch_tag} ({row.pocket})",
            chroot=row.sha1,
            number=row.number,
        )
        for row in connection.execute(statement)
    ]


def count_ended(connection: Connection, seconds: float) -> list[Record]:
    """Count what has ended on each daemon in the last so many seconds, and what has failed."""
    failed = builds.c.state.in_((BuildState.FAILED.value, BuildState.CHROOT_WAIT.value))
    statement = (
        sa.select(
            daemons.c.name,
            sa.func.count().label("ended"),
            sa.func.sum(sa.case((failed, 1), else_=0)).label("failed"),
        )
        .join(daemons, daemons.c.id == builds.c.daemon_id)
        .where(builds.c.state.in_(ENDED), builds.c.finished_at > db_now(-seconds))
        .group_by(daemons.c.name)
        .order_by(daemons.c.name)
    )
    return [
        Record(daemon=row.name, ended=row.ended, failed=int(row.failed))
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
