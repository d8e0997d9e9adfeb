"""Whose is what a daemon has? By its cookie, and what the database knows of that; pure."""

import re
from collections.abc import Iterable

from scanner.models import Daemon, Known, Observation

COOKIE = re.compile(r"([1-9][0-9]{0,17})-([1-9][0-9]{0,17})", re.ASCII)


def parse_cookie(cookie: str | None) -> tuple[int, int] | None:
    """Read `<build id>-<queue id>`; None for anything else.

    >>> parse_cookie("12-7"), parse_cookie("1-1-1"), parse_cookie("٣-1")
    ((12, 7), None, None)
    """
    found = COOKIE.fullmatch(cookie or "")
    return (int(found[1]), int(found[2])) if found else None


def find_pairs(
    observed: Iterable[tuple[Daemon, Observation | None]],
) -> list[tuple[int, int]]:
    """List the cookies that daemons without a job have, as far as they can be ours."""
    pairs = (
        parse_cookie(seen.status.cookie)
        for daemon, seen in observed
        if daemon.job is None and seen is not None and seen.status is not None
    )
    return [pair for pair in pairs if pair is not None]


def rescue_reason(daemon: Daemon, cookie: str | None, known: Known) -> str | None:
    """Say why a cookie is not of a job of this daemon; None when it is of one that has ended.

    The words are the original's where it had some.
    """
    parts = parse_cookie(cookie)
    if parts is None:
        return f"{quote_cookie(cookie)}: Malformed job identifier"
    build_id, queue_id = parts
    if build_id not in known.builds:
        return f"{cookie}: The object Build by the ID {build_id} does not exist"
    if queue_id not in known.attempts:
        return f"{cookie}: The object BuildQueue by the ID {queue_id} does not exist"
    its_build, its_daemon, ended = known.attempts[queue_id]
    if its_build != build_id:
        return f"{cookie}: Job build entry mismatch"
    if its_daemon != daemon.id:
        return f"{cookie}: Job was given to another builder"
    return None if ended else f"{cookie}: Job was taken back"


def quote_cookie(cookie: str | None) -> str:
    """Quote a cookie so that no terminal obeys it."""
    return "no cookie" if cookie is None else ascii(cookie)[1:-1][:128]
