"""Build daemons on real sockets: many in one thread, each answering one request at a time."""

import asyncio
import contextlib
import email.utils
import re
import threading
import xmlrpc.client
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.daemon import Daemon, NoAnswer


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One request; `method` is HTTP's."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class DaemonServer:
    """One daemon's socket; it is strict about HTTP, and keeps connections alive."""

    def __init__(self, daemon: Daemon, workers: ThreadPoolExecutor) -> None:
        self.daemon = daemon
        self._workers = workers
        self._one_at_a_time = asyncio.Lock()
        self._connections: set[asyncio.Task[None]] = set()
        self._port = 0
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        """Listen, where it listened before."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        self.daemon.url = f"http://127.0.0.1:{self._port}"

    async def close(self) -> None:
        """Refuse connections, and break those that are."""
        if self._server:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while (request := await _read_request(reader)) and await self._answer(request, writer):
                pass
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Answer, and tell whether the connection stays."""
        daemon = self.daemon
        with daemon.lock:
            daemon.requests.append((f"{request.method} {request.path}", request.headers))
        while daemon.frozen:  # what came meanwhile is done when it goes on, caller or no caller
            await asyncio.sleep(0.01)
        async with self._one_at_a_time:
            await asyncio.sleep(daemon.delay_s)
            is_call = request.path.rstrip("/") == "/rpc" and request.method == "POST"
            params, method = xmlrpc.client.loads(request.body) if is_call else ((), "file")
            attack = daemon.attacks.get(str(method)) or daemon.attacks.get("*")
            if attack:
                await attack(writer, daemon)
                return False
            try:
                call = self._call(str(method), params) if is_call else _serve_file(daemon, request)
                response = await call
            except NoAnswer:
                response = None
        if response is None:
            await asyncio.Event().wait()
        writer.write(response or b"")
        await writer.drain()
        return request.headers.get("connection") != "close"

    async def _call(self, method: str, params: tuple[object, ...]) -> bytes:
        try:
            if method == "ensurepresent":
                loop = asyncio.get_running_loop()
                value = await loop.run_in_executor(self._workers, self.daemon.call, method, params)
            else:
                value = self.daemon.call(method, params)
        except xmlrpc.client.Fault as fault:
            return http_response(xmlrpc.client.dumps(fault).encode(), "text/xml")
        return http_response(encode_reply(value), "text/xml")


def encode_reply(value: object) -> bytes:
    """Write what a call returns."""
    text = xmlrpc.client.dumps((value,), methodresponse=True, allow_none=True)  # type: ignore[arg-type]
    return text.encode()


def http_response(body: bytes, content_type: str, *headers: str, status: str = "200 OK") -> bytes:
    """Write a whole response."""
    lines = (f"HTTP/1.1 {status}", f"Content-Type: {content_type}", *headers)
    head = "\r\n".join((*lines, f"Content-Length: {len(body)}"))
    return head.encode() + b"\r\n\r\n" + body


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    """Read one request; None where the client has gone."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        lines = head.splitlines()
        method, path, _ = lines[0].split()
        pairs = (line.partition(":") for line in lines[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    except asyncio.IncompleteReadError:
        return None
    return Request(method=method, path=path, headers=headers, body=body)


async def _serve_file(daemon: Daemon, request: Request) -> bytes:
    if request.method not in {"GET", "HEAD"} or request.path.rstrip("/") == "/rpc":
        return http_response(b"", "text/html", status="405 Method Not Allowed")
    with daemon.lock:
        name = request.path.removeprefix("/filecache/")
        content = "\n".join(daemon.cache).encode() if name == "" else daemon.read(name)
    if content is None or not request.path.startswith("/filecache/"):
        return http_response(b"", "text/html", status="404 Not Found")
    response = _file_response(content, request.headers.get("range"))
    return (
        response.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if request.method == "HEAD" else response
    )


def _file_response(content: bytes, wanted: str | None) -> bytes:
    headers = ["Accept-Ranges: bytes", f"Last-Modified: {email.utils.formatdate(0, usegmt=True)}"]
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted or "")
    if not found:
        return http_response(content, "text/html", *headers)
    start, end = int(found[1]), min(int(found[2] or len(content)), len(content) - 1)
    if start > end:
        headers.append(f"Content-Range: bytes */{len(content)}")
        return http_response(b"", "text/html", *headers, status="416 Range Not Satisfiable")
    headers.append(f"Content-Range: bytes {start}-{end}/{len(content)}")
    part = content[start : end + 1]
    return http_response(part, "text/html", *headers, status="206 Partial Content")


class DaemonFarm:
    """Daemons that listen; their sockets live in a thread of their own."""

    def __init__(self, loop: asyncio.AbstractEventLoop, workers: ThreadPoolExecutor) -> None:
        self._loop = loop
        self._workers = workers
        self._servers: dict[Daemon, DaemonServer] = {}

    def add(self, daemon: Daemon) -> Daemon:
        """Start one; it has its URL then."""
        self._servers[daemon] = DaemonServer(daemon, self._workers)
        self.listen(daemon)
        return daemon

    def listen(self, daemon: Daemon) -> None:
        """Let a daemon that was deaf listen again, at the same port."""
        self._run(self._servers[daemon].listen())

    def deafen(self, daemon: Daemon) -> None:
        """Let a daemon refuse connections, and break those it has."""
        self._run(self._servers[daemon].close())

    def close(self) -> None:
        """Stop all of them."""
        for daemon in self._servers:
            self.deafen(daemon)

    def _run(self, work: Coroutine[object, object, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)


@contextlib.contextmanager
def running_daemons(*daemons: Daemon) -> Iterator[DaemonFarm]:
    """Have these daemons listen on this machine; more may be added."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    with ThreadPoolExecutor(max_workers=32) as workers:
        farm = DaemonFarm(loop, workers)
        try:
            for daemon in daemons:
                farm.add(daemon)
            yield farm
        finally:
            farm.close()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
