"""Ways to poll the daemons, each in a process of its own; prints what it took.

`python -m benchmarks.scan_peers METHOD COUNT` polls those of benchmarks.scan_daemons.
"""

import asyncio
import importlib
import json
import resource
import select
import socket
import sys
import time
import xmlrpc.client
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import count as counting
from pathlib import Path

from benchmarks.scan_daemons import LATE_S, PORT, address_of, kind_of

DEADLINE_S = 10.0
SAMPLE = 200  # daemons that are asked one after the other
Answers = dict[int, tuple[str, float]]
"""Daemon → what it was taken for, and after how many seconds."""
CALL = xmlrpc.client.dumps((), "status").encode()


def request_to(number: int) -> bytes:
    """Write the whole request."""
    head = f"POST /rpc HTTP/1.1\r\nHost: {address_of(number)}:{PORT}\r\nContent-Type: text/xml\r\n"
    return f"{head}Content-Length: {len(CALL)}\r\nConnection: close\r\n\r\n".encode() + CALL


def url_of(number: int) -> str:
    """A daemon's URL."""
    return f"http://{address_of(number)}:{PORT}"


def poll_with_ours(count: int) -> Answers:
    """Poll as the scanner does."""
    from scanner.transport.calls import run_calls

    return run_calls(_gather_ours(count))


def poll_with_ours_on_asyncio(count: int) -> Answers:
    """Poll as the scanner does, on the standard library's loop."""
    return asyncio.run(_gather_ours(count))


async def _gather_ours(count: int) -> Answers:
    from scanner.transport.calls import Limits, Transport
    from scanner.transport.errors import Unreachable

    began, answers = time.perf_counter(), Answers()
    transport = Transport(Limits(status_s=DEADLINE_S), ends_at=time.monotonic() + DEADLINE_S)

    async def ask(number: int) -> None:
        try:
            found = (await transport.status(url_of(number))).state.value
        except Unreachable as err:
            found = "refuses" if "refused" in str(err) else "hangs"
        answers[number] = (found, time.perf_counter() - began)

    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            tasks.create_task(ask(number))
    return answers


def poll_with_epoll(count: int) -> Answers:
    """Poll with non-blocking sockets and nothing else: how quick this can be."""
    began, answers = time.perf_counter(), Answers()
    poll, waiting = select.epoll(), dict[int, tuple[int, socket.socket, bytearray]]()
    for number in range(count):
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex((address_of(number), PORT))
        poll.register(connection, select.EPOLLOUT)
        waiting[connection.fileno()] = number, connection, bytearray()
    while waiting and (left := began + DEADLINE_S - time.perf_counter()) > 0:
        for descriptor, events in poll.poll(left):
            number, connection, received = waiting[descriptor]
            found = _step(poll, connection, number, received, events)
            if found:
                answers[number] = (found, time.perf_counter() - began)
                connection.close()
                del waiting[descriptor]
    for number, connection, _ in waiting.values():
        answers[number] = ("hangs", time.perf_counter() - began)
        connection.close()
    return answers


def _step(
    poll: select.epoll, connection: socket.socket, number: int, received: bytearray, events: int
) -> str | None:
    """Send, or receive; what it was taken for, once that is known."""
    try:
        if events & select.EPOLLOUT:
            connection.send(request_to(number))
            poll.modify(connection, select.EPOLLIN)
            return None
        data = connection.recv(65536)
    except OSError:
        return "refuses"
    received += data
    return None if data else parse(received.partition(b"\r\n\r\n")[2])


def parse(body: bytes | bytearray) -> str:
    """Read the state."""
    status = xmlrpc.client.loads(bytes(body))[0][0]
    assert isinstance(status, dict)
    return str(status["builder_status"]).removeprefix("BuilderStatus.")


def poll_with_threads(count: int) -> Answers:
    """Poll with 64 threads and requests."""
    import requests

    began, answers = time.perf_counter(), Answers()

    def ask(number: int) -> None:
        try:
            response = requests.post(f"{url_of(number)}/rpc", CALL, timeout=DEADLINE_S)
            found = parse(response.content)
        except requests.Timeout:
            found = "hangs"
        except requests.ConnectionError:
            found = "refuses"
        answers[number] = (found, time.perf_counter() - began)

    with ThreadPoolExecutor(64) as pool:
        list(pool.map(ask, range(count)))
    return answers


