"""SQL of status: how long machines lived, and how the last runs went. Reads only."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.tables.launches import instances
from watch_pending.models import Instance
from watch_pending.queries import read_machine
from watch_pending.status.models import Life

STOPPED = ("stopping", "stopped")


def read_lives(connection: Connection, farm: str, since: datetime) -> tuple[Life, ...]:
    """Read the machines that have lived since then, and until when; stopped ones cost nothing."""
    statement = sa.select(instances).where(
        sa.or_(instances.c.state != "gone", instances.c.last_seen_at > since),
        instances.c.state.not_in(STOPPED),
    )
    return tuple(
        Life(
            instance=Instance(
                **read_machine(row),
                instance_id=row.instance_id,
                state=row.state,
                launched_at=row.launched_at,
                farm=farm,
            ),
            ended_at=row.last_seen_at if row.state == "gone" else None,
        )
        for row in connection.execute(statement)
    )
