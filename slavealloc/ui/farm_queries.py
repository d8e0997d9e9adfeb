"""What the pages read of the whole farm: counts, troubles and the newest of each, never all."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.tables.farm import audit, jacuzzis, masters, pools, workers
from slavealloc import queries
from slavealloc.models import Rules, Worker
from slavealloc.ui.dashboard import Alike, Disabled, Jacuzzi, MasterLoad, Served, Silent
from slavealloc.ui.silos import Count

# As write_audit writes a flag that was taken away; in a text, JSON has its quotes escaped.
SWITCHED_OFF = '%"enabled": [true, false]%'
LIVE, SILENT, DISABLED = "live", "silent", "disabled"


def read_since(connection: Connection, *, counted_s: float) -> datetime:
    """Read, by the database's clock, since when a worker must have asked to be counted."""
    return queries.read_turn(connection).now - timedelta(seconds=counted_s)


def _state(since: datetime) -> sa.ColumnElement[str]:
    return sa.case(
        (workers.c.enabled.is_(False), DISABLED),
        (workers.c.last_seen_at > since, LIVE),
        else_=SILENT,
    )


def _number(state: str, since: datetime) -> sa.ColumnElement[int]:
    return sa.func.count(sa.case((_state(since) == state, 1)))


def read_counts(connection: Connection, *, since: datetime) -> list[Count]:
    """Count workers by silo and state."""
    states = [_number(state, since) for state in (LIVE, SILENT, DISABLED)]
    rows = connection.execute(sa.select(*queries.SILO, *states).group_by(*queries.SILO))
    return [
        Count(silo=tuple(silo), live=live, silent=silent, disabled=disabled)
        for *silo, live, silent, disabled in rows
    ]


def read_disabled(connection: Connection, *, most: int) -> list[Disabled]:
    """Read disabled workers, whoever was disabled last first, and what the audit says of it."""
    off = (
        sa.select(audit.c.row_id, sa.func.max(audit.c.id).label("audit_id"))
        .select_from(audit.join(workers, workers.c.id == audit.c.row_id))
        .where(
            audit.c.table_name == "workers",
            workers.c.enabled.is_(False),
            audit.c.changes.like(SWITCHED_OFF),
        )
        .group_by(audit.c.row_id)
        .subquery()
    )
    statement = (
        sa.select(workers.c.name, workers.c.notes, audit.c.at, audit.c.who, audit.c.why)
        .select_from(
            workers.outerjoin(off, off.c.row_id == workers.c.id).outerjoin(
                audit, audit.c.id == off.c.audit_id
            )
        )
        .where(workers.c.enabled.is_(False))
        .order_by(sa.func.coalesce(off.c.audit_id, 0).desc(), workers.c.name)
        .limit(most)
    )
    return [
        Disabled(name=row.name, notes=row.notes or "", at=row.at, who=row.who, why=row.why)
        for row in connection.execute(statement)
    ]


def read_silent(connection: Connection, *, since: datetime, most: int) -> list[Silent]:
    """Read enabled workers that fell silent, the last one first; not those that never asked."""
    statement = (
        sa.select(workers.c.name, workers.c.last_seen_at, masters.c.nickname)
        .select_from(workers.outerjoin(masters, masters.c.id == workers.c.current_master_id))
        .where(workers.c.enabled.is_(True), workers.c.last_seen_at <= since)
        .order_by(workers.c.last_seen_at.desc(), workers.c.name)
        .limit(most)
    )
    return [
        Silent(name=row.name, last_seen_at=row.last_seen_at, master=row.nickname)
        for row in connection.execute(statement)
    ]


def count_never_seen(connection: Connection) -> int:
    """Count enabled workers that never asked."""
    statement = sa.select(sa.func.count()).where(
        workers.c.enabled.is_(True), workers.c.last_seen_at.is_(None)
    )
    return connection.scalar(statement) or 0


def read_alike(connection: Connection, rules: Rules) -> list[Alike]:
    """Read enabled workers in groups that the allocator refuses alike, or not at all."""
    kinds = (
        workers.c.pool_id,
        workers.c.distro_id,
        workers.c.locked_master_id,
        workers.c.tac_template_id,
    )
    statement = (
        sa.select(*kinds, sa.func.count(), sa.func.min(workers.c.name))
        .where(workers.c.enabled.is_(True))
        .group_by(*kinds)
    )
    return [
        Alike(
            sample=Worker(
                id=0,
                name=name,
                enabled=True,
                notes="",
                silo=(pool_id, distro_id),
                basedir=None,
                counted=False,
                password=rules.find_password(pool_id=pool_id, distro_id=distro_id),
                template=rules.find_template(template_id),
                locked_master_id=locked,
                current_master_id=None,
            ),
            count=count,
        )
        for pool_id, distro_id, locked, template_id, count, name in connection.execute(statement)
    ]


