"""The one way to change rows: lock, compare with what is there, write what differs and its audit.

Each function wants a transaction in which nothing was done before, and is all of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from farmhand.errors import BadInput, FarmError
from slavealloc import queries
from slavealloc.doors.models import Action, Caller, Change
from slavealloc.doors.queries import write_audit
from slavealloc.rest import edit_queries
from slavealloc.rest.queries import Row, show_row
from slavealloc.rest.resources import RESOURCES, Resource
from slavealloc.rest.versions import Version, find_etag
from slavealloc.tac import read_shipped

HIDDEN = "(hidden)"
Columns = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Author:
    """Who makes a change, and why."""

    caller: Caller
    why: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """What is to change in a row: column → new value, checked by resources.check_edit.

    `etag` is of the version that it was decided on; None: it holds for any.
    """

    row: Row
    values: Columns
    etag: str | None = None


class Missing(FarmError):
    """There is no such row."""


class Conflict(FarmError):
    """The row is not what the edit was decided on; `now` is what it is."""

    def __init__(self, table: str, now: Version) -> None:
        super().__init__(f"{table}: {now.name} was changed meanwhile: look again, and try again")
        self.now = now


class InUse(FarmError):
    """Other rows refer to this one."""


def read_version(connection: Connection, table: str, row: Row) -> Version:
    """Read a row as it is now; raises Missing. For reading: takes no lock."""
    resource = RESOURCES[table]
    (found,) = _find_all(connection, table, [row])
    return _version(connection, resource, found)


def edit_row(connection: Connection, author: Author, table: str, edit: Edit) -> Version:
    """Change one row; returns it as it is then. Raises as edit_rows does."""
    (version,) = edit_rows(connection, author, table, [edit])
    return version


def edit_rows(
    connection: Connection, author: Author, table: str, edits: Sequence[Edit]
) -> list[Version]:
    """Change rows of one table, all or none; returns them as they are then, in the same order.

    What would change nothing is not written. Raises Missing; Conflict; BadInput naming the field
    for a reference to nothing, or a name that is taken.
    """
    resource = RESOURCES[table]
    queries.lock_places(connection)
    rows = _find_all(connection, table, [edit.row for edit in edits])
    if len({row["id"] for row in rows}) < len(rows):
        raise BadInput(f"{table}: one of the rows is named twice")
    for row, edit in zip(rows, edits, strict=True):
        if edit.etag is not None:
            now = _version(connection, resource, row)
            if now.etag != edit.etag:
                raise Conflict(table, now)
    differing = [
        (row, {key: value for key, value in edit.values.items() if _differs(row, key, value)})
        for row, edit in zip(rows, edits, strict=True)
    ]
    changed = [(row, values) for row, values in differing if values]
    if changed:
        _check(
            connection,
            resource,
            [(row, edit.values) for row, edit in zip(rows, edits, strict=True)],
        )
        values_by_id = {row["id"]: values for row, values in changed}
        edit_queries.update_rows(connection, resource, values_by_id)
        _record(connection, author, resource, [_edited(*each) for each in changed])
    return [_version(connection, resource, {**row, **values}) for row, values in differing]


def _differs(row: Columns, column: str, value: object) -> bool:
    """Compare with what is stored; the text of a shipped template is stored by its name alone."""
    if column == "template" and row[column] is None and value is not None:
        return value != read_shipped(row["name"])
    return bool(row[column] != value)


def add_row(connection: Connection, author: Author, table: str, values: Columns) -> Version:
    """Add a row: column → value, checked by resources.check_add. Raises BadInput as edit_rows."""
    resource = RESOURCES[table]
    queries.lock_places(connection)
    _check(connection, resource, [({}, values)])
    row = edit_queries.insert_row(connection, resource, values)
    _record(connection, author, resource, [("add", row, {key: (None, row[key]) for key in row})])
    return _version(connection, resource, row)


def delete_row(
    connection: Connection, author: Author, table: str, row: Row, etag: str | None = None
) -> None:
    """Delete a row; raises Missing, Conflict, and InUse naming what still refers to it."""
    resource = RESOURCES[table]
    queries.lock_places(connection)
    (found,) = _find_all(connection, table, [row])
    now = _version(connection, resource, found)
    if etag not in {None, now.etag}:
        raise Conflict(table, now)
    if users := edit_queries.find_users(connection, resource, found["id"]):
        raise InUse(f"{now.name} is still used by {'; '.join(users)}")
    edit_queries.delete_row(connection, resource, found["id"])
    gone = {key: (value, None) for key, value in found.items()}
    _record(connection, author, resource, [("delete", found, gone)])


def _find_all(connection: Connection, table: str, rows: Sequence[Row]) -> list[Columns]:
    found = edit_queries.read_rows(connection, RESOURCES[table], [row.key for row in rows])
    for row in rows:
        if row.key not in found:
            raise Missing(f"{table} has no row {str(row.key)!a}")
    return [found[row.key] for row in rows]


def _version(connection: Connection, resource: Resource, row: Columns) -> Version:
    hidden = bool(resource.hidden)
    last_change = edit_queries.read_last_change(connection, resource, row["id"]) if hidden else None
    return Version(
        id=row["id"],
        name=_name(connection, resource, row),
        row=show_row(resource, row),
        etag=find_etag(resource, row, last_change),
    )


def _name(connection: Connection, resource: Resource, row: Columns) -> str:
    """Say what people call a row; a password, which has no name, by its pool and distro."""
    if resource.name_field:
        return str(row[resource.name_field])
    return edit_queries.read_password_name(connection, row)


# What must hold of new values


def _check(
    connection: Connection, resource: Resource, changes: Sequence[tuple[Columns, Columns]]
) -> None:
    """Check what is to be written of each row: as it is ({} for a new one), and its changes."""
    for field, reference in resource.references.items():
        column = resource.fields[field]
        ids = {values[column] for _, values in changes if values.get(column) is not None}
        if missing := edit_queries.find_missing(connection, reference, ids):
            raise BadInput(f"{field}: {reference} has no id {missing[0]}")
    for row, values in changes:
        name = values.get(resource.name_field or "")
        if name is not None:
            _check_name(connection, resource, row, name, len(changes))
        if resource.table == "tac_templates":
            _check_template({**row, **values}, "template" if "template" in values else "name")
        if resource.table == "worker_passwords":
            _check_password(connection, {**row, **values})


def _check_name(
    connection: Connection, resource: Resource, row: Columns, name: str, together: int
) -> None:
    other = edit_queries.read_rows(connection, resource, [name]).get(name)
    if together > 1 or (other and other["id"] != row.get("id")):
        raise BadInput(f'{resource.name_field}: "{name}" is taken')


def _check_template(row: Columns, field: str) -> None:
    """Refuse what would leave a template without a text of its own or of this release."""
    if row.get("template") is None and read_shipped(row["name"]) is None:
        raise BadInput(f'{field}: this release ships no template called "{row["name"]}"')


def _check_password(connection: Connection, row: Columns) -> None:
    other = edit_queries.find_password(connection, row["pool_id"], row.get("distro_id"))
    if other is not None and other != row.get("id"):
        raise BadInput(f"distroid: this pool has a password for it: id {other}")


# The record

_Recorded = tuple[Action, Columns, Mapping[str, tuple[Any, Any]]]


def _edited(row: Columns, values: Columns) -> _Recorded:
    return "edit", row, {key: (row[key], value) for key, value in values.items()}


def _record(
    connection: Connection, author: Author, resource: Resource, recorded: Sequence[_Recorded]
) -> None:
    """Write the audit, and tell servers that something changed."""
    secret = set(resource.hidden.values())
    changes = [
        Change(
            table=resource.table,
            row_id=row["id"],
            row_name=_name(connection, resource, row),
            action=action,
            changes={
                key: _hide(pair) if key in secret else pair
                for key, pair in changed.items()
                if key in _kept(resource) and pair[0] != pair[1]
            },
        )
        for action, row, changed in recorded
    ]
    write_audit(connection, author.caller, changes, author.why)
    queries.tell_edit(connection)


def _kept(resource: Resource) -> set[str]:
    """List the columns that people set: where a worker is, and when it asked, is not theirs."""
    settable = {*resource.edit.__annotations__, *resource.add.__annotations__}
    return {resource.columns[field] for field in settable}


def _hide(pair: tuple[Any, Any]) -> tuple[str | None, str | None]:
    before, after = (None if value is None else HIDDEN for value in pair)
    return before, after