class _WithDeadline(xmlrpc.client.Transport):
    def make_connection(self, host: object) -> object:  # type: ignore[override]
        connection = super().make_connection(host)  # type: ignore[arg-type]
        connection.timeout = DEADLINE_S
        return connection


def poll_in_sequence(count: int) -> Answers:
    """Poll one after the other, as the seed did; only some, and the clock goes on for the rest."""
    began, answers, waited = time.perf_counter(), Answers(), 0.0
    for number in range(min(count, SAMPLE)):
        kind = kind_of(number)
        if kind in {"hangs", "late"}:  # known to take this long
            waited += DEADLINE_S if kind == "hangs" else LATE_S
            found = "hangs" if kind == "hangs" else "IDLE"
        else:
            found = _ask_alone(number)
        answers[number] = (found, time.perf_counter() - began + waited)
    return answers


def _ask_alone(number: int) -> str:
    proxy = xmlrpc.client.ServerProxy(f"{url_of(number)}/rpc", transport=_WithDeadline())
    try:
        status = proxy.status()
    except OSError:
        return "refuses"
    assert isinstance(status, dict)
    return str(status["builder_status"]).removeprefix("BuilderStatus.")


def poll_with_twisted(count: int) -> Answers:
    """Poll with Twisted's XML-RPC client, as Launchpad does."""
    from twisted.internet import error, reactor
    from twisted.web.xmlrpc import Proxy

    answers, left = Answers(), counting(count - 1, -1)
    began = time.perf_counter()

    def note(number: int, found: str) -> None:
        answers[number] = (found, time.perf_counter() - began)
        if next(left) == 0:
            reactor.stop()

    def answered(status: Mapping[str, str], number: int) -> None:
        note(number, status["builder_status"].removeprefix("BuilderStatus."))

    def failed(failure: object, number: int) -> None:
        refused = failure.check(error.ConnectionRefusedError)  # type: ignore[attr-defined]
        note(number, "refuses" if refused else "hangs")

    for number in range(count):
        call = Proxy(f"{url_of(number)}/rpc".encode(), connectTimeout=DEADLINE_S).callRemote(
            "status"
        )
        call.addTimeout(DEADLINE_S, reactor)
        call.addCallbacks(answered, failed, callbackArgs=(number,), errbackArgs=(number,))
    reactor.run()
    return answers


METHODS: dict[str, Callable[[int], Answers]] = {
    "ours": poll_with_ours,
    "asyncio": poll_with_ours_on_asyncio,
    "epoll": poll_with_epoll,
    "twisted": poll_with_twisted,
    "threads": poll_with_threads,
    "sequence": poll_in_sequence,
}
NEEDS = {
    "ours": ["scanner.transport.calls"],
    "asyncio": ["scanner.transport.calls"],
    "twisted": ["twisted.internet.reactor", "twisted.web.xmlrpc"],
    "threads": ["requests"],
}


def is_right(number: int, found: str) -> bool:
    """Whether a daemon was taken for what it is."""
    kind = kind_of(number)
    return found == ("IDLE" if kind in {"healthy", "late"} else kind)


def measure(method: str, count: int) -> dict[str, float]:
    """Poll, and sum up, the imports apart."""
    for name in NEEDS.get(method, ()):
        importlib.import_module(name)
    before, began = time.process_time(), time.perf_counter()
    answers = METHODS[method](count)
    wall_s = max(time.perf_counter() - began, *(took for _, took in answers.values()))
    cpu_s = time.process_time() - before
    healthy = sorted(took for number, (_, took) in answers.items() if kind_of(number) == "healthy")
    status = Path("/proc/self/status").read_text()
    return {
        "wall_s": wall_s,
        "healthy_s": healthy[int(len(healthy) * 0.99) - 1],
        "cpu_s": cpu_s,
        "peak_mib": int(status.partition("VmHWM:")[2].split()[0]) / 1024,
        "wrong": sum(not is_right(number, found) for number, (found, _) in answers.items()),
        "asked": len(answers),
    }


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    json.dump(measure(sys.argv[1], int(sys.argv[2])), sys.stdout)
