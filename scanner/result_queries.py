"""SQL of what builds have left: their logs and files, and which of it is published.

Nothing here costs more statements for more builds, but for their files' ids, 10,000 at a time.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.bulk import ids_of, rows_of
from farmhand.chunks import chunked
from farmhand.db import db_now, insert_missing
from farmhand.tables.builds import build_files, builds, daemons, stored_files
from scanner.collect import Harvest, StoredFile
from scanner.models import BuildState
from scanner.queries import Hold

CHUNK = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """One file of a build."""

    role: str
    name: str
    size: int
    sha256: str
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class EndedBuild:
    """All that a manifest says of a build."""

    build_id: int
    state: BuildState
    facts: Mapping[str, Any]
    artifacts: tuple[Artifact, ...] = field(default=())


def write_harvests(connection: Connection, harvests: Mapping[int, Harvest], now: datetime) -> None:
    """Write what builds have left: build id → that."""
    if not harvests:
        return
    kept = {
        each.sha256: each
        for harvest in harvests.values()
        for each in (*harvest.files.values(), *([harvest.log] if harvest.log else []))
    }
    ids = _store(connection, kept, now)
    columns = ("log_file_id", "log_name", "log_bytes", "dependencies")
    given = rows_of(
        connection.dialect,
        {"id": builds.c.id.type, **{name: builds.c[name].type for name in columns}},
        (
            {
                "id": build_id,
                "log_file_id": ids[harvest.log.sha256] if harvest.log else None,
                "log_name": harvest.log_name if harvest.log else None,
                "log_bytes": harvest.log_bytes if harvest.log else None,
                "dependencies": harvest.dependencies,
            }
            for build_id, harvest in harvests.items()
        ),
    )
    connection.execute(
        builds.update()
        .where(builds.c.id == given.c.id)
        .values({builds.c[name]: given.c[name] for name in columns})
    )
    rows = [
        {"build_id": key, "role": "result", "filename": name, "file_id": ids[file.sha256]}
        for key, harvest in harvests.items()
        for name, file in harvest.files.items()
    ]
    if rows:
        connection.execute(insert_missing(build_files, connection.dialect), rows)


def _store(connection: Connection, kept: Mapping[str, StoredFile], now: datetime) -> dict[str, int]:
    """Write files that are not known yet, and return the ids of all: sha256 → id."""
    if not kept:
        return {}
    connection.execute(
        insert_missing(stored_files, connection.dialect),
        [
            {
                "sha256": each.sha256,
                "sha1": each.sha1,
                "size": each.size,
                "path": each.path,
                "created_at": now,
            }
            for _, each in sorted(kept.items())
        ],
    )
    found: dict[str, int] = {}
    for sums in chunked(sorted(kept), CHUNK):
        statement = sa.select(stored_files.c.sha256, stored_files.c.id).where(
            stored_files.c.sha256.in_(sums)
        )
        found |= {row.sha256: row.id for row in connection.execute(statement)}
    return found


def take_unpublished(connection: Connection, hold: Hold, lease_s: float) -> tuple[EndedBuild, ...]:
    """Take the builds that have ended and that nobody else publishes.

    Those that this run has taken before are among them until they are published.
    """
    free = sa.or_(builds.c.publish_until.is_(None), builds.c.publish_until < db_now())
    ended = builds.c.state.not_in((BuildState.NEEDS_BUILD.value, BuildState.BUILDING.value))
    connection.execute(
        builds.update()
        .where(ended, builds.c.published_at.is_(None), free)
        .values(publisher=hold.owner, publish_until=db_now(lease_s))
    )
    mine = sa.and_(builds.c.publisher == hold.owner, builds.c.published_at.is_(None))
    return read_ended(connection, mine)


def write_published(connection: Connection, hold: Hold, ids: Iterable[int]) -> None:
    """Write that builds are published."""
    connection.execute(
        builds.update()
        .where(builds.c.id.in_(ids_of(connection.dialect, ids)), builds.c.publisher == hold.owner)
        .values(published_at=db_now(), publisher=None, publish_until=None)
    )


def read_ended(connection: Connection, which: sa.ColumnElement[bool]) -> tuple[EndedBuild, ...]:
    """Read builds with their files, as manifests have them."""
    log = stored_files.alias("log")
    statement = (
        sa.select(
            builds,
            daemons.c.name.label("daemon"),
            log.c.sha256.label("log_sha256"),
            log.c.size.label("log_size"),
        )
        .select_from(
            builds.outerjoin(daemons, daemons.c.id == builds.c.daemon_id).outerjoin(
                log, log.c.id == builds.c.log_file_id
            )
        )
        .where(which)
        .order_by(builds.c.id)
    )
    rows = connection.execute(statement).all()
    results = _read_results(connection, [row.id for row in rows])
    return tuple(_to_ended(row, results.get(row.id, [])) for row in rows)


def _read_results(connection: Connection, ids: Sequence[int]) -> dict[int, list[Artifact]]:
    found: dict[int, list[Artifact]] = {}
    if not ids:
        return found
    statement = (
        sa.select(build_files.c.build_id, build_files.c.filename, stored_files)
        .join(stored_files, stored_files.c.id == build_files.c.file_id)
        .where(
            build_files.c.role == "result",
            build_files.c.build_id.in_(ids_of(connection.dialect, ids)),
        )
        .order_by(build_files.c.filename)
    )
    for row in connection.execute(statement):
        artifact = Artifact(
            role="result", name=row.filename, size=row.size, sha256=row.sha256, path=row.path
        )
        found.setdefault(row.build_id, []).append(artifact)
    return found


def _to_ended(row: Any, results: list[Artifact]) -> EndedBuild:
    names = ("source", "version", "distribution", "series", "pocket", "arch_tag", "component")
    facts = {name: getattr(row, name) for name in names}
    facts |= {"args": json.loads(row.args), "reason": row.reason, "daemon": row.daemon}
    facts |= {"started_at": row.started_at, "finished_at": row.finished_at}
    facts |= {"duration_ms": row.duration_ms, "dependencies": row.dependencies}
    if row.log_sha256 is not None:
        log = Artifact(
            role="log",
            name=row.log_name,
            size=row.log_size,
            sha256=row.log_sha256,
            path=f"builds/{row.id}/{row.log_name}",
        )
        results = [log, *results]
    return EndedBuild(
        build_id=row.id, state=BuildState(row.state), facts=facts, artifacts=tuple(results)
    )
