"""Reading and changing the row that a page is about, a worker's or a master's."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from sqlalchemy.engine import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from farmhand.errors import BadInput
from slavealloc.doors.bodies import read_form as read_body_form
from slavealloc.doors.gate import require_caller
from slavealloc.doors.models import Stored
from slavealloc.rest import edits
from slavealloc.rest.queries import Row
from slavealloc.rest.versions import Version
from slavealloc.ui import change_queries, fields, rows
from slavealloc.ui.conflict import choose_edit, compare_edits
from slavealloc.ui.fields import RESOURCE_OF, Names
from slavealloc.ui.history import Allocation, Edit, Entry, find_off, make_edit_entry, make_history
from slavealloc.ui.rows import Draft, RowView
from slavealloc.ui.site import Site
from slavealloc.ui.worker_queries import read_names

ENTRIES_SHOWN = 30
MOST_WHY = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """Which part of a row's page is asked for."""

    opened: str | None = None
    before: datetime | None = None
    draft: Draft = Draft()  # noqa: RUF009 - it is frozen


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A row, its latest edits, and those that its history is made of."""

    version: Version
    names: Names
    latest: list[Edit]
    edits: list[Edit]


def read_asked(request: Request) -> Asked:
    """Read which field is to be edited and how old the history is to be."""
    before = request.query_params.get("before")
    try:
        parsed = datetime.fromisoformat(before).astimezone(UTC) if before else None
    except (ValueError, OverflowError) as err:
        raise BadInput("before: not a time") from err
    return Asked(opened=request.query_params.get("edit"), before=parsed)


def find_version(connection: Connection, table: str, name: str) -> Version:
    """Read a row by its name; raises HTTPException 404."""
    try:
        return edits.read_version(connection, RESOURCE_OF[table], Row(key=name))
    except edits.Missing as err:
        word = rows.WORDS[table]
        raise HTTPException(404, f"no {word} is called {name[:100]!a}") from err


def read_row(connection: Connection, table: str, name: str, asked: Asked) -> Found:
    """Read a row and its edits."""
    version = find_version(connection, table, name)

    def read(before: datetime | None) -> list[Edit]:
        return change_queries.read_row_edits(
            connection, table, version.id, before=before, most=ENTRIES_SHOWN + 1
        )

    latest = read(None)
    return Found(
        version=version,
        names=read_names(connection),
        latest=latest,
        edits=read(asked.before) if asked.before else latest,
    )


def make_row_view(
    table: str, found: Found, asked: Asked, allocations: Sequence[Allocation]
) -> RowView:
    """Make the common part of a page."""
    version = found.version
    values = rows.values_of(table, version)
    history = make_history(found.edits, allocations, found.names, values)
    shown = history[:ENTRIES_SHOWN]
    latest = [make_edit_entry(each, found.names, values) for each in found.latest]
    return RowView(
        table=table,
        name=version.name,
        path=f"/ui/{table}/{quote(version.name, safe='')}",
        enabled=bool(values["enabled"]),
        notes=str(values["notes"] or ""),
        etag=version.etag,
        seen=rows.write_seen(values),
        fields=rows.show_fields(table, values, found.names, opened=asked.opened, draft=asked.draft),
        draft=asked.draft,
        last=latest[0] if latest else None,
        off=None if values["enabled"] else find_off(latest),
        history=shown,
        older=shown[-1].at if len(history) > ENTRIES_SHOWN else None,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class RowForm:
    """Saves a page's forms; `show` is the page, shown again where a form can't be saved."""

    site: Site
    table: str
    show: Callable[[Request, Asked, int], Awaitable[Response]]

    async def save(self, request: Request) -> Response:
        """POST to a row's page: change the fields that the form has."""
        caller = require_caller(request)
        form = dict(await read_body_form(request))
        name, why = request.path_params["name"], form.get(rows.WHY, "").strip()[:MOST_WHY]
        try:
            edit = _read_edit(self.table, form)
            rows.check_why(self.table, edit, why)
            author = edits.Author(caller=caller, why=why or None)
            wanted = edits.Edit(row=Row(key=name), values=edit, etag=form.get(rows.ETAG))
            version = await self.site.transact(
                lambda c: edits.edit_row(c, author, RESOURCE_OF[self.table], wanted)
            )
        except BadInput as err:
            message = rows.name_field(self.table, str(err))
            return await self.show(request, Asked(draft=Draft(form=form, message=message)), 400)
        except edits.Conflict as err:
            return await self._compare(request, form, err.now)
        except edits.Missing as err:
            raise HTTPException(404, str(err)) from err
        return RedirectResponse(f"/ui/{self.table}/{quote(version.name, safe='')}#done", 303)

    async def _compare(self, request: Request, form: Mapping[str, str], now: Version) -> Response:
        """Show both versions, and let the person choose."""
        seen = rows.read_seen(form.get(rows.SEEN, ""))
        found = compare_edits(
            self.table,
            seen,
            fields.read_form(self.table, form),
            rows.values_of(self.table, now),
        )

        def read(connection: Connection) -> tuple[Names, list[Edit]]:
            last = change_queries.read_row_edits(
                connection, self.table, now.id, before=None, most=1
            )
            return read_names(connection), last

        names, last = await self.site.transact(read)
        view = {
            "table": self.table,
            "word": rows.WORDS[self.table],
            "name": now.name,
            "path": request.url.path,
            "compared": rows.show_differences(self.table, found, form, names),
            "etag": now.etag,
            "seen": rows.write_seen(rows.values_of(self.table, now)),
            "why": form.get(rows.WHY, ""),
            "last": _last_entry(last, names),
        }
        return self.site.render(request, "conflict.html", view, 409)


def _last_entry(last: list[Edit], names: Names) -> Entry | None:
    return make_edit_entry(last[0], names) if last else None


def _read_edit(table: str, form: Mapping[str, str]) -> dict[str, Stored]:
    edit = fields.read_form(table, form)
    choices = {
        key.removeprefix(rows.CHOICE): value
        for key, value in form.items()
        if key.startswith(rows.CHOICE)
    }
    return choose_edit(choices, edit) if choices else edit
