"""What every page needs: the farm's database, its name, templates, and who asks."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy.engine import Connection
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from farmhand import __version__
from farmhand.conflicts import retried
from farmhand.output import format_time
from farmhand.wording import format_ago
from slavealloc.doors.gate import find_caller
from slavealloc.places import Places
from slavealloc.ui.assets import Assets, read_assets
from slavealloc.ui.words import (
    Piece,
    choose_colour,
    format_number,
    link_bugs,
    shorten,
)

TEMPLATES = Path(__file__).parent / "templates"
PAGES = (
    ("/ui/", "Dashboard"),
    ("/ui/workers", "Workers"),
    ("/ui/masters", "Masters"),
    ("/ui/silos", "Silos"),
    ("/ui/jacuzzis", "Jacuzzis"),
    ("/ui/changes", "Changes"),
)
Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """One farm's pages."""

    places: Places
    farm: str
    assets: Assets
    templates: Environment

    def render(self, request: Request, name: str, view: object, status: int = 200) -> Response:
        """Make a page of a template and its view; the page is nobody's to keep."""
        text = self.templates.get_template(name).render(
            view=view,
            here=request.url.path,
            asked=f"{request.url.path}?{request.url.query}".rstrip("?"),
            me=find_caller(request),
            now=datetime.now(UTC),
        )
        return HTMLResponse(text, status, {"cache-control": "no-cache"})

    async def transact(self, work: Callable[[Connection], Found]) -> Found:
        """Do a page's reading or writing in one transaction, in a thread."""

        @retried
        def transaction() -> Found:
            with self.places.database.begin() as connection:
                return work(connection)

        return await run_in_threadpool(transaction)


def make_site(places: Places, farm: str) -> Site:
    """Read templates, style and scripts of the pages."""
    assets = Assets(files=read_assets())
    bug_links = places.config.bug_links

    def linked(text: str | None, most: int) -> Sequence[Piece]:
        return link_bugs(shorten(text or "", most), bug_links)

    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.filters |= {
        "ago": format_ago,
        "linked": linked,
        "number": format_number,
        "urlencode_all": _quote_all,
        "utc": format_time,
    }
    templates.globals |= {
        "asset": assets.url,
        "farm": farm,
        "colour": choose_colour(farm),
        "login_url": _login_url,
        "pages": PAGES,
        "version": __version__,
    }
    return Site(places=places, farm=farm, assets=assets, templates=templates)


def show_error(site: Site, request: Request, answer: Response) -> Response:
    """Say on a page what the REST API would have said in JSON."""
    view = {
        "title": HTTPStatus(answer.status_code).phrase,
        "message": json.loads(bytes(answer.body))["error"],
    }
    page = site.render(request, "error.html", view, answer.status_code)
    page.headers.update({k: v for k, v in answer.headers.items() if k == "retry-after"})
    return page


def _quote_all(text: str) -> str:
    return quote(text, safe="")


def _login_url(asked: str) -> str:
    return f"/ui/login?next={_quote_all(asked)}"
