"""Fetch a machine's page from the allocator over HTTP, within a time, whatever the server does.

urllib3 alone, without requests around it: a machine that boots waits for every import.
"""

import logging
import os
import queue
import random
import threading
import time
from contextlib import suppress
from itertools import count
from urllib.parse import urljoin

import urllib3
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.response import BaseHTTPResponse

from farmhand import __version__
from farmhand.errors import Unavailable
from slavealloc.runslave.settings import hide_user

log = logging.getLogger("runslave")

MOST_BYTES = 2**20
CHUNK_BYTES = 2**16
REASON_CHARACTERS = 200
MOST_REDIRECTS = 5
SILENCE_S = 15.0  # of one attempt; there should be time for another
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 16.0
TRY_AGAIN = frozenset({408, 429})  # and all of 5xx


class TryAgain(Unavailable):
    """What may be over in a moment; `after_s` is what the server asked for."""

    def __init__(self, message: str, after_s: float = 0.0) -> None:
        super().__init__(message)
        self.after_s = after_s


def fetch_page(url: str, timeout_s: float, token: str | None = None) -> bytes:
    """Fetch a page within `timeout_s` by the clock on the wall, retries and all.

    Only the host of the URL is shown the token. Raises Unavailable with the reason.

    A thread that is left behind, since nothing else holds that promise: timeouts of sockets start
    anew with every byte of a server that drips, and neither they nor SIGALRM end the C library's
    look-up of a name. It is a daemon, so it does not keep the process, and it asks nothing more
    once the time is over.
    """
    answers: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()
    problems: list[str] = []
    deadline = time.monotonic() + timeout_s

    def ask() -> None:
        try:
            answers.put(_ask_until(url, token, deadline, problems))
        except Exception as err:  # noqa: BLE001 - raised by who waits for it
            answers.put(err)

    threading.Thread(target=ask, name="fetch", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_s)
    except queue.Empty as err:
        late = f"{hide_user(url)}: no whole answer within {timeout_s:g} s"
        raise Unavailable("; before that, ".join([late, *problems[-1:]])) from err
    if isinstance(answer, Exception):
        raise answer
    return answer


def _ask_until(url: str, token: str | None, deadline: float, problems: list[str]) -> bytes:
    """Ask, and ask again after what may be over in a moment, which is added to the problems.

    A loop of our own: urllib3's Retry knows neither of deadlines nor of full jitter, and does not
    retry a body that breaks off.
    """
    for attempt in count():
        try:
            return _ask(url, token, min(SILENCE_S, max(0.01, deadline - time.monotonic())))
        except TryAgain as err:
            problems.append(str(err))
            wait_s = choose_wait_s(attempt, err.after_s, random.random())  # noqa: S311 - no secret
            if time.monotonic() + wait_s >= deadline:
                raise Unavailable(f"{err} (asked {attempt + 1} times)") from err
            log.info("%s; asking again in %.1f s", err, wait_s)
            time.sleep(wait_s)
    raise AssertionError("count() ends never")


def choose_wait_s(attempt: int, after_s: float, chance: float) -> float:
    """Choose the wait after an attempt, the first being 0; `chance` is in [0, 1).

    Anything up to a doubling bound ("full jitter"), after what the server asked for: a thousand
    machines that boot together, or that were all told the same, don't come back together.

    >>> [choose_wait_s(attempt, 0, 0.5) for attempt in (0, 1, 2, 9)]
    [0.5, 1.0, 2.0, 8.0]
    """
    bound_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(attempt, 16))
    return after_s + chance * bound_s


def _ask(url: str, token: str | None, silence_s: float) -> bytes:
    """Ask once, following redirects; `silence_s` is how long a server may say nothing."""
    try:
        for _ in range(MOST_REDIRECTS + 1):
            with _open(url, token, silence_s) as response:
                target = response.get_redirect_location()
                if not target:
                    return _read(response, hide_user(url))
                asked, url = url, urljoin(url, target)
                token = token if is_same_server(asked, url) else None
    except ValueError as err:  # urllib3's too; where a redirect leads is for the server to say
        raise Unavailable(f"allocator URL: {err}") from err
    except HTTPError as err:
        raise TryAgain(f"{hide_user(url)}: {root_cause(err)}") from err
    raise Unavailable(f"{hide_user(url)}: more than {MOST_REDIRECTS} redirects")


def is_same_server(asked: str, target: str) -> bool:
    """Say whether a redirect stays on a host, and does not leave https.

    >>> is_same_server("http://allocator/gettac/w1", "https://allocator/gettac/w1")
    True
    >>> is_same_server("https://allocator/gettac/w1", "http://allocator/gettac/w1")
    False
    """
    before, after = urllib3.util.parse_url(asked), urllib3.util.parse_url(target)
    return before.host == after.host and (before.scheme == after.scheme or after.scheme == "https")


def _open(url: str, token: str | None, silence_s: float) -> BaseHTTPResponse:
    """Send the request; the answer's body is left to be read."""
    parsed = urllib3.util.parse_url(url)
    headers = urllib3.make_headers(basic_auth=parsed.auth, user_agent=f"runslave/{__version__}")
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    return _make_pool(parsed).request(
        "GET",
        parsed._replace(auth=None).url,
        headers=headers,
        timeout=silence_s,
        retries=False,
        redirect=False,
        preload_content=False,
    )


def _make_pool(url: urllib3.util.Url) -> urllib3.PoolManager:
    """Make a pool that goes through the environment's proxy, if one is set for this server."""
    if any(name.lower().endswith("_proxy") for name in os.environ):
        from urllib.request import getproxies, proxy_bypass

        proxy = getproxies().get(url.scheme or "http")
        if proxy and not proxy_bypass(url.netloc or ""):
            return urllib3.ProxyManager(proxy if "://" in proxy else f"http://{proxy}")
    return urllib3.PoolManager()


def _read(response: BaseHTTPResponse, asked: str) -> bytes:
    """Read the page; raises Unavailable for every status but 200, and for too much."""
    if response.status != 200:
        reason = f"{asked}: HTTP {response.status}: {_read_reason(response)}"
        if response.status in TRY_AGAIN or response.status >= 500:
            raise TryAgain(reason, _read_retry_after(response))
        raise Unavailable(reason)
    page = bytearray()
    for chunk in response.stream(CHUNK_BYTES):
        page += chunk
        if len(page) > MOST_BYTES:
            raise Unavailable(f"{asked}: more than {MOST_BYTES} bytes, which no tac has")
    if not page:  # also that of a server that hung up amid its headers
        raise TryAgain(f"{asked}: an empty page")
    return bytes(page)


def _read_reason(response: BaseHTTPResponse) -> str:
    """Read what a server says in plain text, shortened; else what its status means."""
    if response.headers.get("Content-Type", "text/plain").startswith("text/plain"):
        said = response.read(4 * REASON_CHARACTERS).decode("utf-8", "replace").strip()
        if said:
            return said[:REASON_CHARACTERS]
    return response.reason or "no reason given"


def _read_retry_after(response: BaseHTTPResponse) -> float:
    with suppress(InvalidHeader):
        return urllib3.Retry().get_retry_after(response) or 0.0
    return 0.0


def root_cause(err: BaseException) -> str:
    """Say what an error began with: the libraries' own words repeat each other.

    >>> root_cause(OSError("refused"))
    'refused'
    """
    while inner := err.__cause__ or err.__context__:
        err = inner
    return str(err) or type(err).__name__
