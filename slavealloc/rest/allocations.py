"""POST /api/allocations: what /gettac does, as JSON and for many at once."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from farmhand.errors import BadInput
from slavealloc.batches import Batches
from slavealloc.doors.bodies import read_body
from slavealloc.doors.gate import require_token
from slavealloc.numbers import Numbers
from slavealloc.pages import Outcome, Page, normalize_name
from slavealloc.replies import answer_json
from slavealloc.rest.forms import Asked
from slavealloc.rest.resources import check_form, parse_object

TACS = {Outcome.PLACED, Outcome.DISABLED}


@dataclass(frozen=True, kw_only=True, slots=True)
class Allocations:
    """The handler; it asks as machines do, in the same batches and with the same token."""

    batches: Batches[Page]
    numbers: Numbers
    need_token: bool

    async def allocate(self, request: Request) -> Response:
        """POST /api/allocations: give workers their places and record them, as /gettac does."""
        if self.need_token:
            require_token(request)
        asked = check_form(Asked, parse_object(await read_body(request)))
        if ("name" in asked) == ("names" in asked):
            raise BadInput("name: expected either name or names")
        names = [normalize_name(name) for name in asked.get("names") or [asked["name"]]]
        shown = asked.get("tac", False)
        pages = await asyncio.gather(*(self._ask(name) for name in names))
        found = [_show(name, page, tac=shown) for name, page in zip(names, pages, strict=True)]
        return answer_json({"allocations": found})

    async def _ask(self, name: str) -> Page:
        asked_at = time.monotonic()
        page = await self.batches.ask(name)
        self.numbers.count(page.outcome, time.monotonic() - asked_at)
        return page


def _show(name: str, page: Page, *, tac: bool) -> dict[str, Any]:
    placed = page.outcome in TACS
    return {
        "name": name,
        "outcome": page.outcome,
        "master": page.master,
        "tac": page.text if placed and tac else None,
        "error": None if placed else page.text,
    }
