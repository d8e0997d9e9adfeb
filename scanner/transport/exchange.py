"""One request of HTTP and its response, on a connection of its own; talks to a daemon's socket.

httptools parses; here is what may arrive, how much, and until when. No redirect is followed, no
proxy asked, nothing inflated.
"""

import asyncio
import errno
import os
import re
import socket
from typing import Protocol, cast

import httptools

from farmhand.errors import FarmError
from scanner.transport.address import Address
from scanner.transport.errors import (
    FileMissing,
    HostExhausted,
    NothingMore,
    ProtocolError,
    TooLarge,
    Unreachable,
)

MOST_HEAD = 64 * 1024
"""Of the headers; and what these and the chunks' lengths may add to a body."""
LENGTH = re.compile(rb"[0-9]{1,18}")
RANGE = re.compile(rb"bytes ([0-9]{1,18})-[0-9]{1,18}/(?:[0-9]{1,18}|\*)")
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}


class Receiver(Protocol):
    """Takes a response's body, of at most so many bytes; one that wants a part may get it all."""

    most_bytes: int
    wants_part: bool

    def begin(self, length: int | None, first: int) -> None:
        """Hear the body's length, None where it comes in chunks, and which byte is the first.

        Raises ProtocolError.
        """

    def take(self, data: bytes) -> None:
        """Take the next bytes. What it raises ends the exchange."""


class Memory:
    """Bounds what all replies that are on their way hold together; the largest has to go."""

    def __init__(self, most_bytes: int) -> None:
        self._left = most_bytes
        self._held: set[Exchange] = set()

    def hold(self, exchange: "Exchange", more: int) -> None:
        """Count what an exchange has received."""
        self._held.add(exchange)
        self._left -= more
        if self._left < 0:
            max(self._held, key=lambda each: each.received).give_up_memory()

    def release(self, exchange: "Exchange") -> None:
        """Count nothing of it any longer."""
        if exchange in self._held:
            self._held.remove(exchange)
            self._left += exchange.received


class Exchange(asyncio.BufferedProtocol):
    """Sends a request when connected; `done` ends with the response, or with what was wrong."""

    def __init__(
        self, request: bytes, receiver: Receiver, buffer: memoryview, memory: Memory | None = None
    ) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.received = 0
        self._request = request
        self._receiver = receiver
        self._buffer = buffer
        self._memory = memory
        self._most = MOST_HEAD
        self._length: int | None = None
        self._first: int | None = None
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
        if self._memory:
            self._memory.release(self)
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

    def give_up_memory(self) -> None:
        """End, so that smaller replies have room."""
        self._end(HostExhausted("this host has too many large replies in memory at once"))

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
        if self._memory:
            self._memory.hold(self, nbytes)

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
        if name == b"content-range" and (found := RANGE.fullmatch(value)):
            self._first = int(found[1])

    def on_headers_complete(self) -> None:
        """Look at the status, and tell the receiver what comes."""
        code = self._parser.get_status_code()
        if code == 404:
            raise FileMissing("HTTP 404: it has no such thing")
        if code == 416 and self._receiver.wants_part:
            raise NothingMore("HTTP 416: it ends before that")
        if code != 200 and not (
            code == 206 and self._receiver.wants_part and self._first is not None
        ):
            raise ProtocolError(f"HTTP {code}")
        if self._length is None and not self._chunked:
            raise ProtocolError("the response has no Content-Length")
        self._receiver.begin(self._length, (self._first or 0) if code == 206 else 0)
        self._most = MOST_HEAD + self._receiver.most_bytes

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._receiver.take(body)

    def on_message_complete(self) -> None:
        """See the end."""
        self._end(None)


async def exchange(address: Address, conversation: Exchange, when: float, late: FarmError) -> None:
    """Connect, and wait until the response has come whole, until `when` on the loop's clock.

    Raises `late` at `when`; Unreachable; HostExhausted; ProtocolError; and what the receiver
    raises.
    """
    timer = asyncio.timeout_at(when)
    try:
        async with timer:
            await _connect(address, conversation)
            await conversation.done
    except TimeoutError:
        if timer.expired():
            raise late from None
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
