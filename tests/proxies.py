"""What stands in front of a database that is slow, or stands there for one that never answers."""

import contextlib
import select
import socket
import socketserver
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def silent_listener() -> Iterator[int]:
    """Yield a port of 127.0.0.1 that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        yield listener.getsockname()[1]


class SlowProxy(socketserver.ThreadingTCPServer):
    """Passes connections on to a port of this machine, until told to `hold` them."""

    daemon_threads = True

    def __init__(self, target_port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Pump)
        self.target_port = target_port
        self.port: int = self.server_address[1]
        self.flowing = threading.Event()
        self.flowing.set()
        self.closing = False

    def hold(self) -> None:
        """Take new connections and bytes, but pass nothing on: the database is slow."""
        self.flowing.clear()

    def release(self) -> None:
        """Pass on what was held, and what comes."""
        self.flowing.set()


class _Pump(socketserver.BaseRequestHandler):
    server: SlowProxy

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # either side may hang up, or not be there
            target = socket.create_connection(("127.0.0.1", self.server.target_port))
            with target:
                self._pass_on({self.request: target, target: self.request})

    def _pass_on(self, other: dict[socket.socket, socket.socket]) -> None:
        while not self.server.closing:
            if not self.server.flowing.wait(0.05):
                continue
            for end in select.select(list(other), [], [], 0.05)[0]:
                data = end.recv(65536)
                if not data:
                    return
                other[end].sendall(data)


@contextlib.contextmanager
def slow_proxy(target_port: int) -> Iterator[SlowProxy]:
    """Run a proxy; use `server.url(database, port=proxy.port)`."""
    with SlowProxy(target_port) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.closing = True
            proxy.shutdown()
            thread.join()
