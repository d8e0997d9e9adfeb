"""All masters, and one master's page with its workers and its forms."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from slavealloc.rest.edits import Missing
from slavealloc.ui import farm_queries, row_pages
from slavealloc.ui.row_pages import Asked, RowForm
from slavealloc.ui.silos import link_workers
from slavealloc.ui.site import Site
from slavealloc.ui.worker_queries import DELETED

TABLE = "masters"
WORKERS_SHOWN = 25


@dataclass(frozen=True, kw_only=True, slots=True)
class MasterPages:
    """The handlers."""

    site: Site

    def routes(self) -> list[Route]:
        """List the paths."""
        form = RowForm(site=self.site, table=TABLE, show=self._show)
        path = "/masters/{name}"
        return [
            Route("/masters", self.list_masters),
            Route(path, self.show, methods=["GET"]),
            Route(path, form.save, methods=["POST"]),
        ]

    async def list_masters(self, request: Request) -> Response:
        """GET /ui/masters: those that are disabled first."""
        counted_s = self.site.places.config.counted_s

        def read(connection: Connection) -> dict[str, Any]:
            since = farm_queries.read_since(connection, counted_s=counted_s)
            loads = farm_queries.read_master_loads(connection, since=since)
            return {
                "masters": sorted(loads, key=lambda load: load.enabled),
                "most": max((load.total for load in loads), default=0),
            }

        return self.site.render(request, "masters.html", await self.site.transact(read))

    async def show(self, request: Request) -> Response:
        """GET /ui/masters/NICKNAME; `edit` and `before` as on a worker's page."""
        return await self._show(request, row_pages.read_asked(request), 200)

    async def _show(self, request: Request, asked: Asked, status: int) -> Response:
        nickname = request.path_params["name"]
        counted_s = self.site.places.config.counted_s

        def read(connection: Connection) -> dict[str, Any]:
            found = row_pages.read_row(connection, TABLE, nickname, asked)
            since = farm_queries.read_since(connection, counted_s=counted_s)
            loads = farm_queries.read_master_loads(connection, since=since)
            load = next((load for load in loads if load.nickname == nickname), None)
            if load is None:
                raise Missing(DELETED)
            return {
                "row": row_pages.make_row_view(TABLE, found, asked, []),
                "load": load,
                "workers": farm_queries.read_workers_of(
                    connection, found.version.id, since=since, most=WORKERS_SHOWN
                ),
                "locked": farm_queries.count_locked(connection, found.version.id),
                "workers_link": link_workers(master=nickname),
                "locked_link": link_workers(locked=nickname),
            }

        view = await self.site.transact(read)
        return self.site.render(request, "master.html", view, status)
