"""The REST API for people and their tools, under /api as it always was and under /api/v1."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy.engine import Connection
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from farmhand import __version__
from farmhand.conflicts import retried
from farmhand.errors import BadInput
from slavealloc import queries
from slavealloc.doors.bodies import read_body
from slavealloc.doors.gate import require_caller, require_token
from slavealloc.pages import make_pages, normalize_name
from slavealloc.places import Places
from slavealloc.replies import answer_json
from slavealloc.rest import queries as rest_queries
from slavealloc.rest.edits import Author, Edit, edit_row
from slavealloc.rest.queries import Row
from slavealloc.rest.resources import RESOURCES, check_edit, parse_object
from slavealloc.tac import Stamp, check_template

FILTERS = ("environment", "purpose", "pool")
BOOLEANS = {"1": True, "true": True, "0": False, "false": False}
Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True, slots=True)
class Api:
    """The handlers; each runs its one transaction in a thread."""

    places: Places
    host: str

    def routes(self) -> list[Route]:
        """List the paths, below wherever they are mounted."""
        return [
            Route("/", self.show_help),
            Route("/health", self.show_health),
            Route("/gettac/{name}", self.preview_tac),
            Route("/slaves/{key}/history", self.show_history),
            Route("/{table}", self.list_rows),
            Route("/{table}/{key}", self.show_row, methods=["GET"]),
            Route("/{table}/{key}", self.edit_row, methods=["PUT"]),
        ]

    async def _transact(self, work: Callable[[Connection], Found]) -> Found:
        @retried
        def transaction() -> Found:
            with self.places.database.begin() as connection:
                return work(connection)

        return await run_in_threadpool(transaction)

    async def show_help(self, _: Request) -> Response:
        """GET /api/: what there is."""
        tables = "".join(f'<li><a href="{name}">{name}</a></li>' for name in RESOURCES)
        return HTMLResponse(HELP.replace("TABLES", tables))

    async def show_health(self, _: Request) -> Response:
        """GET /api/health: 200 as long as the database answers, 503 while it does not."""
        masters = await self._transact(queries.read_masters)
        enabled = sum(master.enabled for master in masters.values())
        return answer_json({"status": "ok", "version": __version__, "enabled_masters": enabled})

    async def preview_tac(self, request: Request) -> Response:
        """GET /api/gettac/NAME: the tac a worker would get; nothing is recorded."""
        if self.places.config.machines_need_token:  # it is the same page, password and all
            require_token(request)
        name = normalize_name(request.path_params["name"])
        answers = await run_in_threadpool(self.places.preview, [name])
        page = make_pages([name], answers, Stamp(now=datetime.now(UTC), host=self.host))[name]
        if page.status != 200:
            return answer_json({"success": False, "error": page.text}, page.status)
        return answer_json({"success": True, "tac": page.text, "master": page.master})

    async def list_rows(self, request: Request) -> Response:
        """GET /api/TABLE: all rows."""
        table = _find_table(request)
        if table == "slaves":
            only = {name: request.query_params.getlist(name) for name in FILTERS}
            enabled = _find_enabled(request)
            return answer_json(
                await self._transact(lambda c: rest_queries.read_slaves(c, only, enabled))
            )
        if table == "masters":
            counted_s = self.places.config.counted_s
            return answer_json(
                await self._transact(lambda c: rest_queries.read_masters(c, counted_s=counted_s))
            )
        return answer_json(await self._transact(lambda c: rest_queries.read_list(c, table)))

    async def show_row(self, request: Request) -> Response:
        """GET /api/TABLE/ID, or /api/TABLE/NAME?byname=1: one row, or {} and 404."""
        table, row = _find_table(request), _find_row(request)
        found = (
            await self._transact(lambda c: rest_queries.read_row(c, table, row)) if row else None
        )
        return answer_json(found or {}, 200 if found else 404)

    async def show_history(self, request: Request) -> Response:
        """GET /api/slaves/ID/history: where a worker was sent, newest first."""
        row = _find_row(request)
        found = await self._transact(lambda c: rest_queries.read_history(c, row)) if row else None
        if found is None:
            raise HTTPException(404, "there is no such worker")
        return answer_json(found)

    async def edit_row(self, request: Request) -> Response:
        """PUT /api/TABLE/ID: change the fields that the body names."""
        author = Author(caller=require_caller(request))
        table, row = _find_table(request), _find_row(request)
        values = check_edit(table, parse_object(await read_body(request)))
        if isinstance(values.get("template"), str):
            _check_template(values["template"])
        if row is None:
            raise HTTPException(404, f"{table} has no row {request.path_params['key']!a}")
        edit = Edit(row=row, values=values)
        await self._transact(lambda c: edit_row(c, author, table, edit))
        return answer_json({"success": True})


def _check_template(text: str) -> None:
    try:
        check_template(text)
    except BadInput as err:
        raise BadInput(f"template: {err}") from err


def _find_table(request: Request) -> str:
    table: str = request.path_params["table"]
    if table not in RESOURCES:
        raise HTTPException(404, f"there is no {table!a}; there are {', '.join(RESOURCES)}")
    return table


def _find_row(request: Request) -> Row | None:
    """Read which row a path means; None for an id that no row can have."""
    key: str = request.path_params["key"]
    if request.query_params.get("byname", "0") not in {"0", "", "false"}:
        return Row(key=key) if "\0" not in key else None
    if key.isascii() and key.isdigit() and len(key) < 19:
        return Row(key=int(key))
    return None


def _find_enabled(request: Request) -> bool | None:
    asked = request.query_params.get("enabled")
    if asked is None:
        return None
    if asked.lower() not in BOOLEANS:
        raise HTTPException(400, "enabled: 1, 0, true or false")
    return BOOLEANS[asked.lower()]


HELP = """<!doctype html><html lang="en"><meta charset="utf-8"><title>slavealloc</title>
<h1>slavealloc</h1>
<p>Each table is JSON below its name, one row below its id, or below its name with
<code>?byname=1</code>:</p>
<ul>TABLES</ul>
<p><code>PUT</code> to a row changes the fields that the body, a JSON object, has.
<code>slaves</code> takes the filters <code>environment</code>, <code>purpose</code>,
<code>pool</code> and <code>enabled</code>; <code>slaves/ID/history</code> says where a worker was
sent.</p>
<p><code>gettac/NAME</code> shows the <code>buildbot.tac</code> a worker would get and records
nothing; machines ask <code>/gettac/NAME</code>, which records it.</p>
</html>
"""
