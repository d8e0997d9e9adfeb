"""SQL on the back-offs of the farm database, and on machines that never connected.

Ends are compared with the database's clock.
"""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.db import claim, db_now, insert_missing
from farmhand.tables.launches import backoffs, instances, launches
from watch_pending.backoff_models import Backoff, Failures, Kind, Refused
from watch_pending.backoffs import scopes_of
from watch_pending.config_backoff import BackoffTimes
from watch_pending.config_machines import Market
from watch_pending.models import Launch

_is_over = sa.func.coalesce(backoffs.c.until <= db_now(), sa.false())


def read_backoffs(connection: Connection) -> tuple[Backoff, ...]:
    """Read what AWS refused, oldest first, also what is over and has not been tried again."""
    statement = sa.select(backoffs, _is_over.label("is_over"))
    return tuple(
        Backoff(
            kind=Kind(row.kind),
            reason=row.reason,
            market=None if row.market is None else Market(row.market),
            region=row.region,
            availability_zone=row.availability_zone,
            ec2_type=row.ec2_type,
            subnet=row.subnet,
            instance_type=row.instance_type,
            failures=row.failures,
            began_at=row.began_at,
            until=row.until,
            is_over=bool(row.is_over),
            settings_sha256=row.settings_sha256,
        )
        for row in connection.execute(statement.order_by(backoffs.c.began_at, backoffs.c.scope))
    )


def write_refusal(
    connection: Connection,
    refused: Refused,
    times: BackoffTimes,
    settings_sha256: str | None = None,
) -> None:
    """Begin a back-off, or raise one that is over; one that still holds stays as it is.

    With a `settings_sha256` it has no end.
    """
    scope = backoffs.c.scope == refused.scope
    failures = connection.execute(sa.select(backoffs.c.failures).where(scope)).scalar()
    if failures is None:
        ends = {"until": db_now(times.wait_s(1))} if settings_sha256 is None else {}
        connection.execute(
            insert_missing(backoffs, connection.dialect).values(
                **_backoff_row(refused), settings_sha256=settings_sha256, **ends
            )
        )
        return
    claim(
        connection,
        backoffs.update()
        .where(scope, backoffs.c.failures == failures, backoffs.c.until <= db_now())
        .values(
            failures=failures + 1,
            until=db_now(times.wait_s(failures + 1)),
            reason=refused.reason,
        ),
    )


def _backoff_row(refused: Refused) -> dict[str, Any]:
    return {
        "scope": refused.scope,
        "kind": refused.kind.value,
        "market": None if refused.market is None else refused.market.value,
        "region": refused.region,
        "availability_zone": refused.availability_zone,
        "ec2_type": refused.ec2_type,
        "subnet": refused.subnet,
        "instance_type": refused.instance_type,
        "reason": refused.reason,
        "failures": 1,
        "began_at": db_now(),
    }


def delete_disproved(connection: Connection, launch: Launch, token: str) -> None:
    """Delete the back-offs that a launch has disproved: those that began before its call."""
    called_at = sa.select(launches.c.called_at).where(launches.c.token == token)
    connection.execute(
        backoffs.delete().where(
            backoffs.c.scope.in_(sorted(scopes_of(launch))),
            backoffs.c.began_at < called_at.scalar_subquery(),
        )
    )


def delete_void(connection: Connection, void: Iterable[Backoff]) -> None:
    """Delete what the settings of now have nothing to do with any more."""
    for backoff in void:
        connection.execute(
            backoffs.delete().where(
                backoffs.c.scope == backoff.scope,
                backoffs.c.settings_sha256 == backoff.settings_sha256,
            )
        )


def read_failures(connection: Connection, boot_deadline_s: float) -> tuple[Failures, ...]:
    """Count the machines that never connected since the last one that did.

    By instance type, and by instance type and AMI. One that still boots is neither.
    """
    return tuple(
        Failures(instance_type=row.instance_type, ami=row.ami, count=row.failed)
        for with_ami in (False, True)
        for row in connection.execute(_count_failures(boot_deadline_s, with_ami=with_ami))
    )


def _count_failures(boot_deadline_s: float, *, with_ami: bool) -> sa.Select[Any]:
    keys = [instances.c.instance_type, *([instances.c.ami] if with_ami else [])]
    connected = (
        sa.select(*keys, sa.func.max(instances.c.launched_at).label("newest"))
        .where(instances.c.last_connected_at.is_not(None))
        .group_by(*keys)
        .subquery()
    )
    same = sa.and_(*(key == connected.c[key.name] for key in keys))
    never_connected = sa.and_(
        instances.c.last_connected_at.is_(None),
        sa.or_(instances.c.state == "gone", instances.c.launched_at <= db_now(-boot_deadline_s)),
        sa.or_(connected.c.newest.is_(None), instances.c.launched_at > connected.c.newest),
    )
    ami = instances.c.ami if with_ami else sa.null().label("ami")
    statement = (
        sa.select(instances.c.instance_type, ami, sa.func.count().label("failed"))
        .select_from(instances.outerjoin(connected, same))
        .where(never_connected)
        .group_by(*keys)
    )
    return statement.where(instances.c.ami.is_not(None)) if with_ami else statement
