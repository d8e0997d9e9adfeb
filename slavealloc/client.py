"""The verbs that ask a running server over HTTP: gettac, lock, disable, notes, workers, ….

A verb that changes something reads first: it says what was before, and changes only what differs.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests

from farmhand import config
from farmhand.command import Result, Run
from farmhand.errors import BadInput, ExitCode, FarmError, Unavailable
from farmhand.output import print_json, print_lines, print_table
from slavealloc import client_report as report
from slavealloc.client_report import Answer, Given, Refused, Row
from slavealloc.config import SlaveAlloc
from slavealloc.pages import normalize_name
from slavealloc.runslave_settings import hide_user

log = logging.getLogger(__name__)

DEFAULT_URL = "http://127.0.0.1:1080"
URL = re.compile(r"(https?://[^\s/?#]+(?:/[^\s?#]*?)?)(?:/api(?:/v1)?)?/*")
NAME = re.compile(r"[^\s./]+")
TIMEOUT_S = 30.0
# The API's filter of workers → the table of its names, and what one of them is called.
FILTERS = {"pool": "pools", "purpose": "purposes", "environment": "environments"}
WORKER = ("name", "enabled", "notes", "poolid", "locked_masterid", "current_masterid")
LISTED_WORKER = (*WORKER, "pool", "current_master", "locked_master", "last_seen_at")
MASTER = ("masterid", "nickname", "fqdn", "pb_port", "poolid", "enabled", "notes")
LISTED_MASTER = (*MASTER, "pool", "live_slaves")
HISTORY = ("at", "master", "reason", "host")


@contextmanager
def _reaching(run: Run, api_url: str | None) -> Iterator[Server]:
    address = parse_address(api_url or _configured_url(run) or DEFAULT_URL)
    with requests.Session() as session:
        yield Server(address=address, session=session, remaining_s=run.remaining_s)


def _configured_url(run: Run) -> str | None:
    path = config.find_config(run.config_path, run.environ)
    if path is None:
        return None
    section = config.load(path, "slavealloc", environ=run.environ).sections.get("slavealloc")
    return section.api_url if isinstance(section, SlaveAlloc) else None


def parse_address(url: str) -> str:
    """Read a server's address, without the /api that the original's had; raises BadInput.

    >>> parse_address("http://slavealloc.example.com/api/")
    'http://slavealloc.example.com'
    """
    found = URL.fullmatch(url)
    if not found:
        raise BadInput(f"server {hide_user(url)!a}: expected http://HOST… or https://HOST… (see -A)")
    return found[1]


def parse_name(slave: str) -> str:
    """Read a worker's name; raises BadInput.

    >>> parse_name("BLD-linux64-007")
    'bld-linux64-007'
    """
    if "." in slave:
        raise BadInput(f"{slave!a}: give the name without its domain")
    if not NAME.fullmatch(slave):
        raise BadInput(f"{slave!a} is no worker's name")
    return normalize_name(slave)


# Verbs


def print_tacs(
    run: Run, api_url: str | None, slaves: Sequence[str], *, record: bool, show: bool
) -> Result:
    """Print each worker's tac, or just its master; one that has none stops no other."""
    names = [parse_name(slave) for slave in slaves]
    with _reaching(run, api_url) as server:
        givens = _ask_tacs(server, names, record=record and not run.dry_run)
    if run.json:
        print_json([given.to_json() for given in givens])
    for given in givens:
        if given.tac and show and not run.json:
            report.print_text(given.tac)
        if given.error:
            log.error("%s: %s", given.slave, given.error)
        elif show or run.json:
            log.info("%s", given.place)
        else:
            print_lines([given.place])
    failed = sum(given.error is not None for given in givens)
    return Result(
        exit_code=ExitCode.PARTIAL if failed else ExitCode.OK,
        summary={"given": len(givens) - failed, "failed": failed},
    )


def _ask_tacs(server: Server, names: Sequence[str], *, record: bool) -> list[Given]:
    """Ask for one after the other; raises Unavailable where there is no server from the start."""
    givens: list[Given] = []
    away: Unavailable | None = None
    for name in names:
        try:
            if away is None:
                givens.append(_record_tac(server, name) if record else _preview_tac(server, name))
                continue
        except Refused as err:
            givens.append(Given(slave=name, error=str(err)))
            continue
        except Unavailable as err:
            if not givens:
                raise
            away = err
        givens.append(Given(slave=name, error=f"not asked: {away}"))
    return givens
