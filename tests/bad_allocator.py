"""An allocator that answers as no allocator should: byte for byte what a test tells it to."""

import hashlib
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

HEADER = "# AUTOMATICALLY GENERATED - DO NOT MODIFY\n# generated: 2026-11-21T13:00:00Z on bm1\n"
DIGEST = "# sha256 of the lines below: "


def make_page(body: str, *, digest: str | None = None) -> bytes:
    """Make a page as ours is; another digest makes it a broken one."""
    digest = digest or hashlib.sha256(body.encode()).hexdigest()
    return f"{HEADER}{DIGEST}{digest}\n{body}".encode()


def make_old_page(body: str) -> bytes:
    """Make a page as the original's server did, without a digest."""
    return f"{HEADER}{body}".encode()


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What goes out for one request, `drip_s` after each byte; `endless` repeats its last byte."""

    data: bytes
    drip_s: float = 0.0
    endless: bool = False


def make_reply(
    body: bytes = b"", status: str = "200 OK", length: int | None = None, **headers: str
) -> Reply:
    """Make a reply; `length` is what it says of its length, the truth by default."""
    lines = [f"HTTP/1.1 {status}", "Connection: close"]
    fields = {"Content-Type": "text/plain; charset=utf-8"}
    fields["Content-Length"] = str(len(body) if length is None else length)
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return Reply(data="\r\n".join([*lines, "", ""]).encode() + body)


@dataclass(kw_only=True, slots=True)
class BadAllocator:
    """Gives its replies in turn, the last one for ever; `asked` are requests, `times` when."""

    port: int
    replies: list[Reply] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """What `-a` takes."""
        return f"http://127.0.0.1:{self.port}/gettac/SLAVE"

    @property
    def paths(self) -> list[str]:
        """The path of each request."""
        return [request.split()[1] for request in self.asked]

    def answer(self, request: str) -> Reply:
        """Choose the reply."""
        self.asked.append(request)
        self.times.append(time.monotonic())
        return self.replies[min(len(self.asked), len(self.replies)) - 1]


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    bad: BadAllocator

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that hang up."""


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        """Read one request and send its reply, until one of us hangs up."""
        lines = list(iter(lambda: self.rfile.readline().decode("latin-1").strip(), ""))
        if not lines:
            return
        bad = self.server.bad
        reply = bad.answer("\n".join(lines))
        with suppress(OSError):
            self._send(reply, bad.stopping)

    def _send(self, reply: Reply, stopping: threading.Event) -> None:
        if not reply.drip_s:
            self.wfile.write(reply.data)
        else:
            for byte in reply.data:
                if stopping.wait(reply.drip_s):
                    return
                self.wfile.write(bytes([byte]))
        burst = 1 if reply.drip_s else 2**16
        while reply.endless and not stopping.wait(reply.drip_s):
            self.wfile.write(reply.data[-1:] * burst)


@contextmanager
def running_bad_allocator(*replies: Reply) -> Iterator[BadAllocator]:
    """Run one on this machine."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        bad = BadAllocator(port=server.server_address[1], replies=list(replies))
        server.bad = bad
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield bad
        finally:
            bad.stopping.set()
            server.shutdown()
            thread.join()
