"""One request of HTTP and its response, on a connection of its own; talks to a daemon's socket.

httptools parses; here is what may arrive, how much, and until when. No redirect is followed, no
proxy asked, nothing inflated.
"""

import asyncio
import errno
import os
import re
import socket
from collections import deque
from collections.abc import Callable
from typing import Protocol, cast

import httptools

from scanner.errors import FileMissing, HostExhausted, ProtocolError, TooLarge, Unreachable
from scanner.http_address import Address

MOST_HEAD = 64 * 1024
"""Of the headers; and what these and the chunks' lengths may add to a body."""
SMALL = 16 * 1024
"""A reply that is larger waits for its turn: else many large ones at once would fill the memory."""
LENGTH = re.compile(rb"[0-9]{1,18}")
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}


class Receiver(Protocol):
    """Takes a response's body, of at most so many bytes."""

    most_bytes: int

    def begin(self, length: int | None) -> None:
        """Hear the body's length, None where it comes in chunks. Raises ProtocolError."""

    def take(self, data: bytes) -> None:
        """Take the next bytes. What it raises ends the exchange."""


class Turns:
    """Lets only so many large replies into memory at once, first come first served."""

    def __init__(self, free: int) -> None:
        self._free = free
        self._waiting: deque[Callable[[], bool]] = deque()

    def ask(self, go_on: Callable[[], bool]) -> bool:
        """Tell whether it is one's turn; if not, `go_on` is called then: False passes it on."""
        if self._free:
            self._free -= 1
            return True
        self._waiting.append(go_on)
        return False

    def give_back(self) -> None:
        """End a turn."""
        while self._waiting:
            if self._waiting.popleft()():
                return
        self._free += 1


class Exchange(asyncio.BufferedProtocol):
    """Sends a request when connected; `done` ends with the response, or with what was wrong."""

    def __init__(
        self, request: bytes, receiver: Receiver, buffer: memoryview, turns: Turns | None = None
    ) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.received = 0
        self._request = request
        self._receiver = receiver
        self._buffer = buffer
        self._turns = turns
        self._has_turn = False
        self._most = MOST_HEAD
        self._length: int | None = None
        self._chunked = False
        self._transport: asyncio.Transport | None = None
        self._over = False
        self._parser = httptools.HttpResponseParser(self)

    def leave(self) -> None:
        """Close the connection, whatever it does, and keep nothing that it brought."""
        self._over = True
        if not self.done.cancel() and not self.done.cancelled():
            self.done.exception()  # else asyncio complains of one that nobody looked at
        if self._transport:
            self._transport.abort()
        if self._turns and self._has_turn:
            self._turns.give_back()
        # The parser refers to this, and a problem to all the frames it came through: both would
        # stay until the garbage collector comes by, megabytes of a hostile daemon's each.
        del self.done, self._parser, self._receiver

    def _end(self, problem: BaseException | None) -> None:
        if self._over:
            return
        self._over = True
        if problem:
            self.done.set_exception(problem)
        else:
            self.done.set_result(None)

    def _wait_for_turn(self) -> None:
        if self._turns and self._transport:
            self._has_turn = self._turns.ask(self._go_on)
            if not self._has_turn:
                self._transport.pause_reading()

    def _go_on(self) -> bool:
        if self._over or self._transport is None:
            return False
        self._has_turn = True
        self._transport.resume_reading()
        return True

    # From asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request."""
        self._transport = cast(asyncio.Transport, transport)
        if not self._over:
            self._transport.write(self._request)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the buffer, which is read before anybody else gets it."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what has arrived."""
        if self._over:
            return
        self.received += nbytes
        try:
            self._parser.feed_data(self._buffer[:nbytes])
        except httptools.HttpParserCallbackError as err:
            self._end(err.__context__ or err)
        except httptools.HttpParserError as err:
            self._end(ProtocolError(f"the response is no HTTP ({err})"))
        if self.received > self._most:
            self._end(TooLarge(f"the response has more than {self._most} bytes"))
        if self.received > SMALL and not (self._has_turn or self._over):
            self._wait_for_turn()

    def connection_lost(self, exc: Exception | None) -> None:
        """See the other side close."""
        if self.received:
            self._end(ProtocolError("the response breaks off"))
        else:
            self._end(Unreachable("closed the connection without an answer"))

    # From httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        name, value = name.lower(), value.strip().lower()
        if name == b"content-encoding" and value != b"identity":
            raise ProtocolError("the response is compressed")
        if name == b"transfer-encoding":
            if value != b"chunked":
                raise ProtocolError("the response has a transfer encoding other than chunked")
            self._chunked = True
        if name == b"content-length":
            if not LENGTH.fullmatch(value):
                raise ProtocolError("the response's Content-Length is no number")
            self._length = int(value)

    def on_headers_complete(self) -> None:
        """Look at the status, and tell the receiver what comes."""
        code = self._parser.get_status_code()
        if code == 404:
            raise FileMissing("HTTP 404: it has no such thing")
        if code != 200:
            raise ProtocolError(f"HTTP {code}")
        if self._length is None and not self._chunked:
            raise ProtocolError("the response has no Content-Length")
        self._receiver.begin(self._length)
        self._most = MOST_HEAD + self._receiver.most_bytes

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._receiver.take(body)

    def on_message_complete(self) -> None:
        """See the end."""
        self._end(None)


async def exchange(address: Address, conversation: Exchange, when: float, late: str) -> None:
    """Connect, and wait until the response has come whole, until `when` on the loop's clock.

    Raises Unreachable, with the words of `late` at `when`; HostExhausted; ProtocolError; and what
    the receiver raises.
    """
    timer = asyncio.timeout_at(when)
    try:
        async with timer:
            await _connect(address, conversation)
            await conversation.done
    except TimeoutError:
        if timer.expired():
            raise Unreachable(late) from None
        raise
    finally:
        conversation.leave()


async def _connect(address: Address, conversation: Exchange) -> None:
    loop = asyncio.get_running_loop()
    try:
        await loop.create_connection(lambda: conversation, address.host, address.port)
    except socket.gaierror as err:
        raise Unreachable("its name does not resolve") from err
    except OSError as err:
        if err.errno in EXHAUSTED:
            raise HostExhausted(f"this host can't connect: {os.strerror(err.errno)}") from err
        reason = os.strerror(err.errno) if err.errno else "no address of its name answers"
        raise Unreachable(reason) from err
