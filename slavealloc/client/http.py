"""A running slavealloc over HTTP: one question at a time, and what its answers mean."""

import json
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import requests
from requests import PreparedRequest
from requests.auth import AuthBase
from urllib3.exceptions import LocationParseError

from farmhand.errors import BadInput, FarmError, Locked, Unavailable
from slavealloc.client.report import Row, format_conflict, format_unknown
from slavealloc.runslave.page import MARKER
from slavealloc.runslave.settings import hide_user

log = logging.getLogger(__name__)

TIMEOUT_S = 30.0
WORKER = ("name", "enabled", "notes", "poolid", "locked_masterid", "current_masterid")
LISTED_WORKER = (*WORKER, "pool", "current_master", "locked_master", "last_seen_at")
MASTER = ("masterid", "nickname", "fqdn", "pb_port", "poolid", "enabled", "notes")
LISTED_MASTER = (*MASTER, "pool", "live_slaves")
HISTORY = ("kind", "at")
# How the allocator's page begins where a worker gets no tac.
REFUSALS = ("no allocation available", "error processing request")
SAID_SHOWN = 200


class Refused(FarmError):
    """The allocator has no tac for this worker; another may get one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An HTTP answer; `url` is without its user and password."""

    url: str
    status: int
    text: str
    etag: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A table of the API whose rows have names: what one is called, and its fields."""

    table: str
    word: str
    key: str
    fields: tuple[str, ...]


WORKERS = Kind(table="slaves", word="worker", key="name", fields=WORKER)
MASTERS = Kind(table="masters", word="master", key="nickname", fields=MASTER)


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """Fields to change in the version of a row that was read, and why."""

    kind: Kind
    name: str
    fields: Row
    etag: str | None
    why: str | None = None


class Bearer(AuthBase):
    """A token in a request's header, whatever ~/.netrc has for its host."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the header."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """A slavealloc at an address, asked once for each thing; nothing is tried again.

    All methods raise Unavailable where it does not answer, or something else does, and BadInput
    for what it refuses. `remaining_s` says how long the run may still take; `token` is shown where
    something is changed or a tac asked for.
    """

    address: str
    session: requests.Session
    remaining_s: Callable[[], float]
    token: str | None = field(default=None, repr=False)

    def find_worker(self, name: str) -> Row:
        """Read a worker; raises BadInput with near names where there is none."""
        return self.find_version(WORKERS, name)[0]

    def find_version(self, kind: Kind, name: str) -> tuple[Row, str | None]:
        """Read a worker or master, and the tag that an edit of it is to show.

        Raises BadInput with near names where there is none.
        """
        answer = self.ask(f"api/{kind.table}", name, byname=1)
        if answer.status == requests.codes.not_found:
            names = [row[kind.key] for row in self.read_rows(kind.table, (kind.key,))]
            raise BadInput(format_unknown(kind.word, name, names))
        return parse_row(answer, parse_answer(answer), kind.fields), answer.etag

    def find_master(self, nickname: str) -> Row:
        """Read a master; raises BadInput with near names where there is none."""
        rows = {row["nickname"]: row for row in self.read_rows("masters", LISTED_MASTER)}
        if nickname not in rows:
            raise BadInput(format_unknown("master", nickname, rows))
        return rows[nickname]

    def read_master(self, master_id: int) -> Row:
        """Read the master that a worker's row names."""
        answer = self.ask("api/masters", str(master_id))
        return parse_row(answer, parse_answer(answer), MASTER)

    def read_history(self, name: str) -> list[Row]:
        """Read what happened to a worker, newest first; raises BadInput as find_worker does."""
        self.find_worker(name)
        return parse_rows(self.ask("api/slaves", f"{name}/history", byname=1), HISTORY)

    def read_rows(self, table: str, fields: Collection[str], **query: Any) -> list[Row]:
        """Read a table's rows."""
        return parse_rows(self.ask("api", table, **query), fields)

    def check_names(self, what: str, wanted: Collection[str]) -> None:
        """Raise BadInput, with near names, for a pool or the like that there is not."""
        known = [row["name"] for row in self.read_rows(f"{what}s", ("name",))] if wanted else []
        for name in wanted:
            if name not in known:
                raise BadInput(format_unknown(what, name, known))

    def write(self, edit: Edit) -> None:
        """Change fields of a row; raises Locked where somebody else did meanwhile."""
        answer = self.ask(f"api/{edit.kind.table}", edit.name, edit=edit, byname=1)
        if answer.status == requests.codes.precondition_failed:
            refusal = parse_row(answer, parse_json(answer), ("row",))
            now = parse_row(answer, refusal["row"], edit.fields)
            raise Locked(format_conflict(edit.name, edit.fields, now))
        if parse_answer(answer) != {"success": True}:
            raise not_ours(answer)
        log.info("%s: set %s", edit.name, dict(edit.fields))

    def preview_tac(self, name: str) -> tuple[str, Row | None]:
        """Read the tac a worker would get, and its master unless it is disabled; raises Refused."""
        answer = self.ask("api/gettac", name, shows_token=True)
        document = parse_json(answer)
        if isinstance(document, dict) and document.get("success") is False:
            raise Refused(str(document.get("error")))
        given = parse_row(answer, parse_answer(answer), ("tac", "master"))
        return given["tac"], self.find_master(given["master"]) if given["master"] else None

    def record_tac(self, name: str) -> str:
        """Ask for a worker's tac as its machine does, which moves it; raises Refused."""
        answer = self.ask("gettac", name, shows_token=True)
        if answer.status == requests.codes.unauthorized:
            raise BadInput(f"{answer.url}: {answer.text}")
        if answer.status == requests.codes.ok and MARKER in answer.text:
            return answer.text
        if answer.text.startswith(REFUSALS):
            raise Refused(answer.text)
        raise not_ours(answer)

    def ask(
        self,
        path: str,
        name: str,
        *,
        edit: Edit | None = None,
        shows_token: bool = False,
        **query: Any,
    ) -> Answer:
        """GET what is below a path by this name, or PUT an edit to it."""
        url = f"{self.address}/{path}/{quote(name, errors='surrogateescape')}"
        shown = hide_user(url)
        timeout_s = min(TIMEOUT_S, self.remaining_s())
        if timeout_s <= 0:
            raise Unavailable(f"{shown}: no time is left to ask it")
        shown_token = self.token if shows_token or edit is not None else None
        try:
            response = self.session.request(
                "GET" if edit is None else "PUT",
                url,
                params=query,
                json=None if edit is None else {**edit.fields, "why": edit.why},
                headers={"If-Match": edit.etag} if edit and edit.etag else None,
                auth=None if shown_token is None else Bearer(shown_token),
                timeout=timeout_s,
                allow_redirects=False,
            )
        except (requests.exceptions.InvalidURL, LocationParseError) as err:
            raise BadInput(f"{shown}: {_explain(err)}; see -A") from err
        except requests.RequestException as err:
            raise Unavailable(f"{shown}: {_explain(err)}") from err
        response.encoding = response.encoding or "utf-8"  # guessing takes seconds for a long list
        if response.is_redirect:
            where = hide_user(response.headers["location"])
            raise Unavailable(f"{shown}: redirects to {where}: give the right address with -A")
        etag = response.headers.get("etag")
        return Answer(url=shown, status=response.status_code, text=response.text, etag=etag)


