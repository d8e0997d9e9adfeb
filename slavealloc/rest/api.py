"""The REST API for people and their tools, under /api as it always was and under /api/v1."""

from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from farmhand import __version__
from slavealloc import queries
from slavealloc.doors.gate import require_token
from slavealloc.pages import make_pages, normalize_name
from slavealloc.places import Places
from slavealloc.replies import answer_json
from slavealloc.rest import edits, jacuzzis
from slavealloc.rest import queries as rest_queries
from slavealloc.rest.asking import (
    answer_row,
    answer_rows,
    find_row,
    find_table,
    is_strict,
    transact,
)
from slavealloc.rest.edits import Missing
from slavealloc.rest.history_queries import read_history
from slavealloc.rest.list_queries import read_list
from slavealloc.rest.resources import RESOURCES
from slavealloc.rest.wanted import Wanted, parse_wanted
from slavealloc.tac import Stamp


@dataclass(frozen=True, kw_only=True, slots=True)
class Api:
    """The handlers that only read; each runs its one transaction in a thread."""

    places: Places
    host: str

    async def show_help(self, _: Request) -> Response:
        """GET /api/: what there is, for people."""
        names = (*RESOURCES, "jacuzzis")
        tables = "".join(f'<li><a href="{name}">{name}</a></li>' for name in names)
        return HTMLResponse(HELP.replace("TABLES", tables))

    async def show_health(self, _: Request) -> Response:
        """GET /api/health: 200 as long as the database answers, 503 while it does not."""
        masters = await transact(self.places.database, queries.read_masters)
        enabled = sum(master.enabled for master in masters.values())
        return answer_json({"status": "ok", "version": __version__, "enabled_masters": enabled})

    async def preview_tac(self, request: Request) -> Response:
        """GET /api/gettac/NAME: the tac a worker would get; nothing is recorded."""
        if self.places.config.machines_need_token:
            require_token(request)
        name = normalize_name(request.path_params["name"])
        answers = await run_in_threadpool(self.places.preview, [name])
        page = make_pages([name], answers, Stamp(now=datetime.now(UTC), host=self.host))[name]
        if page.status != 200:
            return answer_json({"success": False, "error": page.text}, page.status)
        return answer_json({"success": True, "tac": page.text, "master": page.master})

    async def list_rows(self, request: Request) -> Response:
        """GET /api/TABLE: the rows of a table."""
        table = find_table(request)
        query = request.query_params.multi_items()
        wanted = parse_wanted(table, query, strict=is_strict(request))
        counted_s = self.places.config.counted_s
        found = await transact(
            self.places.database, lambda c: read_list(c, table, wanted, counted_s=counted_s)
        )
        headers = {"x-total-count": str(found.total), **_link(request, wanted, found.total)}
        return answer_rows(request, found.rows, headers)

    async def show_row(self, request: Request) -> Response:
        """GET /api/TABLE/ID: one row, or {} and 404."""
        table = find_table(request)
        try:
            row = find_row(request, table)
            version = await transact(
                self.places.database, lambda c: edits.read_version(c, table, row)
            )
        except (HTTPException, Missing):
            return answer_json({}, 404)
        return answer_row(request, version)

    async def show_history(self, request: Request) -> Response:
        """GET /api/slaves/ID/history: where a worker was sent, and what was changed of it."""
        row = find_row(request, "slaves")
        found = await transact(self.places.database, lambda c: read_history(c, row))
        if found is None:
            raise HTTPException(404, "there is no such worker")
        return answer_json(found)

    async def list_jacuzzis(self, request: Request) -> Response:
        """GET /api/jacuzzis: the builders that are confined to workers, and to which."""
        found = await transact(self.places.database, rest_queries.read_jacuzzis)
        rows = [{"builder": builder, "machines": names} for builder, names in found.items()]
        return answer_rows(request, rows)

    async def show_jacuzzi(self, request: Request) -> Response:
        """GET /api/jacuzzis/BUILDER: the workers that a builder is confined to."""
        builder = request.path_params["builder"]
        version = await transact(self.places.database, lambda c: jacuzzis.read_version(c, builder))
        return answer_row(request, version)


def _link(request: Request, wanted: Wanted, total: int) -> dict[str, str]:
    """Point to the parts of a list beside this one, as RFC 8288 has it."""
    if wanted.limit is None:
        return {}
    last = max(0, total - 1) // wanted.limit * wanted.limit
    places = {"first": 0, "last": last}
    if wanted.offset:
        places["prev"] = max(0, wanted.offset - wanted.limit)
    if wanted.offset + wanted.limit < total:
        places["next"] = wanted.offset + wanted.limit
    urls = {rel: request.url.include_query_params(offset=at) for rel, at in places.items()}
    links = [f'<{url.path}?{url.query}>; rel="{rel}"' for rel, url in urls.items()]
    return {"link": ", ".join(links)}


HELP = """<!doctype html><html lang="en"><meta charset="utf-8"><title>slavealloc</title>
<h1>slavealloc</h1>
<p>Each table is JSON below its name, one row below its id, or below its name with
<code>?byname=1</code>:</p>
<ul>TABLES</ul>
<p>With a token, <code>PUT</code> to a row changes the fields that the body, a JSON object, has;
<code>POST</code> to a table adds a row, <code>DELETE</code> deletes one. All of it is in
<a href="openapi.json">openapi.json</a>.</p>
<p><code>gettac/NAME</code> shows the <code>buildbot.tac</code> a worker would get and records
nothing; machines ask <code>/gettac/NAME</code>, which records it.</p>
</html>
"""
