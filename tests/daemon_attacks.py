"""What a hostile daemon does on the wire instead of answering; each is given to Daemon.attack()."""

import asyncio
import gzip
from asyncio import StreamWriter
from collections.abc import Awaitable, Callable
from functools import partial

from tests.daemon import Daemon
from tests.daemon_server import encode_reply, http_response

Attack = Callable[[StreamWriter, Daemon], Awaitable[None]]
MIB = 1024 * 1024
OK = b"HTTP/1.1 200 OK\r\n"
XML = b"<?xml version='1.0'?>"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
DRIP_S = 0.02
BILLION_LAUGHS = b"".join(
    b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10 if n else b"ha" * 10) for n in range(9)
)


async def send(writer: StreamWriter, *parts: bytes) -> None:
    """Send, as fast as it is read."""
    for part in parts:
        writer.write(part)
        await writer.drain()


async def send_for_ever(head: bytes, part: bytes, writer: StreamWriter, _: Daemon) -> None:
    """Send without an end, as fast as it is read."""
    await send(writer, head)
    while True:
        await send(writer, part)


async def drip(head: bytes, part: bytes, writer: StreamWriter, _: Daemon) -> None:
    """Send without an end, so slowly that no single wait is long."""
    await send(writer, head)
    while True:
        await send(writer, part)
        await asyncio.sleep(DRIP_S)


async def answer(head: bytes, body: bytes, writer: StreamWriter, _: Daemon) -> None:
    """Send this, and close."""
    await send(writer, head, body)


async def hang(writer: StreamWriter, daemon: Daemon) -> None:
    """Accept, and never say a word."""
    await asyncio.Event().wait()


def replying(body: bytes) -> Attack:
    """An honest response with this body."""
    return partial(answer, b"", http_response(body, "text/xml"))


def returning(xml: bytes) -> Attack:
    """A reply that returns this value, written out."""
    return replying(
        XML
        + b"<methodResponse><params><param><value>%s</value></param></params></methodResponse>"
        % xml
    )


def struct_of(members: int, times: int = 1) -> bytes:
    """A struct of so many members, all of them again and again, in XML."""
    one = b"<member><name>f%07d</name><value><i4>1</i4></value></member>"
    return b"<struct>" + b"".join(one % n for n in range(members)) * times + b"</struct>"


def nested(depth: int) -> bytes:
    """Arrays in arrays, in XML."""
    return b"<array><data><value>" * depth + b"</value></data></array>" * depth


def large(make: Callable[[], bytes]) -> Attack:
    """A reply that returns a value too large to be kept."""

    async def attack(writer: StreamWriter, daemon: Daemon) -> None:
        await returning(make())(writer, daemon)

    return attack


async def gzip_bomb(writer: StreamWriter, _: Daemon) -> None:
    """Send 300 MB in 300 kB."""
    start, end = encode_reply("|").split(b"|")
    packed = gzip.compress(start) + gzip.compress(b"a" * MIB) * 300 + gzip.compress(end)
    await send(writer, http_response(packed, "text/xml", "Content-Encoding: gzip"))


def redirecting(url: str) -> Attack:
    """A 302 to somewhere else."""
    return partial(
        answer, b"", http_response(b"", "text/html", f"Location: {url}", status="302 Found")
    )


def fault(xml: bytes) -> Attack:
    """A fault with this value, written out."""
    return replying(
        XML + b"<methodResponse><fault><value>%s</value></fault></methodResponse>" % xml
    )


def file(length: int, content: bytes) -> Attack:
    """A file that says it has this length, and has this content."""
    return partial(answer, OK + b"Content-Length: %d\r\n\r\n" % length, content)


