"""POST /login and /logout: a page's token goes into a cookie that only this server gets."""

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from farmhand.db import FarmDb
from slavealloc.doors.bodies import read_form
from slavealloc.doors.gate import COOKIE, Uses, check_token
from slavealloc.doors.models import Scope
from slavealloc.doors.origins import FIRST_PAGE, choose_next, is_secure

LOGIN_PAGE = "/ui/login"
KEPT_S = 7 * 86400


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """The handlers; both lead to another page."""

    database: FarmDb
    uses: Uses

    def routes(self) -> list[Route]:
        """List the paths."""
        return [
            Route("/login", self.log_in, methods=["POST"]),
            Route("/logout", self.log_out, methods=["POST"]),
        ]

    async def log_in(self, request: Request) -> Response:
        """POST /login: keep a token that may write, and go on; else ask again, with failed=1."""
        form = dict(await read_form(request))
        token, target = form.get("token", "").strip(), choose_next(form.get("next", ""))
        visit = await run_in_threadpool(check_token, self.database, token)
        if visit.token is None or visit.token.scope is not Scope.WRITE:
            query = urlencode({"failed": 1, "next": target})
            return RedirectResponse(f"{LOGIN_PAGE}?{query}", 303)
        await self.uses.note(visit.token)
        answer = RedirectResponse(target, 303)
        answer.set_cookie(
            COOKIE,
            token,
            max_age=KEPT_S,
            path="/",
            secure=_came_by_https(request),
            httponly=True,
            samesite="strict",
        )
        return answer

    async def log_out(self, _: Request) -> Response:
        """POST /logout: forget the token."""
        answer = RedirectResponse(FIRST_PAGE, 303)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer


def _came_by_https(request: Request) -> bool:
    client = request.client.host if request.client else None
    return is_secure(request.url.scheme, client, request.headers.get("x-forwarded-proto"))
