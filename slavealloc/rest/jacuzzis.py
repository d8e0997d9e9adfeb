"""Which workers a builder is confined to: read as one row a builder, and changed as one.

As in edits.py, a change wants a transaction in which nothing was done before.
"""

from collections.abc import Sequence

from sqlalchemy.engine import Connection

from farmhand.errors import BadInput
from slavealloc import queries
from slavealloc.doors.models import Action, Change, Stored
from slavealloc.doors.queries import write_audit
from slavealloc.rest import edit_queries
from slavealloc.rest import queries as rest_queries
from slavealloc.rest.edits import Author, Conflict, Missing
from slavealloc.rest.forms import Builder
from slavealloc.rest.resources import RESOURCES, check_form
from slavealloc.rest.versions import Version, digest


def read_version(connection: Connection, builder: str) -> Version:
    """Read a builder's jacuzzi; raises Missing."""
    # PostgreSQL takes no NUL, and no builder's name has one.
    machines = [] if "\0" in builder else rest_queries.read_jacuzzi(connection, builder)
    if not machines:
        raise Missing(f"{builder!a} has no jacuzzi")
    return _version(builder, machines)


def set_jacuzzi(
    connection: Connection,
    author: Author,
    builder: str,
    machines: Sequence[str],
    etag: str | None = None,
) -> Version:
    """Confine a builder to these workers; to none: to no fixed ones.

    Raises Conflict; Missing where there is none to take away or to compare with; BadInput.
    """
    check_form(Builder, {"builder": builder})
    queries.lock_places(connection)
    before = rest_queries.read_jacuzzi(connection, builder)
    if not before and (etag is not None or not machines):
        raise Missing(f"{builder!a} has no jacuzzi")
    if etag not in {None, _version(builder, before).etag}:
        raise Conflict("jacuzzis", _version(builder, before))
    names = sorted({*before, *machines})
    rows = edit_queries.read_rows(connection, RESOURCES["slaves"], names)
    if missing := [name for name in names if name not in rows]:
        raise BadInput(f'machines: no worker is called "{missing[0]}"')
    ids = {name: int(rows[name]["id"]) for name in names}
    gone = [ids[name] for name in before if name not in machines]
    new = [ids[name] for name in names if name not in before]
    if gone or new:
        edit_queries.change_jacuzzi(connection, builder, gone=gone, new=new)
        changes = [
            *(_change(builder, worker_id, "delete") for worker_id in gone),
            *(_change(builder, worker_id, "add") for worker_id in new),
        ]
        write_audit(connection, author.caller, changes, author.why)
        queries.tell_edit(connection)
    return _version(builder, sorted(set(machines)))


def _version(builder: str, machines: Sequence[str]) -> Version:
    row = {"builder": builder, "machines": list(machines)}
    return Version(id=0, name=builder, row=row, etag=digest(repr(row).encode()))


def _change(builder: str, worker_id: int, action: Action) -> Change:
    """Record a row of the table, which is known by its worker and its builder."""
    values: dict[str, Stored] = {"builder": builder, "worker_id": worker_id}
    changes: dict[str, tuple[Stored, Stored]] = {
        key: (None, value) if action == "add" else (value, None) for key, value in values.items()
    }
    return Change(
        table="jacuzzis", row_id=worker_id, row_name=builder, action=action, changes=changes
    )
