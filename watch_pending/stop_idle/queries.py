"""SQL on the machines on their way out: each step is claimed, and each row has an expiry.

Owners, expiries and claims are compared with the database's clock. Nothing here costs more
statements for more machines.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.db import db_now, read_clock
from farmhand.tables.farm import masters
from farmhand.tables.launches import stops
from watch_pending.queries import KEPT_S, win_plan
from watch_pending.stop_idle.models import Judgement, Reason, Stop, StopState

# A step that is not done by then is given up; EC2 takes minutes to end a machine, a master up to an
# hour to notice.
EXPIRES_S = {StopState.PAUSING: 1800, StopState.TERMINATING: 1800, StopState.STOPPED: 7200}
_is_open = stops.c.closed_at.is_(None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """Which run works on rows, and for how long after its last sign of life."""

    run_id: int
    owner: str
    lease_s: float


def read_stops(connection: Connection) -> tuple[Stop, ...]:
    """Read the machines on their way out."""
    return _read(connection, _is_open)


def take_stops(connection: Connection, hold: Hold) -> tuple[Stop, ...]:
    """Take what no living run works on; only who took a row may go on with it."""
    connection.execute(
        stops.update()
        .where(_is_open, sa.or_(stops.c.owner == hold.owner, stops.c.owned_until < db_now()))
        .values(owner=hold.owner, owned_until=db_now(hold.lease_s))
    )
    return _read(connection, sa.and_(_is_open, stops.c.owner == hold.owner))


def _read(connection: Connection, which: sa.ColumnElement[bool]) -> tuple[Stop, ...]:
    expired = (stops.c.expires_at < db_now()).label("expired")
    rows = connection.execute(sa.select(stops, expired).where(which).order_by(stops.c.id))
    return tuple(
        Stop(
            id=row.id,
            state=StopState(row.state),
            reason=Reason(row.reason),
            detail=row.detail,
            instance_id=row.instance_id,
            name=row.name,
            instance_type=row.instance_type,
            region=row.region,
            masters=tuple(row.masters),
            began_at=row.began_at,
            expired=bool(row.expired),
        )
        for row in rows
    )


def write_stops(
    connection: Connection,
    planned: Sequence[Judgement],
    *,
    generation: int,
    hold: Hold,
) -> bool:
    """Write what is to stop, unless another run planned first; say whether it was written."""
    won = win_plan(connection, generation)
    if won:
        # The clock is read apart: with a function among its values, PyMySQL sends row by row.
        now = read_clock(connection)
        common: Mapping[str, Any] = {
            "state": StopState.PAUSING.value,
            "run_id": hold.run_id,
            "began_at": now,
            "expires_at": now + timedelta(seconds=EXPIRES_S[StopState.PAUSING]),
            "owner": hold.owner,
            "owned_until": now + timedelta(seconds=hold.lease_s),
        }
        connection.execute(stops.insert(), [{**_to_row(each), **common} for each in planned])
    return won


def _to_row(judgement: Judgement) -> dict[str, Any]:
    instance = judgement.instance
    return {
        "reason": judgement.verdict.value,
        "detail": judgement.why,
        "instance_id": instance.instance_id,
        "open_instance_id": instance.instance_id,
        "name": instance.name,
        "instance_type": instance.instance_type,
        "region": instance.region,
        "masters": list(judgement.masters),
    }


def advance(
    connection: Connection, ids: Collection[int], hold: Hold, to: StopState
) -> frozenset[int]:
    """Move rows on; return those that are there now, for another run may have taken some over.

    All that this run works on stays its own a while longer.

    A row that has come so far before keeps its expiry: trying again is no progress.
    """
    owned = (_is_open, stops.c.owner == hold.owner)
    connection.execute(stops.update().where(*owned).values(owned_until=db_now(hold.lease_s)))
    mine = (stops.c.id.in_(sorted(ids)), *owned)
    expiry = {"expires_at": db_now(EXPIRES_S[to])} if to in EXPIRES_S else {}
    connection.execute(
        stops.update().where(*mine, stops.c.state != to.value).values(state=to.value, **expiry)
    )
    moved = sa.select(stops.c.id).where(*mine, stops.c.state == to.value)
    return frozenset(connection.scalars(moved))


def renew(connection: Connection, ids: Collection[int], owner: str) -> None:
    """Put off the expiry of machines that are paused and still build."""
    connection.execute(
        stops.update()
        .where(stops.c.id.in_(sorted(ids)), _is_open, stops.c.owner == owner)
        .values(expires_at=db_now(EXPIRES_S[StopState.PAUSING]))
    )


def close(connection: Connection, ids: Collection[int], owner: str, detail: str) -> None:
    """Close rows; `detail` is the last that is to be said of them."""
    connection.execute(
        stops.update()
        .where(stops.c.id.in_(sorted(ids)), _is_open, stops.c.owner == owner)
        .values(
            state=StopState.CLOSED.value,
            detail=detail,
            closed_at=db_now(),
            open_instance_id=None,
        )
    )


def give_back(connection: Connection, owner: str) -> None:
    """End this run's hold on what is still open: the next run may go on at once."""
    connection.execute(
        stops.update().where(_is_open, stops.c.owner == owner).values(owned_until=db_now(-1))
    )
    connection.execute(stops.delete().where(stops.c.closed_at < db_now(-KEPT_S)))


def read_master_urls(connection: Connection) -> dict[str, tuple[str, ...]]:
    """Read where slavealloc's masters have their web servers: host → URLs, those it knows."""
    found: dict[str, tuple[str, ...]] = {}
    statement = sa.select(masters.c.fqdn, masters.c.http_port).where(masters.c.http_port > 0)
    for row in connection.execute(statement.order_by(masters.c.id)):
        url = f"http://{row.fqdn}:{row.http_port}/"
        found[row.fqdn] = tuple(dict.fromkeys([*found.get(row.fqdn, ()), url]))
    return found
