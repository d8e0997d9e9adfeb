"""Values of XML-RPC: taken as what they should be, or refused; pure."""

from collections.abc import Sequence

from scanner.transport.errors import ProtocolError


def quote(value: object) -> str:
    r"""Quote what a daemon said: short, and with nothing a terminal would obey.

    >>> quote("red: \x1b[31m"), quote(["a"])
    ("'red: \\x1b[31m'", 'a list')
    """
    if not isinstance(value, str):
        return kind_of(value)
    return ascii(value) if len(value) <= 60 else ascii(value[:60]) + "…"


def text_of(value: object, what: str, most: int) -> str:
    """Take a text of so many characters. Raises ProtocolError."""
    if not isinstance(value, str):
        raise ProtocolError(f"{what} is {kind_of(value)}, not text")
    if not 0 < len(value) <= most:
        raise ProtocolError(f"{what} has {len(value)} characters, not 1 to {most}")
    return value


def list_of(value: object, what: str, *, most: int) -> Sequence[object]:
    """Take a list of so many values. Raises ProtocolError."""
    if not isinstance(value, list | tuple):
        raise ProtocolError(f"{what} is {kind_of(value)}, not a list")
    if len(value) > most:
        raise ProtocolError(f"{what} has {len(value)} values; {most} are the most")
    return value


def pair_of(value: object) -> tuple[object, object]:
    """Take a list of two. Raises ProtocolError."""
    items = list_of(value, "the reply", most=2)
    if len(items) != 2:
        raise ProtocolError(f"the reply has {len(items)} values, not 2")
    return items[0], items[1]


def kind_of(value: object) -> str:
    """Say what kind of value this is."""
    kinds = {list: "a list", dict: "a struct", str: "text", bytes: "bytes", type(None): "nothing"}
    return kinds.get(type(value), "a number or a date")
