"""Jacuzzis from an allocator over HTTP, the original's or slavealloc's, for the builders that wait.

GET v1/builders/NAME → {"machines": [names]}, or 404 for none; GET v1/allocated/all alike.
"""

import logging
import time
from collections.abc import Collection, Iterable, MutableMapping
from dataclasses import dataclass
from multiprocessing import TimeoutError as NotReady
from multiprocessing.pool import ThreadPool
from typing import Any
from urllib.parse import quote

from farmhand.errors import Unavailable
from watch_pending.config_sources import IfDown, JacuzziServer
from watch_pending.http_reads import NoAnswer, Patience, fetch_json, open_session
from watch_pending.source_models import JACUZZIS, Jacuzzis, Trouble, is_name

log = logging.getLogger(__name__)
MOST_BYTES = 2**20
ASKED_AT_ONCE = 8
ALL_QUESTIONS = 3  # times the time that one may take

Answer = frozenset[str] | None
"""Names of workers; None where there is no such thing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """What an allocator said: question → names, and question → why not."""

    told: MutableMapping[str, Answer]
    untold: MutableMapping[str, str]


def read_jacuzzis(
    server: JacuzziServer, builders: Collection[str], patience_s: float
) -> tuple[Jacuzzis, Trouble | None]:
    """Ask for these builders' jacuzzis, and for all workers that are in one.

    Never raises: what could not be told is unknown, or none, as the server's `if_down` has it.
    """
    root = server.url.rstrip("/")
    everything = f"{root}/v1/allocated/all"
    urls = {builder: f"{root}/v1/builders/{quote(builder, safe='')}" for builder in builders}
    patience_s = min(patience_s, ALL_QUESTIONS * server.timeout_s)
    answers = _ask_all([everything, *urls.values()], server.timeout_s, patience_s)
    if answers.told.get(everything, frozenset()) is None:
        answers.untold[everything] = f"{everything}: HTTP 404: is that an allocator?"
    own = {b: names for b, url in urls.items() if (names := answers.told.get(url)) is not None}
    allocated = (answers.told.get(everything) or frozenset()).union(*own.values())
    if not answers.untold:
        return Jacuzzis(by_builder=own, allocated=allocated), None
    why = f"{len(answers.untold)} of {len(urls) + 1} questions without an answer: " + next(
        iter(answers.untold.values())
    )
    held = server.if_down is IfDown.HOLD
    log.warning("%s: %s", "jacuzzis" if held else "jacuzzis, taken for none", why)
    trouble = Trouble(source=JACUZZIS, why=why, held=held)
    if not held:
        return Jacuzzis(by_builder=own, allocated=allocated), trouble
    unknown = {b: answers.untold[url] for b, url in urls.items() if url in answers.untold}
    jacuzzis = Jacuzzis(
        by_builder=own,
        allocated=allocated,
        unknown=unknown,
        allocated_unknown=answers.untold.get(everything, ""),
    )
    return jacuzzis, trouble


def _ask_all(urls: list[str], timeout_s: float, patience_s: float) -> Answers:
    """Ask everything, over a few connections at once, and take what is there in time."""
    answers = Answers(told={}, untold={})
    threads = min(ASKED_AT_ONCE, len(urls))
    # Its threads are daemons: a server that drips must not keep the process.
    pool = ThreadPool(threads)
    patience = Patience(timeout_s=min(timeout_s, patience_s), most_bytes=MOST_BYTES)
    running = [
        pool.apply_async(_ask, (urls[n::threads], patience, answers)) for n in range(threads)
    ]
    pool.close()
    until = time.monotonic() + patience_s
    for asking in running:
        try:
            asking.get(max(0.0, until - time.monotonic()))
        except NotReady:
            continue
    told, untold = dict(answers.told), dict(answers.untold)  # what comes later is too late
    late = {url: f"{url}: no whole answer within {patience_s:.3g} s" for url in urls}
    untold |= {url: why for url, why in late.items() if url not in told | untold}
    return Answers(told=told, untold={url: untold[url] for url in urls if url in untold})


def _ask(urls: Iterable[str], patience: Patience, answers: Answers) -> None:
    """Ask one thing after the other over one connection, until the server stays silent."""
    with open_session() as session:
        away = ""
        for url in urls:
            if away:
                answers.untold[url] = away
                continue
            try:
                answers.told[url] = parse_machines(url, fetch_json(session, url, patience))
            except NoAnswer as err:
                answers.untold[url] = away = str(err)
            except Unavailable as err:
                answers.untold[url] = str(err)


def parse_machines(url: str, document: Any) -> Answer:
    """Read an allocator's answer, None for a 404; raises Unavailable for anything that is none."""
    if document is None:
        return None
    machines = document.get("machines") if isinstance(document, dict) else None
    if not isinstance(machines, list):
        raise Unavailable(f'{url}: not what an allocator answers: no list "machines"')
    for name in machines:
        if not is_name(name):
            raise Unavailable(f"{url}: {str(name)[:60]!a} can't be a worker's name")
    return frozenset(machines)
