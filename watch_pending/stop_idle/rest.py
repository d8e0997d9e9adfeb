"""A Buildbot master's REST: pause and unpause a worker, with or without a login.

Source: Buildbot's "Workers" endpoint, and its `/auth/login`, which takes HTTP basic authentication
and answers with a cookie.
"""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing import TimeoutError as NotReady
from multiprocessing.pool import ThreadPool
from typing import Literal

import requests
from requests.auth import HTTPBasicAuth
from urllib3.exceptions import NewConnectionError

from watch_pending.config_stops import MasterAccess
from watch_pending.http_reads import FAILURES, open_session

CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 10.0
MASTERS_AT_ONCE = 16
SAID_AT_MOST = 200

Method = Literal["pause", "unpause"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """What a master is to do with one of its workers."""

    worker_id: int
    method: Method
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """Why a master did not take a call; `unanswered`: it may have done it all the same.

    `taken`: of several masters, another one has.
    """

    why: str
    unanswered: bool = False
    taken: bool = False


def find_access(
    master: str,
    configured: Mapping[str, MasterAccess],
    known: Mapping[str, Sequence[str]],
    alive: Collection[str],
) -> MasterAccess | str:
    """Find a master's REST by its name in the scheduler database, `host:/basedir`; else say why.

    The configuration goes first, by the whole name, then by the host; then slavealloc's masters. A
    host on which several masters are `alive` does not say which of them is meant.

    >>> find_access("bm1:/b", {}, {"bm1": ["http://bm1:8010/"]}, {"bm1:/b"})
    MasterAccess(url='http://bm1:8010/', user=None, password=None)
    """
    if master in configured:
        return configured[master]
    host = master.partition(":")[0]
    urls = known.get(host, ())
    if max(len(urls), sum(each.partition(":")[0] == host for each in alive)) > 1:
        return f'several masters are on {host}: name "{master}" in watch_pending.masters'
    if host in configured:
        return configured[host]
    if urls:
        return MasterAccess(url=urls[0])
    return f'its REST is unknown: name "{master}" in watch_pending.masters'


Answers = dict[tuple[str, int], Refusal | None]
"""(master, worker id) → why not, or None."""


def join_answers(answers: Sequence[Refusal | None]) -> Refusal | None:
    """Say of one worker why not all of its masters took a call; None if they did."""
    refusals = [each for each in answers if each is not None]
    if not refusals:
        return None
    return Refusal(
        why=refusals[0].why,
        unanswered=any(each.unanswered for each in refusals),
        taken=len(refusals) < len(answers),
    )


def call_masters(
    work: Mapping[str, tuple[MasterAccess, Sequence[Call]]], patience_s: float
) -> Answers:
    """Make all calls, masters in parallel.

    A master that does not answer is not asked again. None says that it took the call, not that it
    has done it: its answer comes before its database changes.
    """
    answers: Answers = {
        (master, call.worker_id): Refusal(why=f"{master} did not answer in time", unanswered=True)
        for master, (_, calls) in work.items()
        for call in calls
    }
    if not work:
        return answers
    # Its threads are daemons: a master that drips must not keep the process.
    pool = ThreadPool(min(MASTERS_AT_ONCE, len(work)))
    until = time.monotonic() + patience_s
    running = [
        (master, pool.apply_async(_call_one_master, (access, calls, until)))
        for master, (access, calls) in work.items()
    ]
    pool.close()
    for master, result in running:
        try:
            said = result.get(max(0.0, until - time.monotonic()))
        except NotReady:
            continue
        answers |= {
            (master, key): refusal and replace(refusal, why=f"{master}: {refusal.why}")
            for key, refusal in said.items()
        }
    return answers


def _call_one_master(
    access: MasterAccess, calls: Iterable[Call], until: float
) -> dict[int, Refusal | None]:
    answers: dict[int, Refusal | None] = {}
    away: Refusal | None = None
    with open_session() as session:
        try:
            _log_in(session, access, until)
        except FAILURES as err:
            away = _read_error(err)
        for call in calls:
            if away is not None:
                answers[call.worker_id] = away
                continue
            try:
                answers[call.worker_id] = _call(session, access, call, until)
            except FAILURES as err:
                answers[call.worker_id] = away = _read_error(err)
    return answers


def _log_in(session: requests.Session, access: MasterAccess, until: float) -> None:
    if access.user is None:
        return
    password = access.password.get_secret_value() if access.password else ""
    answer = session.get(
        f"{_root(access)}/auth/login",
        auth=HTTPBasicAuth(access.user.encode(), password.encode()),
        allow_redirects=False,
        timeout=_timeout(until),
    )
    if answer.status_code not in {200, 302}:
        raise requests.HTTPError(f"the login of {access.user} is refused: {answer.status_code}")


def _call(
    session: requests.Session, access: MasterAccess, call: Call, until: float
) -> Refusal | None:
    """Make one call; return what the master has against it."""
    answer = session.post(
        f"{_root(access)}/api/v2/workers/{call.worker_id}",
        json={
            "id": 1,
            "jsonrpc": "2.0",
            "method": call.method,
            "params": {"reason": call.reason},
        },
        allow_redirects=False,
        timeout=_timeout(until),
    )
    if answer.status_code == 200 and _has_result(answer):
        return None
    hint = "; give it a user and a password" if answer.status_code in {401, 403} else ""
    said = " ".join(answer.text.split())[:SAID_AT_MOST]
    return Refusal(why=f"{call.method} is refused: HTTP {answer.status_code} {said}{hint}")


def _has_result(answer: requests.Response) -> bool:
    """Whether it is Buildbot that answers, and not the page of something in front of it."""
    try:
        said = answer.json()
    except ValueError:
        return False
    return isinstance(said, dict) and "result" in said


def _root(access: MasterAccess) -> str:
    """Cut off what a browser shows at the end: `/#/` is a page of Buildbot's, not its address.

    >>> _root(MasterAccess(url="https://bm1.example.com/bb/#/workers"))
    'https://bm1.example.com/bb'
    """
    return access.url.partition("#")[0].rstrip("/")


def _timeout(until: float) -> tuple[float, float]:
    left_s = max(0.1, until - time.monotonic())
    return min(CONNECT_TIMEOUT_S, left_s), min(READ_TIMEOUT_S, left_s)


def _read_error(err: Exception) -> Refusal:
    """Say what went wrong, without the half page that urllib3 makes of it."""
    cause = getattr(err.args[0], "reason", None) if err.args else None
    match err:
        case requests.exceptions.SSLError():
            return Refusal(why=f"no TLS: {cause or err}"[:SAID_AT_MOST])
        case requests.ConnectTimeout():
            return Refusal(why="no connection")
        case requests.ConnectionError() if isinstance(cause, NewConnectionError):
            return Refusal(why="no connection")
        case requests.ReadTimeout() | requests.ConnectionError():
            return Refusal(why="no answer", unanswered=True)
        case _:
            return Refusal(why=str(err)[:SAID_AT_MOST])
