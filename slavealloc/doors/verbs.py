"""The verbs about tokens, which work on the farm database directly."""

import re
from datetime import datetime

from sqlalchemy.engine import Connection

from farmhand.command import Result, Run
from farmhand.errors import BadInput
from farmhand.output import format_time, print_json, print_lines, print_table
from slavealloc.doors import queries
from slavealloc.doors.models import Action, Change, ListedToken, Scope, Stored
from slavealloc.doors.operators import find_operator
from slavealloc.doors.tokens import digest_token, make_token
from slavealloc.opening import opened_farm
from slavealloc.settings import Settings

# No @: that makes an operator's name.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
GOOD_FOR = {Scope.WRITE: "changes", Scope.MACHINE: "/gettac alone"}
HEAD = ("name", "scope", "made", "last used", "revoked")


def add_token(run: Run, settings: Settings, name: str, *, machine: bool) -> Result:
    """Make a token and print it; raises BadInput for a name that is none, or taken."""
    if not NAME.fullmatch(name):
        raise BadInput(f"{name!a}: a token's name is of letters, digits and . _ + -, at most 100")
    token, scope = make_token(), Scope.MACHINE if machine else Scope.WRITE
    with (
        opened_farm(run, settings, reading=run.dry_run) as database,
        database.begin() as connection,
    ):
        queries.check_free(connection, name)
        if not run.dry_run:
            token_id = queries.add_token(connection, name, scope, digest_token(token))
            _record(run, connection, token_id, name, "add", scope=scope)
    shown = None if run.dry_run else token
    if run.json:
        print_json({"name": name, "scope": scope, "token": shown, "dry_run": run.dry_run})
    else:  # also from cron: it is shown nowhere else
        print_lines([shown or f'would make the token "{name}", good for {GOOD_FOR[scope]}'])
    return Result()


def revoke_token(run: Run, settings: Settings, name: str) -> Result:
    """Revoke a token, once and for all; raises BadInput where there is none of this name."""
    with (
        opened_farm(run, settings, reading=run.dry_run) as database,
        database.begin() as connection,
    ):
        token = queries.read_token(connection, name)
        changed = token.revoked_at is None
        if changed and not run.dry_run and queries.revoke_token(connection, token.id):
            at = queries.read_token(connection, name).revoked_at
            _record(run, connection, token.id, name, "edit", revoked_at=_format(at))
    if run.json:
        print_json({"name": name, "changed": changed, "dry_run": run.dry_run})
    elif run.speaks:
        done = "would be revoked" if run.dry_run else "is revoked"
        print_lines([f'the token "{name}" {done if changed else "was revoked before"}'])
    return Result()


def _record(
    run: Run, connection: Connection, token_id: int, name: str, action: Action, **after: Stored
) -> None:
    changes = {column: (None, value) for column, value in after.items()}
    change = Change(table="tokens", row_id=token_id, row_name=name, action=action, changes=changes)
    queries.write_audit(connection, find_operator(run), [change], None)


def list_tokens(run: Run, settings: Settings) -> Result:
    """List tokens."""
    with (
        opened_farm(run, settings, reading=True) as database,
        database.begin() as connection,
    ):
        found = queries.read_tokens(connection)
    if run.json:
        print_json([_show(token) for token in found])
    else:
        rows = [[value or "" for value in _show(token).values()] for token in found]
        print_table(HEAD, rows, "no tokens")
    return Result(summary={"rows": len(found)})


def _show(token: ListedToken) -> dict[str, str | None]:
    return {
        "name": token.name,
        "scope": token.scope,
        "created_at": _format(token.created_at),
        "last_used_at": _format(token.last_used_at),
        "revoked_at": _format(token.revoked_at),
    }


def _format(at: datetime | None) -> str | None:
    return format_time(at) if at else None
