"""The door in front of /gettac, of a farm whose machines need a token."""

from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from slavealloc.batches import Batches
from slavealloc.doors.gate import ASK, Refuse, Uses, find_bearer
from slavealloc.doors.models import Token, Visit

HOW = (
    "`slavealloc token add NAME --machine` makes one; put it into a file, "
    "and that file's path into runslave.token_file"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineDoor:
    """Passes on who shows a token, whatever it is good for; a storm's are looked up together."""

    give_tac: ASGIApp
    visits: Batches[Visit]
    uses: Uses
    refuse: Refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a machine on, or refuse it."""
        request = Request(scope, receive)
        try:
            token = await self._find_token(request)
        except Exception as err:  # noqa: BLE001 - each becomes an answer, and is logged there
            reply = await self.refuse(request, err)
            await reply(scope, receive, send)
            return
        await self.give_tac(scope, receive, send)
        await self.uses.note(token)

    async def _find_token(self, request: Request) -> Token:
        shown = find_bearer(request)
        visit = await self.visits.ask(shown) if shown else Visit()
        if visit.token is None:
            problem = visit.problem or "machines of this farm need a token"
            raise HTTPException(401, f"{problem}: {HOW}", ASK)
        return visit.token
