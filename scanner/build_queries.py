"""SQL of the operator's verbs on builds and chroots."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.db import db_now
from farmhand.tables.builds import (
    attempts,
    build_files,
    build_queue,
    builds,
    chroots,
    daemons,
    processors,
    stored_files,
)
from scanner.dispatch_queries import to_source
from scanner.models import TITLES, BuildState, QueueStatus

FACTS = ("source", "version", "distribution", "series", "pocket", "arch_tag", "component")
KEY = ("distribution", "series", "pocket", "arch_tag")


def write_chroot(
    connection: Connection,
    architecture: Mapping[str, str],
    title: str,
    file: tuple[str | None, str | None],
) -> None:
    """Set an architecture's chroot, or that it has none."""
    sha1, url = file
    file_id = None if sha1 is None else _insert_input(connection, sha1, str(url))
    where = [chroots.c[name] == value for name, value in architecture.items()]
    values = {"title": title, "file_id": file_id}
    if connection.execute(chroots.update().where(*where).values(**values)).rowcount == 0:
        connection.execute(chroots.insert().values(**architecture, **values))


def _insert_input(connection: Connection, sha1: str, url: str) -> int:
    done = connection.execute(stored_files.insert().values(sha1=sha1, url=url, created_at=db_now()))
    return int((done.inserted_primary_key or (0,))[0])


def list_chroots(connection: Connection) -> list[dict[str, Any]]:
    """Read all architectures; logins are left out of URLs."""
    statement = (
        sa.select(chroots, stored_files.c.sha1, stored_files.c.url)
        .select_from(chroots.outerjoin(stored_files))
        .order_by(*(chroots.c[name] for name in KEY))
    )
    return [
        {
            **{name: getattr(row, name) for name in (*KEY, "title", "sha1")},
            "url": to_source(row).url if row.sha1 else None,
        }
        for row in connection.execute(statement)
    ]


def insert_build(
    connection: Connection,
    values: Mapping[str, Any],
    files: Sequence[tuple[str, str, str]],
    score: int,
) -> int:
    """Queue a build, and return its id."""
    state = BuildState.NEEDS_BUILD.value
    done = connection.execute(builds.insert().values(**values, state=state, created_at=db_now()))
    build_id = int((done.inserted_primary_key or (0,))[0])
    for name, sha1, url in files:
        connection.execute(
            build_files.insert().values(
                build_id=build_id,
                role="source",
                filename=name,
                file_id=_insert_input(connection, sha1, url),
            )
        )
    _queue(connection, builds.c.id == build_id, score)
    return build_id


def _queue(connection: Connection, which: sa.ColumnElement[bool], score: int) -> None:
    waiting = sa.literal(QueueStatus.WAITING.value, sa.String(16))
    rows = sa.select(
        builds.c.id, waiting, sa.literal(score, sa.Integer), builds.c.processor_id, db_now()
    ).where(which)
    connection.execute(
        build_queue.insert().from_select(
            ["build_id", "status", "score", "processor_id", "queued_at"], rows
        )
    )


def _builds() -> sa.Select[Any]:
    return sa.select(
        builds,
        daemons.c.name.label("daemon"),
        daemons.c.url,
        processors.c.name.label("processor"),
        build_queue.c.status,
        build_queue.c.score,
        build_queue.c.id.label("queue_id"),
        build_queue.c.log_tail,
    ).select_from(
        builds.join(processors, processors.c.id == builds.c.processor_id)
        .outerjoin(build_queue, build_queue.c.build_id == builds.c.id)
        .outerjoin(
            daemons,
            daemons.c.id == sa.func.coalesce(build_queue.c.daemon_id, builds.c.daemon_id),
        )
    )


def _to_build(row: Any) -> dict[str, Any]:
    return {
        "build": row.id,
        "name": f"{row.source} {row.version}",
        **{name: getattr(row, name) for name in FACTS},
        "processor": row.processor,
        "state": row.state,
        "title": TITLES[BuildState(row.state)],
        "reason": row.reason,
        "queue": row.status,
        "score": row.score,
        "daemon": row.daemon,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "duration_s": None if row.duration_ms is None else row.duration_ms / 1000,
        "dependencies": row.dependencies,
        "failure_count": row.failure_count,
        "lost_count": row.lost_count,
        "log": f"builds/{row.id}/{row.log_name}" if row.log_name else None,
        "log_bytes": row.log_bytes,
    }


def list_builds(connection: Connection, states: Sequence[str], most: int) -> list[dict[str, Any]]:
    """Read builds, the newest first."""
    statement = _builds().order_by(builds.c.id.desc()).limit(most)
    if states:
        statement = statement.where(builds.c.state.in_(states))
    return [_to_build(row) for row in connection.execute(statement)]


def read_build(connection: Connection, build_id: int) -> dict[str, Any] | None:
    """Read one build."""
    row = connection.execute(_builds().where(builds.c.id == build_id)).one_or_none()
    if row is None:
        return None
    cookie = f"{row.id}-{row.queue_id}" if row.queue_id else None
    return {**_to_build(row), "log_tail": row.log_tail, "cookie": cookie, "url": row.url}


def list_files(connection: Connection, build_id: int) -> list[dict[str, Any]]:
    """Read a build's files: what it was built from, and what it made."""
    statement = (
        sa.select(build_files.c.role, build_files.c.filename, stored_files)
        .join(stored_files, stored_files.c.id == build_files.c.file_id)
        .where(build_files.c.build_id == build_id)
        .order_by(build_files.c.role, build_files.c.filename)
    )
    return [
        {
            "role": row.role,
            "name": row.filename,
            "size": row.size,
            "sha1": row.sha1,
            "sha256": row.sha256,
            "path": row.path,
            "url": to_source(row).url or None,
        }
        for row in connection.execute(statement)
    ]


def list_attempts(connection: Connection, build_id: int) -> list[dict[str, Any]]:
    """Read where a build has been, the first one first."""
    statement = sa.select(attempts).where(attempts.c.build_id == build_id).order_by(attempts.c.id)
    return [
        {
            "cookie": f"{row.build_id}-{row.queue_id}",
            "daemon": row.daemon_name,
            "state": row.state,
            "began_at": row.began_at,
            "ended_at": row.ended_at,
            "reason": row.reason,
        }
        for row in connection.execute(statement)
    ]


def read_states(
    connection: Connection, ids: Sequence[int], states: Sequence[str]
) -> dict[int, BuildState]:
    """Read the states of builds, those of these ids or in these states: id → state."""
    which = sa.or_(builds.c.id.in_(ids), builds.c.state.in_(states))
    statement = sa.select(builds.c.id, builds.c.state).where(which)
    return {row.id: BuildState(row.state) for row in connection.execute(statement)}


def requeue(connection: Connection, ids: Sequence[int]) -> None:
    """Queue builds again as if they were new; their results and logs are forgotten."""
    if not ids:
        return
    connection.execute(
        builds.update()
        .where(builds.c.id.in_(ids))
        .values(
            state=BuildState.NEEDS_BUILD.value,
            failure_count=0,
            lost_count=0,
            **dict.fromkeys(
                (
                    "reason",
                    "started_at",
                    "finished_at",
                    "duration_ms",
                    "dependencies",
                    "log_file_id",
                    "log_name",
                    "log_bytes",
                    "published_at",
                    "publisher",
                    "publish_until",
                )
            ),
        )
    )
    _queue(connection, builds.c.id.in_(ids), 0)
