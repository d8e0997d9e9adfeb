"""Many machines ask for their tac at once: an HTTP client light enough not to be what is measured.

It asks servers on this machine only, and ends by itself: each name is asked once, and a storm that
does not end in time is an error.
"""

import asyncio
import re
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import cast
from urllib.parse import urlsplit

import uvloop

MASTER = re.compile(r"^buildmaster_host = '(.+)'\nport = (\d+)$", re.MULTILINE)
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
PAUSE_S = 0.05  # before the next server is tried, where one did not take a connection


class StormStalled(Exception):
    """Not all were answered in time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What one name got; status 0 where the connection was refused or broke."""

    name: str
    status: int
    seconds: float
    head: str
    body: str

    @property
    def master(self) -> tuple[str, int] | None:
        """The master's host and port, as the tac says; None where it says none."""
        found = MASTER.search(self.body)
        return (found[1], int(found[2])) if found else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Storm:
    """What all of them got, and how long it took."""

    answers: Sequence[Answer]
    seconds: float

    @property
    def statuses(self) -> Counter[int]:
        """Count the answers by status."""
        return Counter(answer.status for answer in self.answers)

    @property
    def per_second(self) -> float:
        """Requests in a second."""
        return len(self.answers) / self.seconds

    def waited_ms(self, quantile: float) -> float:
        """Within how many milliseconds this part of them was answered."""
        times = sorted(answer.seconds for answer in self.answers)
        return times[min(len(times) - 1, int(len(times) * quantile))] * 1000


def ask_all(
    urls: Sequence[str],
    names: Sequence[str],
    *,
    concurrency: int,
    close: bool = False,
    timeout_s: float = 120,
) -> Storm:
    """Ask the servers in turn, `concurrency` requests at a time, each name once.

    With `close` each request has a connection of its own, as machines have; else they are kept.

    Raises StormStalled.
    """
    servers = [urlsplit(url) for url in urls]
    assert all(server.hostname == "127.0.0.1" for server in servers)
    ports = [int(server.port or 80) for server in servers]
    client = _Client(ports=ports, waiting=deque(names), close=close)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seconds = runner.run(client.run(min(concurrency, len(names)), timeout_s))
    return Storm(answers=client.answers, seconds=seconds)


@dataclass(kw_only=True)
class _Client:
    ports: Sequence[int]
    waiting: deque[str]
    close: bool
    answers: list[Answer] = field(default_factory=list)

    async def run(self, lanes: int, timeout_s: float) -> float:
        wanted, started = len(self.waiting), perf_counter()
        try:
            async with asyncio.timeout(timeout_s), asyncio.TaskGroup() as tasks:
                for lane in range(lanes):
                    tasks.create_task(self._run_lane(lane))
        except TimeoutError as err:
            answered = f"{len(self.answers)} of {wanted} were answered"
            raise StormStalled(f"after {timeout_s:.0f} s {answered}") from err
        return perf_counter() - started

    async def _run_lane(self, lane: int) -> None:
        """Keep a connection to one server until none waits; when it breaks, go to the next."""
        loop = asyncio.get_running_loop()
        while self.waiting:
            connection = _Connection(self, loop.create_future())
            connection.begin(self.waiting.popleft())
            port = self.ports[lane % len(self.ports)]
            try:
                await loop.create_connection(lambda c=connection: c, "127.0.0.1", port)  # type: ignore[misc]
            except OSError as err:
                connection.end(0, str(err))
                await asyncio.sleep(PAUSE_S)
            else:
                await connection.done
            lane += 1 if self.close or connection.broken else 0


class _Connection(asyncio.Protocol):
    """Sends a request, waits for its whole answer, and sends the next."""

    transport: asyncio.Transport

    def __init__(self, client: _Client, done: "asyncio.Future[None]") -> None:
        self.client, self.done = client, done
        self.broken = False
        self.tail = b" HTTP/1.1\r\nHost: slavealloc\r\n\r\n"
        if client.close:
            self.tail = self.tail[:-2] + b"Connection: close\r\n\r\n"

    def begin(self, name: str) -> None:
        """Take the next name; time runs from here, the making of a connection included."""
        self.name: str | None = name
        self.received = b""
        self.asked_at = perf_counter()

    def end(self, status: int, head: str, body: str = "") -> None:
        """Note what the name got."""
        assert self.name is not None
        seconds = perf_counter() - self.asked_at
        answer = Answer(name=self.name, status=status, seconds=seconds, head=head, body=body)
        self.client.answers.append(answer)
        self.broken = status == 0
        self.name = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._send()

    def _send(self) -> None:
        self.transport.write(b"GET /gettac/" + str(self.name).encode() + self.tail)

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, separator, body = self.received.partition(b"\r\n\r\n")
        found = LENGTH.search(head) if separator else None
        if found is None or len(body) < int(found[1]):
            return
        self.end(int(head[9:12]), head.decode("latin-1"), body.decode())
        if self.client.close or not self.client.waiting:
            self.transport.close()
        else:
            self.begin(self.client.waiting.popleft())
            self._send()

    def connection_lost(self, err: Exception | None) -> None:
        if self.name is not None:
            self.end(0, f"broke off: {err}")
        if not self.done.done():
            self.done.set_result(None)
