"""What the pages read of the audit."""

import json
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.tables.farm import audit
from slavealloc.rest.resources import SILO_REFERENCES
from slavealloc.ui.history import Edit

TABLES = (
    "workers",
    "masters",
    *sorted(set(SILO_REFERENCES.values())),
    "tac_templates",
    "worker_passwords",
    "jacuzzis",
    "tokens",
    "database",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which edits; None is any. `name` may be a part of the row's name."""

    who: str | None = None
    table: str | None = None
    name: str | None = None


def read_edits(
    connection: Connection, wanted: Wanted, *, before: int | None, most: int
) -> list[Edit]:
    """Read edits, newest first, from before the one of this id."""
    statement = sa.select(audit).order_by(audit.c.id.desc()).limit(most)
    if wanted.who is not None:
        statement = statement.where(audit.c.who == wanted.who)
    if wanted.table is not None:
        statement = statement.where(audit.c.table_name == wanted.table)
    if wanted.name is not None:
        statement = statement.where(audit.c.row_name.contains(wanted.name, autoescape=True))
    if before is not None:
        statement = statement.where(audit.c.id < before)
    return [read_edit(row) for row in connection.execute(statement)]


def read_row_edits(
    connection: Connection, table: str, row_id: int, *, before: datetime | None, most: int
) -> list[Edit]:
    """Read the edits of one row, newest first; not of an older row that had its id."""
    statement = (
        sa.select(audit)
        .where(audit.c.table_name == table, audit.c.row_id == row_id)
        .order_by(audit.c.id.desc())
        .limit(most)
    )
    if before is not None:
        statement = statement.where(audit.c.at < before)
    edits = map(read_edit, connection.execute(statement))
    return list(takewhile(lambda edit: edit.action != "delete", edits))


def read_people(connection: Connection, *, among: int) -> list[str]:
    """List who has edited anything, as far as the newest `among` edits tell."""
    newest = sa.select(audit.c.who).order_by(audit.c.id.desc()).limit(among).subquery()
    return sorted(connection.scalars(sa.select(newest.c.who).distinct()))


def read_edit(row: sa.Row[Any]) -> Edit:
    """Shape a row of the audit."""
    found = row._mapping
    return Edit(
        id=found["id"],
        at=found["at"],
        who=found["who"],
        table=found["table_name"],
        row_id=found["row_id"],
        row_name=found["row_name"],
        action=found["action"],
        changes={
            column: (before, after)
            for column, (before, after) in json.loads(found["changes"]).items()
        },
        why=found["why"],
    )
