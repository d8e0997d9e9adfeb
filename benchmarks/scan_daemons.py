"""Daemons to be polled, two thousand on one loop; `python -m benchmarks.scan_daemons COUNT`."""

import asyncio
import resource
import sys
import xmlrpc.client
from typing import cast

import uvloop

PORT = 24821
LATE_S = 2
BACKLOG = 16


def address_of(number: int) -> str:
    """Where a daemon listens."""
    return f"127.9.{number // 250}.{number % 250 + 1}"


def kind_of(number: int) -> str:
    """What a daemon does: of twenty, sixteen answer, two hang, one is late and one refuses."""
    return {3: "hangs", 13: "hangs", 8: "late", 18: "refuses"}.get(number % 20, "healthy")


def response() -> bytes:
    """About 500 bytes of status."""
    status = {"builder_status": "BuilderStatus.IDLE", "builder_version": "254"}
    body = xmlrpc.client.dumps((status,), methodresponse=True).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class _Daemon(asyncio.Protocol):
    """Answers what comes, or does not."""

    transport: asyncio.Transport

    def __init__(self, kind: str, answer: bytes) -> None:
        self.kind, self.answer = kind, answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if not data.endswith((b"</methodCall>\n", b"</methodCall>")):
            return
        if self.kind == "healthy":
            self._say()
        elif self.kind == "late":
            asyncio.get_running_loop().call_later(LATE_S, self._say)

    def _say(self) -> None:
        self.transport.write(self.answer)
        self.transport.close()


async def serve(count: int) -> None:
    """Listen until this process is ended."""
    loop, answer = asyncio.get_running_loop(), response()
    for number in range(count):
        if (kind := kind_of(number)) != "refuses":
            await loop.create_server(
                lambda kind=kind: _Daemon(kind, answer),  # type: ignore[misc]
                address_of(number),
                PORT,
                backlog=BACKLOG,
            )
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