def _explain(err: Exception) -> str:
    """Say what went wrong without the library's wrapping, which repeats the address."""
    wrapped = err.args[0] if err.args else err
    return hide_user(str(getattr(wrapped, "reason", wrapped)).rpartition(": ")[2])


# What answers mean


def parse_answer(answer: Answer) -> Any:
    """Read a JSON answer; raises BadInput for a refusal, Unavailable for anything that is none.

    >>> parse_answer(Answer(url="http://slavealloc/api/pools", status=200, text="[]"))
    []
    """
    document = parse_json(answer)
    if answer.status < 300:
        return document
    error = document.get("error") if isinstance(document, dict) else None
    if error and 400 <= answer.status < 500:
        raise BadInput(f"{answer.url}: {error}")
    raise Unavailable(f"{answer.url}: HTTP {answer.status}: {error or 'no reason given'}")


def parse_json(answer: Answer) -> Any:
    """Read an answer's JSON, whatever its status; raises Unavailable."""
    try:
        return json.loads(answer.text)
    except (ValueError, RecursionError) as err:
        raise not_ours(answer) from err


def parse_row(answer: Answer, row: object, fields: Collection[str]) -> Row:
    """Check that a row of an answer has these fields; raises Unavailable."""
    if isinstance(row, dict) and all(field in row for field in fields):
        return row
    raise not_ours(answer)


def parse_rows(answer: Answer, fields: Collection[str]) -> list[Row]:
    """Read an answer's rows, which have at least these fields; raises as parse_answer does."""
    rows = parse_answer(answer)
    if not isinstance(rows, list):
        raise not_ours(answer)
    return [parse_row(answer, row, fields) for row in rows]


def not_ours(answer: Answer) -> Unavailable:
    """Make the error for a server that failed, or that is no slavealloc."""
    if answer.status >= 500:
        said = "" if answer.text.startswith("<") else f": {answer.text[:SAID_SHOWN]}"
        return Unavailable(f"{answer.url}: HTTP {answer.status}{said}")
    said = f"HTTP {answer.status}, but not what slavealloc answers"
    return Unavailable(f"{answer.url}: {said}: is that its address?")
