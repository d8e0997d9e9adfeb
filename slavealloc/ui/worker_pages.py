"""One worker's page: what it is, why it is where it is, what happened to it, and its forms."""

import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from slavealloc.doors.gate import find_caller
from slavealloc.tac import Stamp
from slavealloc.ui import row_pages, worker_queries
from slavealloc.ui.explain import explain_place
from slavealloc.ui.row_pages import ENTRIES_SHOWN, Asked, RowForm
from slavealloc.ui.silos import link_workers, name_silo
from slavealloc.ui.site import Site

TABLE = "workers"


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerPages:
    """The handlers."""

    site: Site

    def routes(self) -> list[Route]:
        """List the paths."""
        form = RowForm(site=self.site, table=TABLE, show=self._show)
        path = "/workers/{name}"
        return [
            Route(path, self.show, methods=["GET"]),
            Route(path, form.save, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """GET /ui/workers/NAME; `edit`: the field to edit, `before`: how old the history is."""
        return await self._show(request, row_pages.read_asked(request), 200)

    async def _show(self, request: Request, asked: Asked, status: int) -> Response:
        name = request.path_params["name"]
        config = self.site.places.config
        shows_tac = not config.machines_need_token or find_caller(request) is not None
        stamp = Stamp(now=datetime.now(UTC), host=socket.gethostname())

        def read(connection: Connection) -> dict[str, Any]:
            found = row_pages.read_row(connection, TABLE, name, asked)
            worker_id = found.version.id
            allocations = worker_queries.read_allocations(
                connection, worker_id, before=asked.before, most=ENTRIES_SHOWN + 1
            )
            seen = worker_queries.read_seen(connection, worker_id, counted_s=config.counted_s)
            place = worker_queries.read_place(connection, name, config)
            silo = name_silo(place.answer.worker.silo, found.names)
            return {
                "row": row_pages.make_row_view(TABLE, found, asked, allocations),
                "seen": seen,
                "master": found.names["masters"].get(seen.current_master_id or 0),
                "silo": " · ".join(part for part in silo.values() if part),
                "silo_link": link_workers(**silo),
                "place": explain_place(place.answer, place.masters, place.loads, stamp),
                "builders": worker_queries.read_builders_of(connection, worker_id),
                "shows_tac": shows_tac,
            }

        view = await self.site.transact(read)
        return self.site.render(request, "worker.html", view, status)
