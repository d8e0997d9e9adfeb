"""The page of all workers: GET /ui/workers."""

from dataclasses import dataclass

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import Response

from slavealloc.ui import done_queries, list_queries
from slavealloc.ui.done import Done, describe_done, parse_done
from slavealloc.ui.list_asked import (
    PAGE_SIZE,
    Asked,
    format_asked,
    parse_asked,
    turn_back,
)
from slavealloc.ui.list_queries import Window
from slavealloc.ui.list_view import WorkerList, make_list
from slavealloc.ui.site import Site


@dataclass(frozen=True, kw_only=True, slots=True)
class ListPages:
    """The handler; also answers htmx, which wants what was found and no more."""

    site: Site

    async def show_workers(self, request: Request) -> Response:
        """GET /ui/workers: the workers that the address asks for."""
        asked, span = parse_asked(request.query_params), request.query_params.get("done", "")

        def read(connection: Connection) -> tuple[WorkerList, Done | None]:
            done = describe_done(span, done_queries.read_changes(connection, parse_done(span)))
            return self._read(connection, asked), done

        workers, done = await self.site.transact(read)
        view = {"list": workers, "done": done}
        if request.headers.get("hx-request") == "true":
            answer = self.site.render(request, "workers_found.html", view)
            typed = request.headers.get("hx-trigger-name") == "q"
            answer.headers["hx-replace-url" if typed else "hx-push-url"] = format_asked(asked)
        else:
            answer = self.site.render(request, "workers.html", view)
        # Else a browser that goes back may show htmx's part as if it were the page.
        answer.headers["vary"] = "HX-Request"
        return answer

    def _read(self, connection: Connection, asked: Asked) -> WorkerList:
        counted_s = self.site.places.config.counted_s
        known = list_queries.read_known(connection)
        total = list_queries.count_workers(connection, Asked(), known, counted_s=counted_s)
        count = total
        if asked.is_narrowed:
            count = list_queries.count_workers(connection, asked, known, counted_s=counted_s)
        asked = turn_back(asked, count)
        window = Window(start=(asked.page - 1) * PAGE_SIZE, size=PAGE_SIZE)
        rows = list_queries.find_workers(
            connection, asked, known, counted_s=counted_s, window=window
        )
        return make_list(asked, rows, known, count=count, total=total)
