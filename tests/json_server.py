"""A server of JSON that may hang, drip, lie or fail: a test chooses what it says at each path."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Says:
    """One answer. `hangs`: it never comes; `hangs_up`: the connection ends instead.

    `drips_s`: a byte every so many seconds, for ever.
    """

    body: bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: bool = False
    hangs_up: bool = False
    drips_s: float = 0.0


def says(document: Any) -> Says:
    """Answer with JSON."""
    return Says(body=json.dumps(document).encode())


def machines(*names: str) -> Says:
    """Answer as an allocator does."""
    return says({"machines": list(names)})


HTML = Says(body=b"<html><h1>Welcome to nginx!</h1></html>", headers={"content-type": "text/html"})
HANGS = Says(hangs=True)
HANGS_UP = Says(hangs_up=True)
DRIPS = Says(drips_s=0.02)
BROKEN = Says(status=500, body=b"Traceback\x07 (most recent call last)\n")
REDIRECTS = Says(status=302, headers={"location": "http://127.0.0.1:9/elsewhere"})
HUGE = Says(body=b'["' + b"x" * (2**20 + 1) + b'"]')
BAD_ANSWERS = {
    "hangs": (HANGS, "answer within"),
    "drips": (DRIPS, "no whole answer within"),
    "is HTML": (HTML, "no JSON: <html><h1>Welcome"),
    "fails": (BROKEN, "HTTP 500: Traceback (most recent"),
    "redirects": (REDIRECTS, "redirects: http://127.0.0.1:9/elsewhere"),
    "is another thing": (says({"machines": 7}), "not "),
    "is deep": (Says(body=b"[" * 100_000), "no JSON"),
}


@dataclass(kw_only=True, slots=True)
class JsonServer:
    """`routes`: path → answer, 404 for all others; `asked` are paths, `ports` their clients'."""

    url: str
    routes: dict[str, Says]
    asked: list[str] = field(default_factory=list)
    ports: set[int] = field(default_factory=set)
    stopping: threading.Event = field(default_factory=threading.Event)

    def answer(self, path: str, port: int) -> Says:
        """Choose the answer."""
        self.asked.append(path)
        self.ports.add(port)
        return self.routes.get(path, Says(status=404))


@contextmanager
def running_json_server(routes: Mapping[str, Says]) -> Iterator[JsonServer]:
    """Run one on this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            said = server.answer(self.path, self.client_address[1])
            with suppress(OSError):
                self.send(said)

        def send(self, said: Says) -> None:
            if said.hangs_up:
                self.close_connection = True
                return
            if said.hangs:
                server.stopping.wait()
                return
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            length = 10**6 if said.drips_s else len(said.body)
            self.send_header("content-length", str(length))
            self.end_headers()
            if not said.drips_s:
                self.wfile.write(said.body)
            while said.drips_s and not server.stopping.wait(said.drips_s):
                self.wfile.write(b" ")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_: object) -> None:
            """Say nothing of clients that hang up."""

    with Server(("127.0.0.1", 0), Handler) as http:
        server = JsonServer(url=f"http://127.0.0.1:{http.server_port}", routes=dict(routes))
        thread = threading.Thread(target=http.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.stopping.set()
            http.shutdown()
            thread.join()