def read_master_loads(connection: Connection, *, since: datetime) -> list[MasterLoad]:
    """Read masters in order of nickname, with how many workers each has."""
    live = sa.func.count(sa.case((workers.c.last_seen_at > since, 1)))
    count = (
        sa.select(workers.c.current_master_id, sa.func.count().label("total"), live.label("live"))
        .where(workers.c.current_master_id.is_not(None))
        .group_by(workers.c.current_master_id)
        .subquery()
    )
    statement = (
        sa.select(masters, pools.c.name.label("pool"), count.c.total, count.c.live)
        .select_from(
            masters.join(pools, pools.c.id == masters.c.pool_id).outerjoin(
                count, count.c.current_master_id == masters.c.id
            )
        )
        .order_by(masters.c.nickname)
    )
    return [
        MasterLoad(
            nickname=row.nickname,
            pool=row.pool,
            enabled=row.enabled,
            notes=row.notes or "",
            http_url=f"http://{row.fqdn}:{row.http_port}/" if row.http_port else None,
            total=row.total or 0,
            live=row.live or 0,
        )
        for row in connection.execute(statement)
    ]


def read_jacuzzis(
    connection: Connection, builders: Sequence[str], *, since: datetime
) -> list[Jacuzzi]:
    """Read these builders' jacuzzis, in their order."""
    statement = (
        sa.select(jacuzzis.c.builder, workers.c.name, _state(since))
        .select_from(jacuzzis.join(workers, workers.c.id == jacuzzis.c.worker_id))
        .where(jacuzzis.c.builder.in_(builders))
        .order_by(workers.c.name)
    )
    found: dict[str, dict[str, list[str]]] = {
        builder: {LIVE: [], SILENT: [], DISABLED: []} for builder in builders
    }
    for builder, name, state in connection.execute(statement):
        found[builder][state].append(name)
    return [
        Jacuzzi(
            builder=builder,
            live=states[LIVE],
            disabled=states[DISABLED],
            silent=states[SILENT],
        )
        for builder, states in found.items()
    ]


def read_builders(
    connection: Connection, *, part: str | None, after: str | None, most: int
) -> list[str]:
    """List builders that have a jacuzzi, in order, from after one, whose names have this part."""
    statement = sa.select(jacuzzis.c.builder).distinct().order_by(jacuzzis.c.builder).limit(most)
    if part is not None:
        statement = statement.where(jacuzzis.c.builder.contains(part, autoescape=True))
    if after is not None:
        statement = statement.where(jacuzzis.c.builder > after)
    return list(connection.scalars(statement))


def read_worst_builders(connection: Connection, *, since: datetime, most: int) -> list[str]:
    """List builders whose jacuzzi has machines that can't work, those with fewest others first."""
    live = _number(LIVE, since)
    statement = (
        sa.select(jacuzzis.c.builder)
        .select_from(jacuzzis.join(workers, workers.c.id == jacuzzis.c.worker_id))
        .group_by(jacuzzis.c.builder)
        .having(live < sa.func.count())
        .order_by(live, jacuzzis.c.builder)
        .limit(most)
    )
    return list(connection.scalars(statement))


def count_builders(connection: Connection) -> int:
    """Count builders that have a jacuzzi."""
    return connection.scalar(sa.select(sa.func.count(jacuzzis.c.builder.distinct()))) or 0


def read_workers_of(
    connection: Connection, master_id: int, *, since: datetime, most: int
) -> list[Served]:
    """Read a master's workers, those that asked last first."""
    statement = (
        sa.select(
            workers.c.name,
            workers.c.last_seen_at,
            _state(since).label("state"),
            (workers.c.locked_master_id == master_id).label("locked"),
        )
        .where(workers.c.current_master_id == master_id)
        .order_by(workers.c.last_seen_at.desc(), workers.c.name)
        .limit(most)
    )
    return [
        Served(
            name=row.name,
            state=row.state,
            last_seen_at=row.last_seen_at,
            locked=bool(row.locked),
        )
        for row in connection.execute(statement)
    ]


def count_locked(connection: Connection, master_id: int) -> int:
    """Count the workers that are locked to a master."""
    statement = sa.select(sa.func.count()).where(workers.c.locked_master_id == master_id)
    return connection.scalar(statement) or 0
