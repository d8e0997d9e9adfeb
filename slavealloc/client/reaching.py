"""Which server a verb asks, and what it shows there: options, environment, farmhand.yml."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from farmhand import config
from farmhand.command import Run
from farmhand.config_file import find_config
from farmhand.errors import BadInput
from slavealloc.client.http import Server
from slavealloc.client.whom import DEFAULT_URL, Whom
from slavealloc.config import SlaveAlloc
from slavealloc.runslave.settings import hide_user
from slavealloc.secret import find_token, parse_token

URL = re.compile(r"(https?://[^\s/?#]+(?:/[^\s?#]*?)??)/*(?:/api(?:/v1)?)?/*")


@contextmanager
def reaching(run: Run, whom: Whom, *, shows_token: bool = False) -> Iterator[Server]:
    """Open a session with the server that is meant; raises BadInput.

    The token of farmhand.yml is for the server of farmhand.yml: no other address is shown it.
    """
    token = find_token(run.environ) if shows_token else None
    section = SlaveAlloc()
    if whom.api_url is None or (shows_token and token is None):
        section = _read_section(run, whom.secrets)
    configured = section.api_url or DEFAULT_URL
    address = parse_address(whom.api_url or configured)
    if shows_token and token is None and section.api_token and address == parse_address(configured):
        token = parse_token(section.api_token.get_secret_value(), "slavealloc.api_token")
    with requests.Session() as session:
        yield Server(address=address, session=session, remaining_s=run.remaining_s, token=token)


def _read_section(run: Run, secrets: Path | None) -> SlaveAlloc:
    path = find_config(run.config_path, run.environ)
    if path is None:
        return SlaveAlloc()
    settings = config.load(path, "slavealloc", environ=run.environ, secrets=secrets)
    section = settings.sections.get("slavealloc")
    return section if isinstance(section, SlaveAlloc) else SlaveAlloc()


def parse_address(url: str) -> str:
    """Read a server's address, without the /api that the original's had; raises BadInput.

    >>> parse_address("http://slavealloc.example.com/api/")
    'http://slavealloc.example.com'
    """
    found = URL.fullmatch(url)
    if not found:
        raise BadInput(
            f"server {hide_user(url)!a}: expected http://HOST… or https://HOST… (see -A)"
        )
    return found[1]
