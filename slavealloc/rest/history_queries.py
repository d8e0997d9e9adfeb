"""SQL of a worker's history: where it was sent, and what was changed of it."""

import json
from itertools import takewhile
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.output import format_time
from farmhand.tables.farm import allocations, audit, masters, workers
from slavealloc.rest.queries import Row, is_row
from slavealloc.rest.resources import RESOURCES

SHOWN = 100
FIELDS = {column: field for field, column in RESOURCES["slaves"].fields.items()}


def read_history(connection: Connection, row: Row) -> list[dict[str, Any]] | None:
    """Read where a worker was sent and what was changed of it, newest first.

    None for an unknown worker.
    """
    worker_id = connection.scalar(sa.select(workers.c.id).where(is_row(RESOURCES["slaves"], row)))
    if worker_id is None:
        return None
    found = [*_read_allocations(connection, worker_id), *_read_edits(connection, worker_id)]
    newest = sorted(found, key=lambda entry: entry["at"], reverse=True)[:SHOWN]
    return [{**entry, "at": format_time(entry["at"])} for entry in newest]


def _read_allocations(connection: Connection, worker_id: int) -> list[dict[str, Any]]:
    statement = (
        sa.select(allocations, masters.c.nickname)
        .select_from(allocations.outerjoin(masters, masters.c.id == allocations.c.master_id))
        .where(allocations.c.worker_id == worker_id)
        .order_by(allocations.c.id.desc())
        .limit(SHOWN)
    )
    return [
        {
            "kind": "allocation",
            "at": each.at,
            "masterid": each.master_id,
            "master": each.nickname,
            "reason": each.reason,
            "host": each.host,
        }
        for each in connection.execute(statement)
    ]


def _read_edits(connection: Connection, worker_id: int) -> list[dict[str, Any]]:
    """Read its edits; not those of an older worker that had its id, in a database loaded anew."""
    statement = (
        sa.select(audit)
        .where(audit.c.table_name == "workers", audit.c.row_id == worker_id)
        .order_by(audit.c.id.desc())
        .limit(SHOWN)
    )
    rows = takewhile(lambda row: row.action != "delete", connection.execute(statement))
    return [
        {
            "kind": "edit",
            "at": each.at,
            "who": each.who,
            "action": each.action,
            "changes": {
                FIELDS.get(column, column): pair
                for column, pair in json.loads(each.changes).items()
            },
            "why": each.why,
        }
        for each in rows
    ]
