"""Puppet certificates for new machines, from the server the original used (`getcert.cgi`)."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import requests

from farmhand.errors import BadInput, Unavailable
from farmhand.files import replacing

TIMEOUT_S = 30
# What may stand in a host name; the name becomes a file's.
HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(kw_only=True, slots=True)
class CertificateServer:
    """The server, and whether it failed to answer: then this run asks it nothing more.

    `remaining_s` says how long the run may still take.
    """

    address: str
    username: str
    password: str = field(repr=False)
    remaining_s: Callable[[], float]
    away: bool = False

    def fetch(self, host: str) -> str:
        """Fetch a host's certificate, over TLS that is verified; raises Unavailable."""
        name = f"certificate server {self.address}"
        if self.away:
            raise Unavailable(f"{name} did not answer before; it is not asked again in this run")
        timeout_s = min(TIMEOUT_S, self.remaining_s())
        if timeout_s <= 0:
            raise Unavailable(f"{name}: no time is left to ask it")
        try:
            response = requests.get(
                f"https://{self.address}/deploy/getcert.cgi?{host}",
                auth=(self.username, self.password),
                timeout=timeout_s,
                allow_redirects=False,
            )
        except requests.RequestException as err:
            self.away = True
            raise Unavailable(f"{name}: {err}") from err
        text = response.text
        if response.status_code != requests.codes.ok or not text.strip():
            raise Unavailable(f"{name}: no certificate for {host}: HTTP {response.status_code}")
        if text.lstrip().startswith("<"):  # it would be kept for ever
            raise Unavailable(f"{name}: no certificate for {host}, but a page")
        return text


def make_finder(directory: Path, server: CertificateServer) -> Callable[[str], str]:
    """Make a function that gives a host's certificate: from the directory, else from the server.

    A fetched one is kept as a file of the host's name, readable by this user alone. The function
    raises BadInput or Unavailable, naming the server.
    """

    def find(host: str) -> str:
        if not HOST_NAME.fullmatch(host):
            raise BadInput(f"{host!r} is no host name, so it can have no certificate")
        path = directory / host
        try:
            return path.read_text("utf-8")
        except FileNotFoundError:
            certificate = server.fetch(host)
            keep(path, certificate)
            return certificate
        except (OSError, UnicodeDecodeError) as err:
            raise BadInput(f"certificate {path}: {err}") from err

    return find


def keep(path: Path, certificate: str) -> None:
    """Write a certificate whole or not at all, 0600 from its first byte."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(certificate.encode())
    except OSError as err:
        raise BadInput(f"certificate {path}: {err}") from err