ON_CALLS: dict[str, Attack] = {
    "gzip bomb": gzip_bomb,
    "endless chunks": partial(send_for_ever, CHUNKED, b"10000\r\n" + b" " * 65536 + b"\r\n"),
    "endless small chunks": partial(send_for_ever, CHUNKED, b"1\r\n \r\n" * 1000),
    "endless chunk extension": partial(send_for_ever, CHUNKED + b"1;", b"x" * 65536),
    "endless trailers": partial(
        send_for_ever, CHUNKED + b"0\r\n", b"X-A: " + b"x" * 60000 + b"\r\n"
    ),
    "endless headers": partial(send_for_ever, OK, b"X-A: " + b"x" * 1000 + b"\r\n"),
    "endless header": partial(send_for_ever, OK + b"X-A: ", b"x" * 65536),
    "100 for ever": partial(send_for_ever, b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body larger than agreed": partial(
        send_for_ever, OK + b"Content-Length: 999999999\r\n\r\n", b" " * 65536
    ),
    "body without a length": partial(send_for_ever, OK + b"\r\n", b" " * 65536),
    "length that is none": partial(answer, OK + b"Content-Length: -5\r\n\r\n", b"x"),
    "two lengths": partial(
        answer, OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", b"xxxxxx"
    ),
    "compressed chunks": partial(
        answer, OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", b"0\r\n\r\n"
    ),
    "entity bomb": replying(
        XML + b"<!DOCTYPE r [" + BILLION_LAUGHS + b"]><methodResponse>&l8;</methodResponse>"
    ),
    "external entity": replying(
        XML
        + b'<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]><methodResponse>&e;</methodResponse>'
    ),
    "entity bomb in UTF-16": replying(
        ("<?xml version='1.0' encoding='UTF-16'?><!DOCTYPE r [<!ENTITY e 'x'>]><r>&e;</r>").encode(
            "utf-16"
        )
    ),
    "a million members": large(lambda: struct_of(1000, 1000)),
    "members up to the cap": large(lambda: struct_of(66_000)),
    "deep arrays": large(lambda: nested(200_000)),
    "deep arrays up to the cap": large(lambda: nested(90_000)),
    "empty values up to the cap": large(
        lambda: b"<array><data>" + b"<value/>" * 500_000 + b"</data></array>"
    ),
    "lines up to the cap": large(lambda: b"<string>" + b"\n" * 4_000_000 + b"</string>"),
    "references up to the cap": large(lambda: b"<string>" + b"&#65;" * 800_000 + b"</string>"),
    "attributes up to the cap": large(
        lambda: b"<string " + b" ".join(b'a%d=""' % n for n in range(350_000)) + b"/>"
    ),
    "long text up to the cap": large(lambda: b"<string>" + b"x" * 4_000_000 + b"</string>"),
    "integer of a million digits": large(lambda: b"<int>" + b"1" * 1_000_000 + b"</int>"),
    "integer in another script": returning("<int>٣</int>".encode()),
    "decimal that takes for ever": returning(b"<bigdecimal>1e999999999</bigdecimal>"),
    "no number": returning(b"<double>nan</double>"),
    "infinite": returning(b"<double>1e999</double>"),
    "bad bool": returning(b"<boolean>2</boolean>"),
    "bad base64": returning(b"<base64>x</base64>"),
    "bad date": returning(b"<dateTime.iso8601>yesterday</dateTime.iso8601>"),
    "struct of a value": returning(b"<struct><value>x</value></struct>"),
    "struct by a list": returning(
        b"<struct><value><array><data/></array></value><value>x</value></struct>"
    ),
    "fault that is no struct": fault(b"<i4>1</i4>"),
    "fault without a code": fault(b"<struct/>"),
    "fault with a list for a code": fault(
        b"<struct><member><name>faultCode</name><value><array><data/></array></value></member>"
        b"<member><name>faultString</name><value>x</value></member></struct>"
    ),
    "a call for a reply": replying(b"<methodCall><methodName>x</methodName></methodCall>"),
    "two values": replying(
        b"<methodResponse><params><param><value>1</value></param>"
        b"<param><value>2</value></param></params></methodResponse>"
    ),
    "no value": replying(b"<methodResponse><params></params></methodResponse>"),
    "empty body": replying(b""),
    "HTML": replying(b"<html><body>It works!</body></html>"),
    "no UTF-8": returning(b"<string>\xff\xfe</string>"),
    "unknown encoding": replying(b"<?xml version='1.0' encoding='rot13'?><methodResponse/>"),
    "no HTTP": partial(answer, b"SSH-2.0-OpenSSH_9.2\r\n", b""),
    "a redirect": redirecting("http://127.0.0.1:1/rpc"),
    "an error of the server's": partial(
        answer, b"", http_response(b"sorry", "text/html", status="500 Internal Server Error")
    ),
    "breaks off": partial(answer, OK + b"Content-Length: 500\r\n\r\n", XML),
}
"""Instead of an answer to any method: each ends in a ProtocolError, quickly."""

ENDLESS: dict[str, Attack] = {
    "hangs": hang,
    "drips its headers": partial(drip, OK, b"X"),
    "drips its body": partial(drip, OK + b"Content-Length: 1000000\r\n\r\n", b" "),
    "drips chunks": partial(drip, CHUNKED, b"1\r\n \r\n"),
}
"""Instead of an answer to any method, or of a file: each costs the deadline, and no more."""

ON_FILES: dict[str, Attack] = {
    "short": file(10, b"short"),
    "no length": partial(answer, CHUNKED, b"5\r\nwhole\r\n0\r\n\r\n"),
    "larger than agreed": file(10 * MIB, b"x"),
    "endless": partial(send_for_ever, CHUNKED, b"10000\r\n" + b" " * 65536 + b"\r\n"),
    "other content": file(5, b"other"),
    "compressed": partial(
        answer, b"", http_response(b"whole", "text/html", "Content-Encoding: gzip")
    ),
    "a redirect": redirecting("http://127.0.0.1:1/filecache/x"),
    "part of it": partial(
        answer, b"", http_response(b"whole", "text/html", status="206 Partial Content")
    ),
}
"""Instead of a file of five bytes, `whole`: each ends in a ProtocolError."""
