"""What machines and cron jobs ask: /gettac, and who may run a builder's jobs."""

import asyncio
import time
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from farmhand.errors import Unavailable
from slavealloc.batches import Batches
from slavealloc.numbers import Numbers
from slavealloc.pages import Page, normalize_name
from slavealloc.places import Places
from slavealloc.replies import GETTAC, answer_exception, answer_json
from slavealloc.rest import queries as rest_queries
from slavealloc.ui.dashboard import MasterLoad
from slavealloc.ui.farm_queries import read_master_loads, read_since

# Numbers that come late are no use to who asks every quarter of a minute.
LOADS_S = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class GiveTac:
    """GET /gettac/NAME: the worker's buildbot.tac, and its place recorded.

    An ASGI application of its own, in front of the others: routing and the layers that serve all
    other paths would be half of what a request costs.
    """

    batches: Batches[Page]
    numbers: Numbers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one machine."""
        asked_at = time.monotonic()
        try:
            page = await self._find_page(scope)
        except Exception as err:  # noqa: BLE001 - each becomes an answer, and is logged there
            reply = await answer_exception(Request(scope, receive), err, self.numbers)
            await reply(scope, receive, send)
            return
        self.numbers.count(page.outcome, time.monotonic() - asked_at)
        body = page.text.encode("utf-8", "replace")
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": page.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _find_page(self, scope: Scope) -> Page:
        if scope["method"] != "GET":
            raise HTTPException(405, "only GET: it records an allocation", {"allow": "GET"})
        return await self.batches.ask(normalize_name(scope["path"].removeprefix(GETTAC)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Machines:
    """The handlers of what only reads."""

    places: Places
    numbers: Numbers

    def routes(self) -> list[Route]:
        """List the paths."""
        return [
            Route("/v1/builders/{name:path}", self.show_jacuzzi),
            Route("/v1/allocated/all", self.show_allocated),
            Route("/metrics", self.show_metrics),
        ]

    async def show_jacuzzi(self, request: Request) -> Response:
        """GET /v1/builders/NAME: the workers a builder is confined to."""
        builder = request.path_params["name"]
        # PostgreSQL takes no NUL, and no builder's name has one.
        machines = [] if "\0" in builder else await run_in_threadpool(self._read_jacuzzi, builder)
        if not machines:
            raise HTTPException(404, "this builder has no jacuzzi")
        return answer_json({"machines": machines})

    def _read_jacuzzi(self, builder: str) -> list[str]:
        with self.places.database.begin() as connection:
            return rest_queries.read_jacuzzi(connection, builder)

    async def show_allocated(self, _: Request) -> Response:
        """GET /v1/allocated/all: the workers that any jacuzzi has."""
        return answer_json({"machines": await run_in_threadpool(self._read_allocated)})

    def _read_allocated(self) -> list[str]:
        with self.places.database.begin() as connection:
            return rest_queries.read_allocated(connection)

    async def show_metrics(self, _: Request) -> Response:
        """GET /metrics: the server's numbers, and the masters', where the database answers soon."""
        try:
            async with asyncio.timeout(LOADS_S):
                self.numbers.show_loads(await run_in_threadpool(self._read_loads))
        except (Unavailable, TimeoutError):
            self.numbers.show_loads(())
        return Response(self.numbers.render(), media_type="text/plain; version=0.0.4")

    def _read_loads(self) -> list[MasterLoad]:
        with self.places.database.begin() as connection:
            since = read_since(connection, counted_s=self.places.config.counted_s)
            return read_master_loads(connection, since=since)
