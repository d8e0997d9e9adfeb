"""A daemon's URL, taken apart; pure."""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from farmhand.errors import BadInput

DEFAULT_PORT = 8221
HOST = re.compile(r"[A-Za-z0-9.-]+|[0-9A-Fa-f:.]+")
PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where a daemon listens; `path` is what stands before /rpc and /filecache."""

    url: str
    host: str
    port: int
    path: str

    @property
    def netloc(self) -> str:
        """Host and port as HTTP's Host has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def plain_url(self) -> str:
        """The URL as each daemon has one only."""
        return f"http://{self.netloc}{self.path}"


def parse_address(url: str) -> Address:
    """Take a daemon's URL apart.

    Raises BadInput.

    >>> parse_address("http://bos01-amd64-001")
    Address(url='http://bos01-amd64-001', host='bos01-amd64-001', port=8221, path='')
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = SplitResult("", "", "", "", ""), None
    plain = parts.scheme == "http" and not (parts.query or parts.fragment or "@" in parts.netloc)
    plain = plain and url.isascii() and url.isprintable()
    host = parts.hostname or ""
    if not (plain and HOST.fullmatch(host) and PATH.fullmatch(parts.path) and port != 0):
        raise BadInput('a daemon\'s URL must look like "http://host:8221"')
    return Address(url=url, host=host, port=port or DEFAULT_PORT, path=parts.path.rstrip("/"))
