"""The HTTP service: what stands at which path."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from farmhand.errors import FarmError
from slavealloc import replies
from slavealloc.batches import Batches
from slavealloc.doors.gate import Gate, Uses, check_tokens
from slavealloc.doors.login import Login
from slavealloc.doors.machines import MachineDoor
from slavealloc.machines import GiveTac, Machines
from slavealloc.models import Placement
from slavealloc.numbers import Numbers
from slavealloc.pages import Page, make_pages
from slavealloc.places import Places
from slavealloc.rest.routes import make_api
from slavealloc.tac import Stamp
from slavealloc.ui.routes import make_routes
from slavealloc.ui.site import Site, make_site, show_error

log = logging.getLogger("slavealloc")


def create_app(places: Places, farm: str, *, pages: bool = True, allocator: bool = True) -> ASGIApp:
    """Make the service: `allocator` is what machines ask, `pages` what people open."""
    numbers = Numbers()
    host = socket.getfqdn()

    def decide(names: Sequence[str]) -> Mapping[str, Page]:
        stamp = Stamp(now=datetime.now(UTC), host=host)
        answers, made = places.assign(names, partial(make_pages, names, stamp=stamp))
        moves = [each for each in answers.values() if isinstance(each, Placement) and each.moved]
        numbers.batch.observe(len(names))
        numbers.moves.inc(len(moves))
        _log_moves(moves, len(names))
        return made

    batches = Batches(decide)
    visits = Batches(partial(check_tokens, places.database))
    crowds = (batches, visits) if places.config.machines_need_token else (batches,)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        deciding = [asyncio.create_task(each.run()) for each in crowds]
        yield
        for task in deciding:
            task.cancel()
        await asyncio.gather(*deciding, return_exceptions=True)

    site = make_site(places, farm) if pages else None
    answer = partial(_answer, numbers, site)
    uses = Uses(database=places.database)
    api = make_api(places, numbers, batches if allocator else None)
    kinds = (HTTPException, FarmError, Exception)
    inside = Starlette(
        routes=_list_routes(places, numbers, uses, api, site),
        lifespan=lifespan,
        exception_handlers=dict.fromkeys(kinds, answer),
    )
    rest = Gate(app=inside, database=places.database, uses=uses, refuse=answer)
    if not allocator:
        return rest
    give_tac: ASGIApp = GiveTac(batches=batches, numbers=numbers)
    if places.config.machines_need_token:
        give_tac = MachineDoor(give_tac=give_tac, visits=visits, uses=uses, refuse=answer)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        is_machine = scope["type"] == "http" and scope["path"].startswith(replies.GETTAC)
        await (give_tac if is_machine else rest)(scope, receive, send)

    return serve


async def _answer(
    numbers: Numbers, site: Site | None, request: Request, err: Exception
) -> Response:
    """Answer what a handler, or the router, raised: pages with a page."""
    reply = await replies.answer_exception(request, err, numbers)
    if site and request.scope["path"].startswith("/ui/"):
        return show_error(site, request, reply)
    return reply


def _list_routes(
    places: Places, numbers: Numbers, uses: Uses, api: Sequence[Route], site: Site | None
) -> list[BaseRoute]:
    return [
        *Machines(places=places, numbers=numbers).routes(),
        Mount("/api/v1", routes=api),
        Mount("/api", routes=api),
        Route("/", _show_pages if site else _show_hint),
        *(Login(database=places.database, uses=uses).routes() if site else ()),
        *([Mount("/ui", routes=make_routes(site))] if site else ()),
    ]


def _log_moves(moves: Sequence[Placement], asked: int) -> None:
    if not moves:
        return
    shown = [
        f"{move.worker.name} → {move.master.nickname if move.master else 'none'} ({move.reason})"
        for move in moves[:5]
    ]
    more = f" and {len(moves) - 5} more" if len(moves) > 5 else ""
    log.info("%d asked, %d moved: %s%s", asked, len(moves), ", ".join(shown), more)


async def _show_hint(_: Request) -> Response:
    return PlainTextResponse(
        "No web pages here. A machine's buildbot.tac is at /gettac/NAME.\n", 404
    )


async def _show_pages(_: Request) -> Response:
    return RedirectResponse("/ui/", 302)
