"""SQL of sanity: what it remembers, and what else it asks the farm database.

Ages are by the database's clock. Nothing here costs more statements for more machines, but by
chunks.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.db import db_now, insert_missing, read_clock
from farmhand.tables.launches import findings, launches, stops
from watch_pending.queries import chunks, take_turn
from watch_pending.sanity.models import Key, Stuck

# A step that has expired is taken back by the next stop-idle: so long, and several have failed.
STUCK_S = 1800


def read_memory(connection: Connection) -> dict[Key, float]:
    """Read what earlier runs found, and for how many seconds."""
    now = read_clock(connection)
    return {
        (row.kind, row.subject): (now - row.first_seen_at).total_seconds()
        for row in connection.execute(sa.select(findings))
    }


def write_memory(
    connection: Connection, found: Collection[Key], forgotten: Collection[Key]
) -> None:
    """Remember what was found, since the first time; forget what is so no more."""
    take_turn(connection)
    # The clock is read apart: with a function among its values, PyMySQL sends row by row.
    now = read_clock(connection)
    if found:
        connection.execute(
            insert_missing(findings, connection.dialect),
            [
                {"kind": kind, "subject": subject, "first_seen_at": now, "last_seen_at": now}
                for kind, subject in sorted(found)
            ],
        )
    for which in _by_kind(found):
        connection.execute(findings.update().where(which).values(last_seen_at=now))
    for which in _by_kind(forgotten):
        connection.execute(findings.delete().where(which))


def _by_kind(keys: Iterable[Key]) -> Iterator[sa.ColumnElement[bool]]:
    subjects: defaultdict[str, list[str]] = defaultdict(list)
    for kind, subject in sorted(keys):
        subjects[kind].append(subject)
    for kind, group in subjects.items():
        for chunk in chunks(group):
            yield sa.and_(findings.c.kind == kind, findings.c.subject.in_(chunk))


def read_launch_prices(
    connection: Connection, tokens: Sequence[str], ids: Sequence[str]
) -> dict[str, float | None]:
    """Read the launches of these machines: token, and instance id → USD an hour, or None."""
    found: dict[str, float | None] = {}
    which = [launches.c.token.in_(chunk) for chunk in chunks(tokens)]
    which += [launches.c.instance_id.in_(chunk) for chunk in chunks(ids)]
    columns = (launches.c.token, launches.c.instance_id, launches.c.price_usd_per_hour)
    for condition in which:
        for token, instance_id, price in connection.execute(sa.select(*columns).where(condition)):
            found[token] = price
            if instance_id is not None:
                found[instance_id] = price
    return found


def read_stuck(connection: Connection) -> tuple[Stuck, ...]:
    """Read the machines on their way out whose step should be over for long."""
    statement = sa.select(stops).where(
        stops.c.closed_at.is_(None), stops.c.expires_at < db_now(-STUCK_S)
    )
    return tuple(
        Stuck(
            name=row.name,
            instance_id=row.instance_id,
            instance_type=row.instance_type,
            region=row.region,
            state=row.state,
            detail=row.detail,
            began_at=row.began_at,
        )
        for row in connection.execute(statement.order_by(stops.c.id))
    )


def read_stopped_names(connection: Connection) -> frozenset[str]:
    """Read the names of machines that stop-idle has ended, as far back as its rows are kept."""
    statement = sa.select(stops.c.name).where(stops.c.closed_at.is_not(None)).distinct()
    return frozenset(connection.scalars(statement))
