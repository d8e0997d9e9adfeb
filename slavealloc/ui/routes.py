"""Which page stands at which path, below /ui."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from slavealloc.ui.site import Site


def make_routes(site: Site) -> list[BaseRoute]:
    """List the pages."""

    async def show_login(request: Request) -> Response:
        return site.render(request, "login.html", request.query_params.get("next", "/ui/"))

    return [
        Route("/login", show_login),
        Route("/static/{digest}/{name}", site.assets.serve),
    ]
