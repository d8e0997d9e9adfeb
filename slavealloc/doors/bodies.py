"""Read what a request brings, unless it is too long or too slow."""

import asyncio
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

# A form has its notes twice, as they were and as they shall be: of 16,000 characters, each may
# take 12 bytes in a form, and 16 where JSON is in it.
MOST_BYTES = 512 * 1024
BODY_PATIENCE_S = 10.0


async def read_body(request: Request) -> bytes:
    """Read the body; raises HTTPException 413 and 408."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_PATIENCE_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise HTTPException(413, f"the body is longer than {MOST_BYTES} bytes")
    except TimeoutError as err:
        raise HTTPException(408, f"the body took longer than {BODY_PATIENCE_S:.0f} s") from err
    return bytes(body)


async def read_form(request: Request) -> list[tuple[str, str]]:
    """Read a page's form, its fields in order; raises as read_body does, and 400."""
    try:
        return parse_qsl(
            (await read_body(request)).decode(), keep_blank_values=True, errors="strict"
        )
    except ValueError as err:
        raise HTTPException(400, "the body is no form in UTF-8") from err
