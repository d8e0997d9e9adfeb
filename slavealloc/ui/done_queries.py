"""SQL of what was just done: rows of the audit that one change has written."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.tables.farm import audit
from slavealloc.ui.change_queries import read_edit
from slavealloc.ui.done import Span
from slavealloc.ui.history import Edit


def read_newest(connection: Connection) -> int:
    """Read the id of the audit's newest row; 0 before there is any."""
    return int(connection.scalar(sa.select(sa.func.max(audit.c.id))) or 0)


def find_span(connection: Connection, who: str, after: int) -> Span | None:
    """Find what somebody's last change has written, if it wrote anything after that row."""
    columns = sa.func.min(audit.c.id), sa.func.max(audit.c.id)
    mine = audit.c.id > after, audit.c.who == who
    last = sa.select(sa.func.max(audit.c.at)).where(*mine).scalar_subquery()
    first_id, last_id = connection.execute(
        sa.select(*columns).where(*mine, audit.c.at == last)
    ).one()
    return Span(first=first_id, last=last_id) if first_id else None


def read_changes(connection: Connection, span: Span | None) -> list[Edit]:
    """Read what one change has done; rows between that somebody else wrote are left out."""
    if span is None:
        return []
    within = audit.c.id.between(span.first, span.last)
    first = sa.select(audit.c.who, audit.c.at, audit.c.table_name).where(audit.c.id == span.first)
    found = connection.execute(first).one_or_none()
    if found is None:
        return []
    same = (audit.c.who == found.who, audit.c.at == found.at)
    statement = sa.select(audit).where(within, *same, audit.c.table_name == found.table_name)
    rows = connection.execute(statement.order_by(audit.c.id))
    return [read_edit(row) for row in rows]
