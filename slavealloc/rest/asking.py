"""What the handlers share: which table and row a request means, on which condition, and answers."""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy.engine import Connection
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from farmhand.conflicts import retried
from farmhand.db import FarmDb
from farmhand.errors import BadInput
from slavealloc.doors.gate import require_caller
from slavealloc.replies import Json
from slavealloc.rest.edits import Author
from slavealloc.rest.forms import Reason, RowQuery
from slavealloc.rest.queries import Row
from slavealloc.rest.resources import RESOURCES, check_form
from slavealloc.rest.versions import Version, digest

FRESH = {"cache-control": "no-cache"}
# Weak ones too: a proxy that compresses an answer weakens its tag.
TAG = re.compile(r'(?:W/)?"([^"]*)"')
Found = TypeVar("Found")


async def transact(database: FarmDb, work: Callable[[Connection], Found]) -> Found:
    """Run a transaction in a thread, again where another one was in its way."""

    @retried
    def transaction() -> Found:
        with database.begin() as connection:
            return work(connection)

    return await run_in_threadpool(transaction)


def is_strict(request: Request) -> bool:
    """Say whether this is no old client's: those are below /api alone, and may send anything."""
    return bool(request.scope["root_path"].endswith("/v1"))


def find_table(request: Request) -> str:
    """Read which table a path means; raises HTTPException 404."""
    table: str = request.path_params["table"]
    if table not in RESOURCES:
        raise HTTPException(404, f"there is no {table!a}; there are {', '.join(RESOURCES)}")
    return table


def find_row(request: Request, table: str, form: Any = RowQuery) -> Row:
    """Read which row a path means; `form` is what may stand behind the question mark.

    Raises HTTPException 404 for an id that no row can have, and BadInput.
    """
    key: str = request.path_params["key"]
    byname = request.query_params.get("byname", "0")
    if is_strict(request):
        check_form(form, request.query_params)
    if byname.lower() not in {"0", "", "false"}:
        return Row(key=key)
    if key.isascii() and key.isdigit() and len(key) < 19:
        return Row(key=int(key))
    raise HTTPException(404, f"{table} has no row {key!a}")


def find_author(request: Request, why: object = None) -> Author:
    """Say who makes a change and why; raises HTTPException 401 and 403, and BadInput."""
    caller = require_caller(request)
    return Author(caller=caller, why=check_form(Reason, {"why": why})["why"] or None)


def find_condition(request: Request) -> str | None:
    """Read which version an edit was decided on; None: on any. Raises BadInput."""
    asked = request.headers.get("if-match")
    if asked in {None, "*"}:
        return None
    found = TAG.fullmatch(asked or "")
    if not found:
        raise BadInput('If-Match: expected one ETag in quotes, as the row\'s GET gave it, or "*"')
    return found[1].partition(".")[0]


def answer_rows(
    request: Request, document: Any, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with JSON and the tag of all of it, or with 304 to who has just that."""
    answer = Json(document)
    return _unless_known(request, answer, digest(bytes(answer.body)), headers or {})


def answer_row(
    request: Request, version: Version, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with one row; its tag says what may be edited, a dot, and what is shown.

    So an edit does not fail because a machine asked meanwhile, and yet no old row counts as new.
    """
    answer = Json(version.row)
    tag = f"{version.etag}.{digest(bytes(answer.body))}"
    return _unless_known(request, answer, tag, headers or {})


def _unless_known(request: Request, answer: Json, tag: str, headers: Mapping[str, str]) -> Response:
    answer.headers.update({**FRESH, **headers, "etag": f'"{tag}"'})
    known = TAG.findall(request.headers.get("if-none-match", ""))
    if tag in known and request.method in {"GET", "HEAD"}:
        kept = {name: answer.headers[name] for name in ("etag", "cache-control")}
        return Response(status_code=304, headers=kept)
    return answer


def answer_added(request: Request, version: Version) -> Response:
    """Answer 201 with the row that is new, and where it is."""
    answer = answer_row(request, version, {"location": f"{request.url.path}/{version.id}"})
    answer.status_code = 201
    return answer
