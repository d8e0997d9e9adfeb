"""XML-RPC's bodies: a call → bytes, a reply's bytes → what it returned, guarded; pure.

The parser is the standard library's; what could make it dear is refused before it starts.
"""

import math
import re
import xmlrpc.client
from collections.abc import Sequence
from functools import cache

from farmhand.errors import BadInput
from scanner.transport.errors import DaemonFault, ProtocolError

MOST_MARKS = 200_000
"""Of "<", "&", "=" and line ends: a status with 10,000 files has 120,000."""
MARKS = (b"<", b"&", b"=", b"\n", b"\r")
INTEGER = re.compile(r"\s*[+-]?[0-9]{1,19}\s*")
UNSENDABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def encode_call(method: str, params: Sequence[object] = ()) -> bytes:
    """Write a call.

    Raises BadInput where XML-RPC has no form for a parameter; it never says which: secrets.
    """
    if not params:
        return _encode_bare(method)
    try:
        text = xmlrpc.client.dumps(tuple(params), method, allow_none=True)  # type: ignore[arg-type]
    except (TypeError, OverflowError) as err:
        raise BadInput(f"{method}: a parameter is of a kind that XML-RPC does not have") from err
    if UNSENDABLE.search(text):
        raise BadInput(f"{method}: a parameter has a character that XML does not have")
    return text.encode()


@cache
def _encode_bare(method: str) -> bytes:
    return xmlrpc.client.dumps((), method).encode()


def decode_reply(body: bytes | bytearray) -> object:
    """Read what a call returned.

    Raises ProtocolError, and DaemonFault without the daemon's text: it may repeat secrets.
    """
    _refuse_dear(body)
    target = xmlrpc.client.Unmarshaller(use_builtin_types=True)
    target.dispatch = DISPATCH
    try:
        parser = xmlrpc.client.ExpatParser(target)
        parser.feed(body)
        parser.close()
        values = target.close()
    except xmlrpc.client.Fault as fault:
        code: object = fault.faultCode
        if type(code) is not int:
            raise ProtocolError("the fault's code is no number") from None
        raise DaemonFault(f"fault {code}", code) from None
    except Exception as err:  # noqa: BLE001 - the parser raises many kinds, all of bad replies
        raise ProtocolError(f"the reply is no XML-RPC ({type(err).__name__})") from None
    if target.getmethodname() is not None or len(values) != 1:
        raise ProtocolError("the reply does not return one value")
    return values[0]


def _refuse_dear(body: bytes | bytearray) -> None:
    """Refuse what is legal XML and no reply of a daemon's, before time and memory are spent."""
    if b"<!" in body:
        raise ProtocolError("the reply has a DOCTYPE, an ENTITY or another declaration")
    if b"\0" in body:
        raise ProtocolError("the reply is no UTF-8")
    if sum(body.count(mark) for mark in MARKS) > MOST_MARKS:
        raise ProtocolError(f"the reply has more than {MOST_MARKS} tags, entities and lines")


def _end_int(target: xmlrpc.client.Unmarshaller, data: str) -> None:
    """Take an integer of 64 bits or so: none of a million digits, none in another script."""
    if not INTEGER.fullmatch(data):
        raise ValueError("no integer")
    target.end_int(data)


def _end_double(target: xmlrpc.client.Unmarshaller, data: str) -> None:
    if not math.isfinite(float(data)):
        raise ValueError("no number")
    target.end_double(data)


DISPATCH = xmlrpc.client.Unmarshaller.dispatch | {
    **dict.fromkeys(("i1", "i2", "i4", "i8", "int", "biginteger"), _end_int),
    **dict.fromkeys(("double", "float", "bigdecimal"), _end_double),
}
