"""The pages on the whole farm: the dashboard, its silos, its jacuzzis and its changes."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from farmhand.errors import BadInput
from slavealloc import queries
from slavealloc.ui import change_queries, dashboard, farm_queries
from slavealloc.ui.change_queries import Wanted
from slavealloc.ui.dashboard import SHOWN
from slavealloc.ui.history import group_edits
from slavealloc.ui.silos import make_pivot
from slavealloc.ui.site import Site
from slavealloc.ui.worker_queries import read_names

CHANGES_READ = 300
PEOPLE_AMONG = 10_000
BUILDERS_SHOWN = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class FarmPages:
    """The handlers."""

    site: Site

    def routes(self) -> list[Route]:
        """List the paths."""
        return [
            Route("/", self.show_dashboard),
            Route("/silos", self.show_silos),
            Route("/jacuzzis", self.show_jacuzzis),
            Route("/changes", self.show_changes),
        ]

    async def show_dashboard(self, request: Request) -> Response:
        """GET /ui/: what is wrong first."""
        config = self.site.places.config

        def read(connection: Connection) -> dict[str, Any]:
            since = farm_queries.read_since(connection, counted_s=config.counted_s)
            names = read_names(connection)
            rules = queries.read_rules(connection, default_template=config.default_template)
            loads = farm_queries.read_master_loads(connection, since=since)
            spreads = dashboard.find_spreads(
                queries.read_loads(connection, since=since), rules.masters, names
            )
            worst = farm_queries.read_worst_builders(connection, since=since, most=SHOWN)
            edits = change_queries.read_edits(connection, Wanted(), before=None, most=CHANGES_READ)
            never = farm_queries.count_never_seen(connection)
            totals = dashboard.sum_counts(farm_queries.read_counts(connection, since=since))
            return {
                "totals": totals,
                "never": never,
                "fell_silent": totals.silent - never,
                "disabled": farm_queries.read_disabled(connection, most=SHOWN),
                "silent": farm_queries.read_silent(connection, since=since, most=SHOWN),
                "troubles": dashboard.find_troubles(
                    farm_queries.read_alike(connection, rules), rules.masters
                ),
                "masters_off": [load for load in loads if not load.enabled],
                "bars": dashboard.make_bars(loads),
                "spreads": spreads,
                "jacuzzis": farm_queries.read_jacuzzis(connection, worst, since=since),
                "builders": farm_queries.count_builders(connection),
                "changes": group_edits(edits, names)[:SHOWN],
                "shown": SHOWN,
            }

        return self.site.render(request, "dashboard.html", await self.site.transact(read))

    async def show_silos(self, request: Request) -> Response:
        """GET /ui/silos: silo × pool."""
        counted_s = self.site.places.config.counted_s

        def read(connection: Connection) -> object:
            since = farm_queries.read_since(connection, counted_s=counted_s)
            counts = farm_queries.read_counts(connection, since=since)
            return make_pivot(counts, read_names(connection))

        return self.site.render(request, "silos.html", await self.site.transact(read))

    async def show_jacuzzis(self, request: Request) -> Response:
        """GET /ui/jacuzzis; `q`: a part of builders' names, `after`: the last page's last one."""
        counted_s = self.site.places.config.counted_s
        part, after = _ask(request, "q"), _ask(request, "after")

        def read(connection: Connection) -> dict[str, Any]:
            since = farm_queries.read_since(connection, counted_s=counted_s)
            builders = farm_queries.read_builders(
                connection, part=part, after=after, most=BUILDERS_SHOWN + 1
            )
            shown = builders[:BUILDERS_SHOWN]
            return {
                "jacuzzis": farm_queries.read_jacuzzis(connection, shown, since=since),
                "part": part or "",
                "after": after,
                "next": shown[-1] if len(builders) > BUILDERS_SHOWN else None,
            }

        return self.site.render(request, "jacuzzis.html", await self.site.transact(read))

    async def show_changes(self, request: Request) -> Response:
        """GET /ui/changes; filtered by `who`, `table` and part of a `name`; older than `before`."""
        wanted = Wanted(
            who=_ask(request, "who"), table=_ask(request, "table"), name=_ask(request, "name")
        )
        before = _read_id(_ask(request, "before"))

        def read(connection: Connection) -> dict[str, Any]:
            edits = change_queries.read_edits(connection, wanted, before=before, most=CHANGES_READ)
            return {
                "entries": group_edits(edits, read_names(connection)),
                "wanted": wanted,
                "before": before,
                "older": edits[-1].id if len(edits) == CHANGES_READ else None,
                "people": change_queries.read_people(connection, among=PEOPLE_AMONG),
                "tables": change_queries.TABLES,
            }

        return self.site.render(request, "changes.html", await self.site.transact(read))


def _ask(request: Request, name: str) -> str | None:
    """Read a part of the query; nothing is like no such part, as forms send it."""
    asked = request.query_params.get(name, "").strip()
    if "\0" in asked:
        raise BadInput(f"{name}: no name has a NUL")
    return asked or None


def _read_id(asked: str | None) -> int | None:
    if asked is None:
        return None
    if not (asked.isascii() and asked.isdigit() and len(asked) < 19):
        raise BadInput("before: not a number")
    return int(asked)
