"""A path of the API with what stands behind it: one list makes both the routes and OpenAPI."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

Handler = Callable[[Request], Awaitable[Response]]
Schema = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shapes:
    """What is sent and answered, as JSON schemas; `query` is a form of forms.py.

    `answer` is what `status` has; None: no JSON. `missing` is what a 404 may have but an error.
    """

    answer: Schema | None
    status: int = 200
    query: Any = None
    sorts: Sequence[str] = ()
    body: Schema | None = None
    missing: Schema | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """A method of a path; its handler's docstring says what it does.

    `shapes`: what {table} stands for → its shapes; the key of a path without {table} is "".
    `writes`: it wants a token.
    """

    method: str
    path: str
    handle: Handler
    shapes: Mapping[str, Shapes]
    writes: bool = False

    @property
    def conditional(self) -> bool:
        """Whether it heeds If-Match."""
        return self.writes and "{" in self.path.replace("{table}", "")

    @property
    def summary(self) -> str:
        """What it does, in a line."""
        said = (self.handle.__doc__ or "").strip().splitlines()[0]
        return said.partition(": ")[2].rstrip(".")


@dataclass(frozen=True, kw_only=True, slots=True)
class Methods:
    """An endpoint that knows all methods of its path, so that a 405 can name them."""

    handlers: Mapping[str, Handler]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse a method there is not."""
        request = Request(scope, receive)
        handle = self.handlers.get("GET" if request.method == "HEAD" else request.method)
        if handle is None:
            allowed = ", ".join([*self.handlers, *(["HEAD"] if "GET" in self.handlers else [])])
            raise HTTPException(405, f"only {allowed} here", {"allow": allowed})
        await (await handle(request))(scope, receive, send)


def make_routes(operations: Sequence[Operation]) -> list[Route]:
    """Make a route for each path, in order."""
    paths: dict[str, dict[str, Handler]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method] = operation.handle
    return [Route(path, Methods(handlers=handlers)) for path, handlers in paths.items()]
