"""SQL on the instances of the farm database: as EC2 and Buildbot last showed them.

"Recently" is compared with the database's clock.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.db import db_now, insert_missing, read_clock
from farmhand.tables.launches import instances, launches
from watch_pending.models import Instance
from watch_pending.queries import UNSEEN_S, chunks, read_machine, take_turn


def read_known_instances(
    connection: Connection, farm: str, round_gap_s: float
) -> dict[str, tuple[Instance, bool]]:
    """Read the farm's instances as last seen: instance id → (instance, seen within 5 minutes)."""
    recently = (instances.c.last_seen_at > db_now(-UNSEEN_S)).label("recently")
    connected = _connected_within(round_gap_s).label("connected_recently")
    statement = sa.select(instances, recently, connected).where(instances.c.state != "gone")
    return {
        row.instance_id: (
            Instance(
                instance_id=row.instance_id,
                **read_machine(row),
                state=row.state,
                launched_at=row.launched_at,
                farm=farm,
                last_connected_at=row.last_connected_at,
                connected_since=row.connected_since,
                connected_recently=bool(row.connected_recently),
            ),
            bool(row.recently),
        )
        for row in connection.execute(statement)
    }


def _connected_within(seconds: float) -> sa.ColumnElement[bool]:
    return sa.func.coalesce(instances.c.last_connected_at > db_now(-seconds), sa.false())


def write_connected(connection: Connection, names: Iterable[str], round_gap_s: float) -> None:
    """Write that these workers are connected now; names that are no instance's do nothing.

    They are connected since the first time they were seen so, a round's gap passed over.
    """
    take_turn(connection)
    since = sa.case(
        (_connected_within(round_gap_s), sa.func.coalesce(instances.c.connected_since, db_now())),
        else_=db_now(),
    )
    for chunk in chunks(names):
        connection.execute(
            instances.update()
            .where(instances.c.name.in_(chunk), instances.c.state != "gone")
            # In this order: MySQL lets a later value see an earlier one.
            .ordered_values(
                (instances.c.connected_since, since), (instances.c.last_connected_at, db_now())
            )
        )


def write_sightings(connection: Connection, seen: Sequence[Instance]) -> None:
    """Write what DescribeInstances showed of the farm's own instances.

    A launch whose instance was seen is closed: from now on the instance stands for it.
    """
    take_turn(connection)
    seen = sorted(seen, key=lambda instance: instance.instance_id)
    by_state: dict[str, list[str]] = {}
    for instance in seen:
        by_state.setdefault(_stored_state(instance), []).append(instance.instance_id)
    for state, ids in by_state.items():
        # EC2 shows for an hour what is gone: when it went is the first time.
        changes = sa.true() if state != "gone" else instances.c.state != "gone"
        for chunk in chunks(ids):
            connection.execute(
                instances.update()
                .where(instances.c.instance_id.in_(chunk), changes)
                .values(state=state, last_seen_at=db_now())
            )
    alive = [_instance_row(instance) for instance in seen if _stored_state(instance) != "gone"]
    if alive:
        # The clock is read apart: with a function among its values, PyMySQL sends row by row.
        now = read_clock(connection)
        connection.execute(
            insert_missing(instances, connection.dialect),
            [{**row, "last_seen_at": now} for row in alive],
        )
    ids_by_token = {item.token: item.instance_id for item in seen if item.token}
    for tokens in chunks(ids_by_token):
        unseen = sa.select(launches.c.token).where(
            launches.c.token.in_(tokens), launches.c.state != "seen"
        )
        for token in connection.scalars(unseen).all():
            connection.execute(
                launches.update()
                .where(launches.c.token == token)
                .values(state="seen", closed_at=db_now(), instance_id=ids_by_token[token])
            )


def _stored_state(instance: Instance) -> str:
    return "gone" if instance.state == "terminated" else instance.state


def _instance_row(instance: Instance) -> dict[str, Any]:
    return {
        "instance_id": instance.instance_id,
        "token": instance.token,
        "name": instance.name,
        "instance_type": instance.instance_type,
        "market": instance.market.value,
        "region": instance.region,
        "availability_zone": instance.availability_zone,
        "subnet": instance.subnet,
        "ec2_type": instance.ec2_type,
        "ami": instance.ami,
        "state": _stored_state(instance),
        "launched_at": instance.launched_at,
    }
