"""What the HTTP service's answers look like, errors included."""

import json
import logging
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

log = logging.getLogger("slavealloc")
RETRY_AFTER_S = 5


class Json(JSONResponse):
    """JSON in ASCII, whatever a request made us quote."""

    def render(self, content: Any) -> bytes:
        """Write the document."""
        return json.dumps(content).encode("ascii")


def answer_json(document: Any, status: int = 200) -> Response:
    """Answer with JSON that nobody may keep."""
    return Json(document, status, {"cache-control": "no-cache"})


async def answer_http_error(request: Request, err: Exception) -> Response:
    """Answer what a handler, or the router, refused."""
    status, detail, headers = 500, str(err), None
    if isinstance(err, HTTPException):
        status, detail, headers = err.status_code, err.detail, err.headers
    return answer_error(request, detail, status, headers)


async def answer_bad_input(request: Request, err: Exception) -> Response:
    """Answer a request whose body or query is wrong."""
    return answer_error(request, str(err), 400)


async def answer_unavailable(request: Request, err: Exception) -> Response:
    """Answer while the database is away."""
    log.error("%s: %s", request.url.path, err)
    message = "the farm database does not answer; ask again"
    return answer_error(request, message, 503, {"retry-after": str(RETRY_AFTER_S)})


async def answer_bug(request: Request, err: Exception) -> Response:
    """Answer what must not happen: the reason is for the log, its number for the caller."""
    number = uuid.uuid4().hex[:8]
    log.error("%s: error %s: this is a bug in farmhand", request.url.path, number, exc_info=err)
    return answer_error(request, f"error processing request: see {number} in the log", 500)


def answer_error(
    request: Request, message: str, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer machines in plain text, as they know it, and everybody else in JSON."""
    if request.url.path.startswith("/gettac/"):
        return PlainTextResponse(message, status, headers)
    return Json({"error": message}, status, headers)
