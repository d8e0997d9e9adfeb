"""Calls a build daemon and fetches its files; each call has a deadline by the wall clock.

A daemon is believed nothing: see wire.py for what it may say, xmlrpc.py and exchange.py
for how much. Users, passwords and a build's arguments stand in no message.
"""

import asyncio
import math
import resource
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import uvloop

from farmhand.errors import BadInput, FarmError
from scanner.transport.address import Address, parse_address
from scanner.transport.bodies import Download, Fetched, Reply
from scanner.transport.errors import (
    DaemonFault,
    HostExhausted,
    OutOfTime,
    ProtocolError,
    Unreachable,
)
from scanner.transport.exchange import Exchange, Memory, exchange
from scanner.transport.values import quote
from scanner.transport.wire import (
    SHA1,
    BuildReply,
    DaemonInfo,
    DaemonState,
    Presence,
    Status,
    parse_build_reply,
    parse_info,
    parse_presence,
    parse_state,
    parse_status,
)
from scanner.transport.xmlrpc import decode_reply, encode_call

MIB = 1024 * 1024
BUFFER_BYTES = 16 * 1024
FILE_BUFFER_BYTES = 256 * 1024
NO_SUM = "0" * 40
WRONG_STATE = 8002  # the fault for everything that a daemon's methods can't do
LOG_NAME = "buildlog"
MOST_LOG_BYTES = 2**32
Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How long each call may take, and how large a reply may be, and all together."""

    status_s: float = 10
    call_s: float = 30
    ensure_s: float = 600
    fetch_s: float = 600
    most_reply_bytes: int = 4 * MIB
    most_replies_bytes: int = 64 * MIB


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A file that a daemon should have, and from where it may fetch it."""

    sha1: str
    url: str = field(default="", repr=False)
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A build as a daemon is told of it; `files` is name → sha1, `args` goes through as it is."""

    cookie: str
    build_type: str
    chroot_sha1: str
    files: Mapping[str, str]
    args: Mapping[str, object] = field(repr=False)


class Transport:
    """Talks to daemons, any number at once; each call has a connection of its own.

    No call outlasts `ends_at`, the end of the sweep by time.monotonic(). Every call raises
    Unreachable, ProtocolError, DaemonFault or HostExhausted, and BadInput for what can't be asked.
    """

    def __init__(self, limits: Limits, *, ends_at: float = math.inf) -> None:
        raise_file_limit()
        self._limits = limits
        self._ends_at = ends_at
        self._buffer = memoryview(bytearray(BUFFER_BYTES))
        self._file_buffer = memoryview(bytearray(FILE_BUFFER_BYTES))
        self._memory = Memory(limits.most_replies_bytes)

    async def status(self, url: str) -> Status:
        """Ask what it is doing."""
        return await self._call(url, _Call("status", self._limits.status_s), parse_status)

    async def info(self, url: str) -> DaemonInfo:
        """Ask what it is."""
        return await self._call(url, _Call("info", self._limits.call_s), parse_info)

    async def probe_arity(self, url: str) -> int:
        """Find out how many arguments ensurepresent() takes: 4, or 2 as before April 2008."""
        call = _Call("ensurepresent", self._limits.call_s, (NO_SUM, None, None, None))
        try:
            await self._call(url, call, parse_presence)
        except DaemonFault as fault:
            if fault.code != WRONG_STATE:
                raise
            return 2
        return 4

    async def ensurepresent(self, url: str, source: Source, *, arity: int) -> Presence:
        """Have it fetch a file, unless it has it; meanwhile it answers nobody else."""
        params = (source.sha1, source.url, source.user, source.password)[:arity]
        call = _Call("ensurepresent", self._limits.ensure_s, params)
        presence = await self._call(url, call, parse_presence)
        return replace(presence, info=_hide(presence.info, params[1:]))

    async def build(self, url: str, order: Order) -> BuildReply:
        """Have it build; after anything but a reply, only its next status tells what it does."""
        files, args = dict(order.files), dict(order.args)
        params = (order.cookie, order.build_type, order.chroot_sha1, files, args)
        call = _Call("build", self._limits.call_s, params)
        return await self._call(url, call, lambda value: parse_build_reply(value, order.cookie))

    async def abort(self, url: str) -> None:
        """Have it end what it builds; it is ABORTING then, maybe for two minutes."""
        call = _Call("abort", self._limits.call_s)
        await self._call(url, call, lambda value: parse_state(value, DaemonState.ABORTING))

    async def clean(self, url: str) -> None:
        """Have it forget a build that ended, its log and its files; it is IDLE then."""
        call = _Call("clean", self._limits.call_s)
        await self._call(url, call, lambda value: parse_state(value, DaemonState.IDLE))

    async def fetch(
        self, url: str, name: str, write: Callable[[bytes], object], *, most_bytes: int
    ) -> Fetched:
        """Fetch a file by its SHA-1, or the log as `buildlog`, and write it as it comes.

        When this raises, what was written is no file; what `write` raises goes through.
        """
        if name != LOG_NAME and not SHA1.fullmatch(name):
            raise BadInput(f"{quote(name)} is neither a SHA-1 nor {LOG_NAME}")
        return await self._fetch(url, name, Download(write, most_bytes))

    async def fetch_log(
        self, url: str, write: Callable[[bytes], object], *, start: int, most_bytes: int
    ) -> None:
        """Fetch a part of the log, from a byte on. Raises NothingMore where it is not longer."""
        download = Download(write, MOST_LOG_BYTES, start=start)
        wanted = f"\r\nRange: bytes={start}-{start + most_bytes - 1}"
        await self._fetch(url, LOG_NAME, download, wanted)

    async def _fetch(self, url: str, name: str, download: Download, more: str = "") -> Fetched:
        address = parse_address(url)
        request = _request(address, f"GET {address.path}/filecache/{name} HTTP/1.1{more}")
        conversation = Exchange(request, download, self._file_buffer)
        try:
            await self._exchange(address, conversation, self._limits.fetch_s)
            return download.finish(None if name == LOG_NAME else name)
        except (ProtocolError, Unreachable, HostExhausted) as err:
            problem = _named(err, f"{url}: file {name}")
        raise problem

    async def _call(self, url: str, call: "_Call", parse: Callable[[object], Answer]) -> Answer:
        try:
            return parse(decode_reply(await self._post(parse_address(url), call)))
        except (ProtocolError, Unreachable, HostExhausted, DaemonFault) as err:
            problem = _named(err, f"{url}: {call.method}")
        # One of its own: the first holds the frames it came through, with all the daemon said.
        raise problem

    async def _post(self, address: Address, call: "_Call") -> bytearray:
        body = encode_call(call.method, call.params)
        head = f"POST {address.path}/rpc HTTP/1.1\r\nContent-Type: text/xml"
        request = _request(address, f"{head}\r\nContent-Length: {len(body)}") + body
        reply = Reply(self._limits.most_reply_bytes)
        conversation = Exchange(request, reply, self._buffer, self._memory)
        await self._exchange(address, conversation, call.seconds)
        return reply.body

    async def _exchange(self, address: Address, conversation: Exchange, seconds: float) -> None:
        when = asyncio.get_running_loop().time() + seconds
        late: FarmError = Unreachable(f"no whole answer within {seconds:g} s")
        if self._ends_at < when:
            when, late = self._ends_at, OutOfTime("no whole answer before the sweep's end")
        await exchange(address, conversation, when, late)


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    seconds: float
    params: Sequence[object] = ()


def _request(address: Address, head: str) -> bytes:
    return f"{head}\r\nHost: {address.netloc}\r\nConnection: close\r\n\r\n".encode("ascii")


def _named(problem: FarmError, what: str) -> FarmError:
    """Say the same, of a daemon's call."""
    if isinstance(problem, DaemonFault):
        return DaemonFault(f"{what}: {problem}", problem.code)
    return type(problem)(f"{what}: {problem}")


def _hide(text: str, secrets: Sequence[str]) -> str:
    for secret in filter(None, secrets):
        text = text.replace(secret, "…")
    return text


def run_calls(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Run what calls daemons, on the loop that takes least of it.

    What a signal's handler raises ends it: uvloop by itself would log that, and go on.
    """
    stops: list[BaseException] = []

    async def run() -> Answer:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def note(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            raised = context.get("exception")
            if task is None or raised is None or isinstance(raised, Exception):
                loop.default_exception_handler(context)
            else:
                stops.append(raised)
                task.cancel()

        loop.set_exception_handler(note)
        return await work

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            answer = runner.run(run())
    except asyncio.CancelledError:
        if not stops:
            raise
    else:
        if not stops:
            return answer
    raise stops[0]


def raise_file_limit() -> None:
    """Let this process have as many connections as it may: cron gives 1,024 files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError):  # the kernel's own limit may have been lowered since
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
