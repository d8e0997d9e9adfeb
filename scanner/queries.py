"""SQL of a scan: leases, daemons with their jobs, and what becomes of both.

Nothing here costs more statements for more daemons. Leases are compared with the database's clock,
and who has lost one writes nothing of that daemon.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.bulk import ids_of, rows_of
from farmhand.db import db_now, read_clock
from farmhand.tables.builds import attempts, build_queue, builds, daemons
from scanner.job_queries import write_changes
from scanner.models import Daemon, Job, Known, Next, QueueStatus, StopReason
from scanner.transport.wire import Dialect

KEPT_S = 90 * 86400
# What a scan writes of a daemon; `enabled` and `notes` only where it disables one.
SCANNED = (
    "clean",
    "failure_count",
    "failing_since",
    "counted_at",
    "not_before",
    "aborting_since",
    "abort_sent_at",
    "fetching_until",
    "last_seen_at",
    "last_state",
    "last_cookie",
    "last_error",
    "dialect",
    "arity",
    "build_type",
    "arch_tag",
    "version",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """Which run works on daemons, and for how long after its last sign of life."""

    owner: str
    lease_s: float


def take_leases(connection: Connection, hold: Hold, only: Collection[str]) -> None:
    """Take every daemon that no living run works on, or those of these names."""
    free = sa.or_(daemons.c.owner.is_(None), daemons.c.owned_until < db_now())
    named = (daemons.c.name.in_(sorted(only)),) if only else ()
    connection.execute(
        daemons.update()
        .where(free, *named)
        .values(owner=hold.owner, owned_until=db_now(hold.lease_s))
    )


def renew(connection: Connection, hold: Hold) -> datetime:
    """Hold on to what this run has; before any other statement of a transaction that writes.

    Returns the database's time.
    """
    connection.execute(
        daemons.update()
        .where(daemons.c.owner == hold.owner)
        .values(owned_until=db_now(hold.lease_s))
    )
    return read_clock(connection)


def let_go(connection: Connection, hold: Hold, busy: Collection[int]) -> None:
    """Let others have what this run is done with."""
    connection.execute(
        daemons.update()
        .where(daemons.c.owner == hold.owner, daemons.c.id.not_in(ids_of(connection.dialect, busy)))
        .values(owner=None, owned_until=None)
    )


def read_daemons(connection: Connection, which: sa.ColumnElement[bool]) -> dict[int, Daemon]:
    """Read daemons with their jobs: id → daemon."""
    job = [column.label(f"job_{column.name}") for column in build_queue.c]
    names = ("failure_count", "lost_count", "source", "version", "build_type")
    more = [builds.c[name].label(f"build_{name}") for name in names]
    statement = (
        sa.select(daemons, *job, *more)
        .select_from(
            daemons.outerjoin(build_queue, build_queue.c.daemon_id == daemons.c.id).outerjoin(
                builds, builds.c.id == build_queue.c.build_id
            )
        )
        .where(which)
        .order_by(daemons.c.id)
    )
    return {row.id: _to_daemon(row) for row in connection.execute(statement)}


def read_held(connection: Connection, hold: Hold) -> dict[int, Daemon]:
    """Read the daemons that this run works on."""
    return read_daemons(connection, daemons.c.owner == hold.owner)


def _to_daemon(row: Any) -> Daemon:
    plain = {name: getattr(row, name) for name in SCANNED if name not in {"clean", "dialect"}}
    return Daemon(
        id=row.id,
        name=row.name,
        url=row.url,
        tags=frozenset(row.tags.split()),
        enabled=bool(row.enabled),
        manual=bool(row.manual),
        notes=row.notes,
        clean=bool(row.clean),
        dialect=Dialect(row.dialect) if row.dialect else None,
        job=_to_job(row) if row.job_id is not None else None,
        **plain,
    )


def _to_job(row: Any) -> Job:
    return Job(
        queue_id=row.job_id,
        build_id=row.job_build_id,
        name=f"{row.build_source} {row.build_version}",
        status=QueueStatus(row.job_status),
        score=row.job_score,
        processor_id=row.job_processor_id,
        queued_at=row.job_queued_at,
        claimed_at=row.job_claimed_at,
        started_at=row.job_started_at,
        log_tail=row.job_log_tail,
        log_moved_at=row.job_log_moved_at,
        stop_reason=StopReason(row.job_stop_reason) if row.job_stop_reason else None,
        abort_sent_at=row.job_abort_sent_at,
        failure_count=row.build_failure_count,
        lost_count=row.build_lost_count,
        build_type=row.build_build_type,
    )


def read_known(connection: Connection, pairs: Iterable[tuple[int, int]]) -> Known:
    """Read what there is of these (build id, queue id), whichever of the two."""
    pairs = list(pairs)
    if not pairs:
        return Known()
    dialect = connection.dialect
    exist = sa.select(builds.c.id).where(builds.c.id.in_(ids_of(dialect, (b for b, _ in pairs))))
    given = sa.select(attempts).where(
        attempts.c.queue_id.in_(ids_of(dialect, (queue for _, queue in pairs)))
    )
    return Known(
        builds=frozenset(connection.scalars(exist)),
        attempts={
            row.queue_id: (row.build_id, row.daemon_id, row.ended_at is not None)
            for row in connection.execute(given)
        },
    )


def write_daemons(connection: Connection, rows: Sequence[Daemon]) -> None:
    """Write all that a scan knows of these daemons, which this run must hold."""
    if not rows:
        return
    types = {"id": daemons.c.id.type, **{name: daemons.c[name].type for name in SCANNED}}
    given = rows_of(
        connection.dialect,
        types,
        ({"id": row.id, **{name: _plain(getattr(row, name)) for name in SCANNED}} for row in rows),
    )
    connection.execute(
        daemons.update()
        .where(daemons.c.id == given.c.id)
        .values({daemons.c[name]: given.c[name] for name in SCANNED})
    )


def write_disabled(connection: Connection, reasons: Mapping[int, str]) -> None:
    """Disable daemons, for a reason each."""
    if not reasons:
        return
    types = {"id": daemons.c.id.type, "notes": daemons.c.notes.type}
    given = rows_of(
        connection.dialect, types, ({"id": key, "notes": why} for key, why in reasons.items())
    )
    connection.execute(
        daemons.update()
        .where(daemons.c.id == given.c.id)
        .values(enabled=sa.false(), notes=given.c.notes)
    )


def write_nexts(connection: Connection, nexts: Sequence[Next], now: datetime) -> None:
    """Write what follows from verdicts and steps, all of it or nothing."""
    write_daemons(connection, [each.daemon for each in nexts])
    write_disabled(
        connection, {each.daemon.id: each.disabled for each in nexts if each.disabled is not None}
    )
    write_changes(connection, [each.change for each in nexts if each.change is not None], now)


def prune(connection: Connection) -> None:
    """Forget attempts that ended 90 days ago."""
    connection.execute(attempts.delete().where(attempts.c.ended_at < db_now(-KEPT_S)))


def _plain(value: Any) -> Any:
    """Turn a StrEnum into its text, for JSON."""
    return value.value if isinstance(value, Dialect) else value
