"""All SQL of tokens and of the audit."""

import json
from collections.abc import Sequence
from dataclasses import fields

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.db import claim, db_now
from farmhand.errors import BadInput
from farmhand.tables.farm import audit, tokens
from farmhand.wording import unknown
from slavealloc.doors.models import Caller, Change, ListedToken, Scope, Token


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


# Tokens

STALE_S = 3600.0


def find_tokens(connection: Connection, digests: Sequence[str]) -> dict[str, Token]:
    """Look tokens up by their digests; unknown ones are left out."""
    used = tokens.c.last_used_at
    stale = sa.or_(used.is_(None), used < db_now(-STALE_S))
    statement = sa.select(tokens, stale.label("stale")).where(tokens.c.digest.in_(digests))
    return {
        row.digest: Token(
            id=row.id,
            name=row.name,
            scope=Scope(row.scope),
            revoked=row.revoked_at is not None,
            stale=bool(row.stale),
        )
        for row in connection.execute(statement)
    }


def note_use(connection: Connection, token_id: int) -> None:
    """Write that a token was used, unless that was noted within the hour."""
    used = tokens.c.last_used_at
    connection.execute(
        tokens.update()
        .where(tokens.c.id == token_id, sa.or_(used.is_(None), used < db_now(-STALE_S)))
        .values(last_used_at=db_now())
    )


def check_free(connection: Connection, name: str) -> None:
    """Raise BadInput where a token has this name, or had it: the audit tells them by it."""
    found = next((token for token in read_tokens(connection) if token.name == name), None)
    if found is not None:
        state = "was revoked" if found.revoked_at else "is there"
        raise BadInput(f'a token "{name}" {state}, and the audit names it: take another name')


def add_token(connection: Connection, name: str, scope: Scope, digest: str) -> int:
    """Add a token; return its id."""
    values = {"name": name, "scope": scope, "digest": digest, "created_at": db_now()}
    result = connection.execute(tokens.insert().values(values))
    return int((result.inserted_primary_key or (0,))[0])


def revoke_token(connection: Connection, token_id: int) -> bool:
    """Revoke a token, and say whether it was not before."""
    valid = sa.and_(tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
    return claim(connection, tokens.update().where(valid).values(revoked_at=db_now()))


def read_token(connection: Connection, name: str) -> ListedToken:
    """Read a token by its name; raises BadInput where there is none."""
    found = {token.name: token for token in read_tokens(connection)}
    if name not in found:
        raise BadInput(unknown("token", name, found))
    return found[name]


def read_tokens(connection: Connection) -> list[ListedToken]:
    """List tokens in the order of their names; what they are is not known."""
    columns = (getattr(tokens.c, field.name) for field in fields(ListedToken))
    rows = connection.execute(sa.select(*columns).order_by(tokens.c.name))
    return [ListedToken(**row._mapping) for row in rows]
