"""JSON over HTTP from servers that may hang, drip or lie: with a deadline and a cap."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import TimeoutError as NotReady
from multiprocessing.pool import ThreadPool
from typing import Any, TypeVar

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from farmhand.errors import Unavailable

CHUNK_BYTES = 2**16
SAID_AT_MOST = 60
# A host's name that can't be one comes through requests as urllib3 and Python have it.
FAILURES = (requests.RequestException, HTTPError, UnicodeError)
Found = TypeVar("Found")


def open_session() -> requests.Session:
    """Open connections that are kept; no proxy stands between us and the farm's own servers."""
    session = requests.Session()
    session.trust_env = False
    return session


class NoAnswer(Unavailable):
    """The server was too slow: another question would cost as much time again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How long one question may take, and how much may come of it."""

    timeout_s: float
    most_bytes: int


def fetch_json(session: requests.Session, url: str, patience: Patience) -> Any:
    """GET a JSON document; None where the server answers 404.

    Raises NoAnswer or Unavailable, which name the URL and what was wrong. A redirect is an error:
    who answers is whom the configuration names.
    """
    until = time.monotonic() + patience.timeout_s
    try:
        with session.get(
            url, timeout=patience.timeout_s, stream=True, allow_redirects=False
        ) as answer:
            body = _read_body(answer, url, until, patience)
    except FAILURES as err:
        if isinstance(err, requests.Timeout | ReadTimeoutError):
            raise NoAnswer(f"{url}: no answer within {patience.timeout_s:g} s") from err
        raise Unavailable(f"{url}: {_explain(err)}") from err
    if answer.status_code == requests.codes.not_found:
        return None
    if answer.is_redirect:
        raise Unavailable(f"{url}: redirects{_quote(answer.headers['location'].encode())}")
    if answer.status_code != requests.codes.ok:
        raise Unavailable(f"{url}: HTTP {answer.status_code}{_quote(body)}")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as err:
        raise Unavailable(f"{url}: no JSON{_quote(body)}") from err


def _read_body(answer: requests.Response, url: str, until: float, patience: Patience) -> bytes:
    """Read to the end, so that the connection can be used again."""
    body = bytearray()
    while chunk := answer.raw.read1(CHUNK_BYTES, decode_content=True):
        body += chunk
        if len(body) > patience.most_bytes:
            raise Unavailable(f"{url}: more than {patience.most_bytes} bytes")
        if time.monotonic() > until:
            raise NoAnswer(f"{url}: no whole answer within {patience.timeout_s:g} s")
    return bytes(body)


def _explain(err: Exception) -> str:
    """Say what went wrong without the libraries' wrapping, which repeats the address."""
    inner: BaseException = err
    while cause := inner.__cause__ or inner.__context__:
        inner = cause
    return str(inner).rpartition(": ")[2] or type(inner).__name__


def _quote(body: bytes) -> str:
    """Say how an answer begins, in one printable line."""
    text = " ".join(body[: 4 * SAID_AT_MOST].decode("utf-8", "replace").split())
    said = "".join(c for c in text if c.isprintable())[:SAID_AT_MOST]
    return f": {said}" if said else ""


def within(patience_s: float, what: str, read: Callable[[], Found]) -> Found:
    """Read in a thread that is left behind after so long; raises NoAnswer then.

    Neither a server that drips nor a look-up of a name ends with a socket's timeout. The thread is
    a daemon, so it does not keep the process.
    """
    pool = ThreadPool(1)
    waiting = pool.apply_async(read)
    pool.close()
    try:
        return waiting.get(patience_s)
    except NotReady as err:
        raise NoAnswer(f"{what}: no whole answer within {patience_s:.3g} s") from err
