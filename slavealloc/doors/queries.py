"""All SQL of tokens and of the audit."""

import json
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.db import db_now
from farmhand.tables.farm import audit
from slavealloc.doors.models import Caller, Change


def write_audit(
    connection: Connection, caller: Caller, changes: Sequence[Change], why: str | None
) -> None:
    """Record changes, in the transaction that makes them; their time is the database's."""
    if not changes:
        return
    now = connection.scalar(sa.select(db_now()))
    connection.execute(
        sa.insert(audit),
        [
            {
                "at": now,
                "who": caller.name,
                "table_name": change.table,
                "row_id": change.row_id,
                "row_name": change.row_name,
                "action": change.action,
                "changes": json.dumps(dict(change.changes)),
                "why": why,
            }
            for change in changes
        ],
    )
