"""The gate in front of all but /gettac: who asks, and what every answer says to browsers."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from farmhand.conflicts import retried
from farmhand.db import FarmDb
from farmhand.errors import FarmError
from slavealloc.doors import models, origins, queries
from slavealloc.doors.models import Caller, Token, Visit
from slavealloc.doors.tokens import digest_token

log = logging.getLogger("slavealloc")

COOKIE = "farmhand_token"
FORGET = f"{COOKIE}=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict".encode()
VISIT = "farmhand.visit"
# What needs no caller, and is asked for often.
UNASKED = ("/ui/static/", "/metrics")
HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        b"font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        b"frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # With no-referrer a page's own forms would come from the origin "null".
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
HOW = (
    "`slavealloc token add NAME` on the server makes one; send it as `Authorization: Bearer TOKEN` "
    "(the command line: $FARMHAND_TOKEN, or slavealloc.api_token in farmhand.yml), "
    "or log in at /ui/login"
)
ASK = {"www-authenticate": 'Bearer realm="slavealloc"'}

Refuse = Callable[[Request, Exception], Awaitable[Response]]


# What handlers ask


def find_caller(request: Request) -> Caller | None:
    """Return who may make changes here, if this request shows a token that is good for that."""
    token = _find_visit(request).token
    return Caller(name=token.name) if token and token.scope is models.Scope.WRITE else None


def require_caller(request: Request) -> Caller:
    """Return who makes a change; raises HTTPException 401, which says what to do, and 403."""
    visit, caller = _find_visit(request), find_caller(request)
    if caller is not None:
        return caller
    if visit.token is not None:
        raise HTTPException(403, f'the token "{visit.token.name}" is a machine\'s: {HOW}')
    raise HTTPException(401, f"{visit.problem or 'a change needs a token'}: {HOW}", ASK)


def require_token(request: Request) -> Token:
    """Return the token a request shows, whatever it is good for; raises HTTPException 401."""
    visit = _find_visit(request)
    if visit.token is None:
        raise HTTPException(401, f"{visit.problem or 'this needs a token'}: {HOW}", ASK)
    return visit.token


def _find_visit(request: Request) -> Visit:
    visit: Visit = request.scope[VISIT]
    return visit


# Tokens in the database


def check_token(database: FarmDb, token: str) -> Visit:
    """Look a token up: whose it is, or what is wrong with it."""
    return check_tokens(database, [token])[token]


def check_tokens(database: FarmDb, shown: Sequence[str]) -> dict[str, Visit]:
    """Look tokens up together."""
    digests = {token: digest_token(token) for token in shown}

    @retried
    def find() -> dict[str, Token]:
        with database.begin() as connection:
            return queries.find_tokens(connection, list(digests.values()))

    found = find()
    return {token: _judge(found.get(digest)) for token, digest in digests.items()}


def _judge(token: Token | None) -> Visit:
    if token is None:
        return Visit(problem="this token is unknown")
    if token.revoked:
        log.warning('the token "%s" is used, but was revoked', token.name)
        return Visit(problem=f'the token "{token.name}" was revoked')
    return Visit(token=token)


@dataclass(frozen=True, kw_only=True, slots=True)
class Uses:
    """Notes once an hour that a token is used, after what it was used for; `noting`: ids."""

    database: FarmDb
    noting: set[int] = field(default_factory=set)

    async def note(self, token: Token) -> None:
        """Note a use; that it can't be noted is no reason to refuse anything."""
        if not token.stale or token.id in self.noting:
            return
        self.noting.add(token.id)
        try:
            await run_in_threadpool(self._write, token)
        except FarmError as err:
            log.warning('the use of the token "%s" is not noted: %s', token.name, err)
        finally:
            self.noting.discard(token.id)

    @retried
    def _write(self, token: Token) -> None:
        with self.database.begin() as connection:
            queries.note_use(connection, token.id)


# The layer


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate:
    """Finds who sent a request before the application sees it; `refuse` answers what fails here."""

    app: ASGIApp
    database: FarmDb
    uses: Uses
    refuse: Refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        scope[VISIT] = Visit()  # a page that says what is wrong asks for it too
        try:
            visit = await self._visit(request)
        except Exception as err:  # noqa: BLE001 - each becomes an answer, and is logged there
            reply = await self.refuse(request, err)
            await reply(scope, receive, _protect(send))
            return
        scope[VISIT] = visit
        await self.app(scope, receive, _protect(send, forget=_is_bad_cookie(request, visit)))
        if visit.token is not None:
            await self.uses.note(visit.token)

    async def _visit(self, request: Request) -> Visit:
        """Find who sent a request; raises HTTPException for a bad token, or a foreign page."""
        unsafe = request.method not in origins.SAFE
        if unsafe and origins.is_foreign(request.headers):
            raise HTTPException(403, "a page of another site sent this")
        bearer, cookie = find_bearer(request), request.cookies.get(COOKIE)
        if bearer is None and not cookie:
            return Visit()
        if bearer is None and unsafe and not origins.is_same_site(request.headers):
            raise HTTPException(403, "nothing says that a page of this server sent this")
        if request.url.path.startswith(UNASKED):
            return Visit()
        visit = await run_in_threadpool(check_token, self.database, bearer or cookie or "")
        if bearer is not None and visit.problem is not None:
            raise HTTPException(401, f"{visit.problem}: {HOW}", ASK)
        return visit


def find_bearer(request: Request) -> str | None:
    """Read the token of a header; other schemes are a proxy's in front of us."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _is_bad_cookie(request: Request, visit: Visit) -> bool:
    return visit.problem is not None and find_bearer(request) is None


def _protect(send: Send, *, forget: bool = False) -> Send:
    """Add to an answer what keeps browsers from misusing it, and the end of a cookie."""
    more = [*HEADERS, (b"set-cookie", FORGET)] if forget else HEADERS

    async def send_protected(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*more, *message.get("headers", ())]}
        await send(message)

    return send_protected
