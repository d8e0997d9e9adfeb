"""Which page stands at which path, below /ui."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from slavealloc.doors.origins import FIRST_PAGE
from slavealloc.ui.bulk_pages import BulkPages
from slavealloc.ui.farm_pages import FarmPages
from slavealloc.ui.list_pages import ListPages
from slavealloc.ui.master_pages import MasterPages
from slavealloc.ui.site import Site
from slavealloc.ui.worker_pages import WorkerPages


def make_routes(site: Site) -> list[BaseRoute]:
    """List the pages."""

    async def show_login(request: Request) -> Response:
        query = request.query_params
        view = {"next": query.get("next", FIRST_PAGE), "failed": "failed" in query}
        return site.render(request, "login.html", view)

    workers, bulk = ListPages(site=site), BulkPages(site=site)
    return [
        Route("/login", show_login),
        *FarmPages(site=site).routes(),
        *WorkerPages(site=site).routes(),
        *MasterPages(site=site).routes(),
        Route("/undo", bulk.undo, methods=["POST"]),
        Route("/workers", workers.show_workers),
        Route("/workers", bulk.edit_many, methods=["POST"]),
        Route("/static/{digest}/{name}", site.assets.serve),
    ]
