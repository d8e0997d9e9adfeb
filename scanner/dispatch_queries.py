"""SQL of giving jobs to daemons: who waits, what they need, and the claim.

Nothing here costs more statements for more daemons or jobs.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.bulk import ids_of, rows_of
from farmhand.db import db_now, insert_missing, read_clock
from farmhand.tables.builds import (
    attempts,
    build_files,
    build_queue,
    builds,
    chroots,
    daemon_processors,
    daemons,
    stored_files,
)
from scanner.models import (
    Assignment,
    BuildState,
    Candidate,
    Daemon,
    Free,
    QueueStatus,
)
from scanner.queries import Hold, read_daemons
from scanner.transport.calls import Source

same_architecture = sa.and_(
    chroots.c.distribution == builds.c.distribution,
    chroots.c.series == builds.c.series,
    chroots.c.pocket == builds.c.pocket,
    chroots.c.arch_tag == builds.c.arch_tag,
)
waits = sa.and_(
    build_queue.c.status == QueueStatus.WAITING.value, build_queue.c.daemon_id.is_(None)
)


def read_free(connection: Connection, ready: Mapping[int, Daemon]) -> tuple[Free, ...]:
    """Read what these daemons can build."""
    found: dict[int, set[int]] = {}
    statement = sa.select(daemon_processors).where(
        daemon_processors.c.daemon_id.in_(ids_of(connection.dialect, ready))
    )
    for row in connection.execute(statement):
        found.setdefault(row.daemon_id, set()).add(row.processor_id)
    return tuple(
        Free(daemon_id=key, processors=frozenset(found[key]), tags=daemon.tags)
        for key, daemon in ready.items()
        if key in found
    )


def read_candidates(connection: Connection, most: int) -> tuple[Candidate, ...]:
    """Read the jobs that come first, `most` of each processor and set of tags."""
    rank = sa.func.row_number().over(
        partition_by=(build_queue.c.processor_id, builds.c.tags),
        order_by=(build_queue.c.score.desc(), build_queue.c.queued_at, build_queue.c.id),
    )
    ranked = (
        sa.select(
            build_queue,
            builds.c.tags,
            builds.c.daemon_id.label("last_daemon_id"),
            rank.label("place"),
        )
        .select_from(
            build_queue.join(builds, builds.c.id == build_queue.c.build_id).join(
                chroots, same_architecture
            )
        )
        .where(
            waits,
            chroots.c.file_id.is_not(None),
            build_queue.c.id.not_in(sa.select(attempts.c.queue_id)),
            sa.or_(build_queue.c.not_before.is_(None), build_queue.c.not_before <= db_now()),
        )
        .subquery()
    )
    return tuple(
        Candidate(
            queue_id=row.id,
            build_id=row.build_id,
            processor_id=row.processor_id,
            tags=frozenset(row.tags.split()),
            score=row.score,
            queued_at=row.queued_at,
            last_daemon_id=row.last_daemon_id,
        )
        for row in connection.execute(sa.select(ranked).where(ranked.c.place <= most))
    )


def renew_used_ids(connection: Connection) -> None:
    """Give jobs another id that wait under one which a daemon has heard of: a backup came back."""
    used = build_queue.c.id.in_(sa.select(attempts.c.queue_id))
    rows = connection.execute(sa.select(build_queue).where(waits, used)).all()
    if rows:
        ids = ids_of(connection.dialect, (row.id for row in rows))
        connection.execute(build_queue.delete().where(build_queue.c.id.in_(ids)))
        kept = ("build_id", "status", "score", "processor_id", "queued_at", "not_before")
        connection.execute(
            insert_missing(build_queue, connection.dialect),  # another scan may have done it
            [{name: getattr(row, name) for name in kept} for row in rows],
        )


def read_without_chroot(connection: Connection) -> tuple[dict[str, str], ...]:
    """Read the architectures for which builds wait, and that have no chroot."""
    names = ("distribution", "series", "pocket", "arch_tag")
    statement = (
        sa.select(*(builds.c[name] for name in names), chroots.c.title)
        .select_from(
            build_queue.join(builds, builds.c.id == build_queue.c.build_id).outerjoin(
                chroots, same_architecture
            )
        )
        .where(waits, chroots.c.file_id.is_(None))
        .distinct()
    )
    found = [dict(row._mapping) for row in connection.execute(statement)]
    return tuple(
        {**row, "title": row["title"] or f"{row['series']} for {row['arch_tag']}"}
        for row in sorted(found, key=lambda row: [str(row[name]) for name in names])
    )


def claim_jobs(
    connection: Connection, hold: Hold, pairs: Iterable[tuple[int, int]], fetch_s: float
) -> dict[int, Daemon]:
    """Give jobs to daemons, before any daemon is told; daemon id → the daemon with its job.

    A job that another run has taken meanwhile is passed over.
    """
    dialect = connection.dialect
    pairs = list(pairs)
    types = {"id": build_queue.c.id.type, "daemon_id": build_queue.c.daemon_id.type}
    given = rows_of(dialect, types, ({"id": job, "daemon_id": key} for job, key in pairs))
    connection.execute(
        build_queue.update()
        .where(build_queue.c.id == given.c.id, waits)
        .values(status=QueueStatus.RUNNING.value, daemon_id=given.c.daemon_id, claimed_at=db_now())
    )
    mine = ids_of(dialect, (key for _, key in pairs))
    held = sa.and_(daemons.c.owner == hold.owner, daemons.c.id.in_(mine))
    claimed = {
        key: each for key, each in read_daemons(connection, held).items() if each.job is not None
    }
    if claimed:
        _write_claims(connection, claimed, fetch_s)
    return claimed


def _write_claims(connection: Connection, claimed: Mapping[int, Daemon], fetch_s: float) -> None:
    now = read_clock(connection)
    dialect = connection.dialect
    connection.execute(
        attempts.insert(),
        [
            {
                "build_id": each.job.build_id,
                "queue_id": each.job.queue_id,
                "daemon_id": each.id,
                "daemon_name": each.name,
                "state": "claimed",
                "began_at": now,
            }
            for each in claimed.values()
            if each.job is not None
        ],
    )
    jobs = [each.job.build_id for each in claimed.values() if each.job is not None]
    connection.execute(
        builds.update()
        .where(builds.c.id.in_(ids_of(dialect, jobs)))
        .values(
            state=BuildState.BUILDING.value,
            first_dispatched_at=sa.func.coalesce(builds.c.first_dispatched_at, now),
        )
    )
    connection.execute(
        daemons.update()
        .where(daemons.c.id.in_(ids_of(dialect, claimed)))
        .values(clean=sa.false(), fetching_until=db_now(fetch_s))
    )


def read_assignments(
    connection: Connection, claimed: Mapping[int, Daemon]
) -> dict[int, Assignment]:
    """Read what daemons must be told of their jobs, and have: build id → that."""
    dialect = connection.dialect
    ids = [each.job.build_id for each in claimed.values() if each.job is not None]
    inputs: dict[int, list[tuple[str, Source]]] = {}
    files = (
        sa.select(build_files.c.build_id, build_files.c.filename, stored_files)
        .join(stored_files, stored_files.c.id == build_files.c.file_id)
        .where(build_files.c.role == "source", build_files.c.build_id.in_(ids_of(dialect, ids)))
        .order_by(build_files.c.filename)
    )
    for row in connection.execute(files):
        inputs.setdefault(row.build_id, []).append((row.filename, to_source(row)))
    statement = (
        sa.select(builds, stored_files.c.sha1, stored_files.c.url)
        .join(chroots, same_architecture)
        .join(stored_files, stored_files.c.id == chroots.c.file_id)
        .where(builds.c.id.in_(ids_of(dialect, ids)))
    )
    return {
        row.id: Assignment(
            chroot=to_source(row),
            inputs=tuple(inputs.get(row.id, ())),
            build_type=row.build_type,
            args=_to_args(row),
        )
        for row in connection.execute(statement)
    }


def _to_args(row: Any) -> dict[str, object]:
    """Make a build's arguments: those of both eras, and the build's own over them."""
    return {
        "arch_indep": bool(row.arch_indep),
        "arch_tag": row.arch_tag,
        "archives": [],
        "distribution": row.distribution,
        "ogrecomponent": row.component,
        "series": row.series,
        "suite": row.series if row.pocket == "Release" else f"{row.series}-{row.pocket.lower()}",
        **json.loads(row.args),
    }


def to_source(row: Any) -> Source:
    """Take the login out of a file's URL: the daemon is told it apart."""
    parts = urlsplit(row.url or "")
    return Source(
        sha1=row.sha1,
        url=parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def read_ready(connection: Connection, hold: Hold, ids: Collection[int]) -> dict[int, Daemon]:
    """Read those of these daemons that may still take a job: nobody has disabled them since."""
    found = read_daemons(
        connection,
        sa.and_(daemons.c.owner == hold.owner, daemons.c.id.in_(ids_of(connection.dialect, ids))),
    )
    return {
        key: each
        for key, each in found.items()
        if each.enabled and not each.manual and each.clean and each.job is None
    }
