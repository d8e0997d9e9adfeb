"""SQL of what becomes of jobs: followed, queued again under a new id, or ended with their build.

Nothing here costs more statements for more jobs.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from farmhand.bulk import ids_of, rows_of
from farmhand.tables.builds import attempts, build_queue, builds
from scanner.models import Fate, JobChange, QueueStatus, StopReason

FOLLOWED = ("started_at", "log_tail", "log_moved_at", "stop_reason", "abort_sent_at")
BUILD_COLUMNS = (
    "state",
    "reason",
    "failure_count",
    "lost_count",
    "started_at",
    "finished_at",
    "daemon_id",
    "duration_ms",
)


def write_changes(connection: Connection, changes: Sequence[JobChange], now: datetime) -> None:
    """Write what becomes of jobs; a job that another transaction has ended meanwhile is gone."""
    if not changes:
        return
    _write_followed(connection, [each for each in changes if each.fate is Fate.KEPT])
    left = [each for each in changes if each.fate is not Fate.KEPT]
    _write_builds(connection, changes, now)
    _write_attempts(connection, changes, now)
    if left:
        gone = ids_of(connection.dialect, (each.job.queue_id for each in left))
        connection.execute(build_queue.delete().where(build_queue.c.id.in_(gone)))
    again = [_to_queue(each) for each in left if each.fate is Fate.REQUEUED]
    if again:
        connection.execute(build_queue.insert(), again)


def _write_followed(connection: Connection, changes: Sequence[JobChange]) -> None:
    if not changes:
        return
    names = ("id", *FOLLOWED)
    rows = (
        {"id": each.job.queue_id, **{n: _plain(getattr(each.job, n)) for n in FOLLOWED}}
        for each in changes
    )
    types = {name: build_queue.c[name].type for name in names}
    given = rows_of(connection.dialect, types, rows)
    connection.execute(
        build_queue.update()
        .where(build_queue.c.id == given.c.id)
        .values({build_queue.c[name]: given.c[name] for name in FOLLOWED})
    )


def _write_builds(connection: Connection, changes: Sequence[JobChange], now: datetime) -> None:
    given = rows_of(
        connection.dialect,
        {"id": builds.c.id.type, **{name: builds.c[name].type for name in BUILD_COLUMNS}},
        (_to_build(each, now) for each in changes),
    )
    connection.execute(
        builds.update()
        .where(builds.c.id == given.c.id)
        .values({builds.c[name]: given.c[name] for name in BUILD_COLUMNS})
    )


def _to_build(change: JobChange, now: datetime) -> dict[str, Any]:
    job, ended = change.job, change.fate is Fate.ENDED
    began = job.started_at or job.claimed_at
    return {
        "id": job.build_id,
        "state": change.state.value,
        "reason": change.reason,
        "failure_count": job.failure_count,
        "lost_count": job.lost_count,
        "started_at": None if change.fate is Fate.REQUEUED else began,
        "daemon_id": change.daemon_id,
        "finished_at": now if ended else None,
        "duration_ms": max(0, int((now - began).total_seconds() * 1000)) if ended else None,
    }


def _write_attempts(connection: Connection, changes: Sequence[JobChange], now: datetime) -> None:
    names = ("state", "reason", "ended_at")
    states = {Fate.KEPT: "running", Fate.REQUEUED: "requeued", Fate.ENDED: "ended"}
    given = rows_of(
        connection.dialect,
        {"queue_id": attempts.c.queue_id.type, **{n: attempts.c[n].type for n in names}},
        (
            {
                "queue_id": each.job.queue_id,
                "state": states[each.fate],
                "reason": each.reason,
                "ended_at": None if each.fate is Fate.KEPT else now,
            }
            for each in changes
        ),
    )
    connection.execute(
        attempts.update()
        .where(attempts.c.queue_id == given.c.queue_id)
        .values({attempts.c[name]: given.c[name] for name in names})
    )


def _to_queue(change: JobChange) -> dict[str, Any]:
    job = change.job
    return {
        "build_id": job.build_id,
        "status": QueueStatus.WAITING.value,
        "score": job.score,
        "processor_id": job.processor_id,
        "queued_at": job.queued_at,
        "not_before": change.not_before,
    }


def _plain(value: Any) -> Any:
    """Turn a StrEnum into its text, for JSON."""
    return value.value if isinstance(value, StopReason | StopReason) else value
