"""Enabling and disabling many workers at once, and undoing what was done: POST, then a list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sqlalchemy.engine import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from farmhand.errors import BadInput
from slavealloc.doors.bodies import read_form
from slavealloc.doors.gate import require_caller
from slavealloc.doors.origins import choose_next
from slavealloc.rest import edit_queries
from slavealloc.rest.edits import Author, Edit, edit_rows
from slavealloc.rest.queries import Row
from slavealloc.rest.resources import RESOURCES
from slavealloc.rest.versions import find_etag
from slavealloc.ui import done_queries, history, list_queries
from slavealloc.ui.done import Span, parse_done, plan_undo
from slavealloc.ui.list_asked import format_asked, parse_asked
from slavealloc.ui.site import Site

SLAVES = "slaves"
MOST_WHY = 1000
ACTIONS = {"enable": True, "disable": False}


@dataclass(frozen=True, kw_only=True, slots=True)
class BulkPages:
    """The handlers; each reads in one transaction what to do, and does it in the next."""

    site: Site

    async def edit_many(self, request: Request) -> Response:
        """POST /ui/workers: enable or disable those chosen, or all that the address asks for."""
        caller = require_caller(request)
        form = await read_form(request)
        fields, ids = dict(form), [int(v) for k, v in form if k == "id" and _is_id(v)]
        author = Author(caller=caller, why=_read_why(fields))
        if fields.get("do") not in ACTIONS:
            raise BadInput("do: enable or disable")
        enable = ACTIONS[fields["do"]]
        asked = parse_asked(dict(parse_qsl(fields.get("query", ""))))
        page = format_asked(asked)
        if "all" not in fields and not ids:
            return _lead_to(page, "nobody")

        def choose(connection: Connection) -> tuple[list[int], int]:
            found = self._find(connection, fields, ids)
            differing = [id_ for id_, enabled in found.items() if enabled != enable]
            return differing, done_queries.read_newest(connection)

        chosen, newest = await self.site.transact(choose)
        if not chosen:
            return _lead_to(page, "same")
        edits = [Edit(row=Row(key=id_), values={"enabled": enable}) for id_ in chosen]
        span = await self._edit(author, SLAVES, edits, newest)
        return _lead_to(page, str(span) if span else "same")

    def _find(
        self, connection: Connection, fields: Mapping[str, str], ids: Sequence[int]
    ) -> dict[int, bool]:
        """Find who is meant: id → whether it is enabled now."""
        if "all" not in fields:
            return list_queries.read_enabled(connection, ids)
        known = list_queries.read_known(connection)
        asked = parse_asked(dict(parse_qsl(fields.get("query", ""))))
        counted_s = self.site.places.config.counted_s
        found = list_queries.find_ids(connection, asked, known, counted_s=counted_s)
        if str(len(found)) != fields.get("count"):
            raise HTTPException(
                409,
                f"{len(found)} workers match now, and it were {fields.get('count', 'none')} "
                "when you looked: look again",
            )
        return found

    async def undo(self, request: Request) -> Response:
        """POST /ui/undo: bring back what one change has changed, where it is still so."""
        caller = require_caller(request)
        fields = dict(await read_form(request))
        page, span = choose_next(fields.get("next", "")), parse_done(fields.get("done", ""))

        def plan(connection: Connection) -> tuple[str, list[Edit], str, int]:
            rows = done_queries.read_changes(connection, span)
            table = _find_table(rows)
            why = f"undo: {rows[0].why}"[:MOST_WHY]
            return table, _plan(connection, table, rows), why, done_queries.read_newest(connection)

        table, edits, why, newest = await self.site.transact(plan)
        if not edits:
            return _lead_to(page, "since")
        undone = await self._edit(Author(caller=caller, why=why), table, edits, newest)
        return _lead_to(page, str(undone) if undone else "since")

    async def _edit(
        self, author: Author, table: str, edits: Sequence[Edit], newest: int
    ) -> Span | None:
        def write(connection: Connection) -> Span | None:
            edit_rows(connection, author, table, edits)
            return done_queries.find_span(connection, author.caller.name, newest)

        return await self.site.transact(write)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def _read_why(fields: Mapping[str, str]) -> str:
    why = " ".join(fields.get("why", "").replace("\0", "").split())
    if not why:
        raise BadInput("why: say the reason; it is kept with the change")
    if len(why) > MOST_WHY:
        raise BadInput(f"why: the reason is longer than {MOST_WHY} characters")
    return why


def _find_table(rows: Sequence[history.Edit]) -> str:
    """Name the API's table that was changed, one whose values the audit has."""
    for name, resource in RESOURCES.items():
        if rows and resource.table == rows[0].table and not resource.hidden:
            return name
    raise HTTPException(404, "there is no such change that can be undone here")


def _plan(connection: Connection, table: str, rows: Sequence[history.Edit]) -> list[Edit]:
    resource = RESOURCES[table]
    ids = [row.row_id for row in rows]
    now: dict[Any, Mapping[str, Any]] = dict(edit_queries.read_rows(connection, resource, ids))
    return [
        Edit(row=Row(key=id_), values=values, etag=find_etag(resource, now[id_], None))
        for id_, values in plan_undo(rows, now).items()
    ]


def _lead_to(page: str, done: str) -> Response:
    """Lead on to a page that says what was done."""
    path, _, query = page.partition("?")
    pairs = [pair for pair in parse_qsl(query) if pair[0] != "done"]
    return RedirectResponse(f"{path}?{urlencode([*pairs, ('done', done)])}", 303)
