"""What the HTTP service's answers look like, errors included."""

import json
import logging
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from farmhand.errors import BadInput, Unavailable
from slavealloc.numbers import Numbers
from slavealloc.rest.edits import Conflict, InUse, Missing

log = logging.getLogger("slavealloc")
RETRY_AFTER_S = 5
GETTAC = "/gettac/"


class Json(JSONResponse):
    """JSON in ASCII, whatever a request made us quote."""

    def render(self, content: Any) -> bytes:
        """Write the document."""
        return json.dumps(content).encode("ascii")


def answer_json(document: Any, status: int = 200) -> Response:
    """Answer with JSON that nobody may keep."""
    return Json(document, status, {"cache-control": "no-cache"})


async def answer_exception(request: Request, err: Exception, numbers: Numbers) -> Response:
    """Answer what a handler, or the router, raised."""
    if isinstance(err, HTTPException):
        return answer_error(request, err.detail, err.status_code, err.headers)
    if isinstance(err, BadInput):
        return answer_error(request, str(err), 400)
    if isinstance(err, Missing):
        return answer_error(request, str(err), 404)
    if isinstance(err, InUse):
        return answer_error(request, str(err), 409)
    if isinstance(err, Conflict):
        headers = {"etag": f'"{err.now.etag}"'}
        return Json({"error": str(err), "row": dict(err.now.row)}, 412, headers)
    if isinstance(err, Unavailable):
        numbers.unavailable.inc()
        log.error("%s: %s", request.scope["path"], err)
        message = "the farm database does not answer; ask again"
        return answer_error(request, message, 503, {"retry-after": str(RETRY_AFTER_S)})
    # The reason is for the log, its number for the caller.
    number = uuid.uuid4().hex[:8]
    path = request.scope["path"]
    log.error("%s: error %s: this is a bug in farmhand", path, number, exc_info=err)
    return answer_error(request, f"error processing request: see {number} in the log", 500)


def answer_error(
    request: Request, message: str, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer machines in plain text, as they know it, and everybody else in JSON."""
    if request.scope["path"].startswith(GETTAC):
        return PlainTextResponse(message, status, headers)
    return Json({"error": message}, status, headers)
