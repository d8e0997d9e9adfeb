"""Where a request came from, and where a login leads; pure."""

import re
from collections.abc import Mapping

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
FIRST_PAGE = "/ui/"
# A path of this server: no `//host`, and no `/\host`, which browsers read as the same.
OWN_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")


def is_same_site(headers: Mapping[str, str]) -> bool:
    """Say whether a browser says that one of this server's own pages sent this.

    >>> is_same_site({"host": "slavealloc:1080", "origin": "http://slavealloc:1080"})
    True
    >>> is_same_site({"host": "slavealloc:1080"})
    False
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site != "same-origin":
        return False
    if origin is None:
        return site is not None
    host = headers.get("host", "").lower()
    return bool(host) and origin.lower() in {f"http://{host}", f"https://{host}"}


def is_foreign(headers: Mapping[str, str]) -> bool:
    """Say whether a browser says that a page of somebody else sent this."""
    told = "sec-fetch-site" in headers or "origin" in headers
    return told and not is_same_site(headers)


def choose_next(asked: str) -> str:
    """Choose where a login leads: a path of this server, whatever was asked.

    >>> [choose_next(asked) for asked in ("/ui/workers?q=a", "//evil.example.com", "")]
    ['/ui/workers?q=a', '/ui/', '/ui/']
    """
    return asked if OWN_PATH.fullmatch(asked) else FIRST_PAGE


def is_secure(scheme: str, client: str | None, forwarded: str | None) -> bool:
    """Say whether a request came by https, here or to the proxy on this host in front of us.

    >>> is_secure("http", "127.0.0.1", "https"), is_secure("http", "10.0.0.7", "https")
    (True, False)
    """
    near = client is not None and (client.startswith("127.") or client == "::1")
    return scheme == "https" or (near and forwarded == "https")
