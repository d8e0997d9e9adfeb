"""The HTTP protocol: uvicorn's, with an answer's head and body sent together."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES = 64 * 1024


class Protocol(HttpToolsProtocol):
    """Sends an answer in one piece: each piece costs as much as all else that is done for it.

    A request's head that grows without end is cut off; the library would keep all of it.
    """

    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection."""
        super().connection_made(cast(asyncio.Transport, Joining(transport, self.loop)))

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        super().data_received(data)
        if getattr(self.cycle, "scope", None) is self.scope:  # the head is whole
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(f"The request's head is longer than {MOST_HEAD_BYTES} bytes.")


class Joining:
    """A transport that sends what is written in one turn of the loop at the turn's end."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._pieces: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        """All else is the transport's."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send this with what else is written in this turn."""
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(data)

    def close(self) -> None:
        """Close when all that was written is sent."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        pieces, self._pieces = self._pieces, []
        if pieces:
            self._transport.write(b"".join(pieces))
