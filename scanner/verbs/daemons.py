"""Verbs of daemons and processors."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from farmhand.command import Result, Run
from farmhand.errors import BadInput
from farmhand.wording import unknown
from scanner import operator_queries as queries
from scanner.settings import Settings
from scanner.transport.address import parse_address
from scanner.verbs.change import Planned, apply, show_one, show_rows

MOST_TAGS = 255
COLUMNS = ("daemon", "state", "mode", "job", "processors", "tags", "last_seen_at", "notes")


def add_daemon(
    run: Run,
    settings: Settings,
    named: tuple[str, str],
    processors: Sequence[str],
    tags: Sequence[str],
) -> Result:
    """Add a daemon; the next scan sweeps away what it does, and gives it jobs."""
    name, url = named[0], parse_address(named[1]).plain_url

    def plan(connection: Connection) -> Planned:
        if name in queries.read_names(connection):
            raise BadInput(f"there is a daemon {name} already")
        _check_url(connection, name, url)
        ids = _processor_ids(connection, processors)
        values = {"name": name, "url": url, "tags": join_tags(tags)}
        return Planned(
            line=f"daemon {name} at {url} is added, for {', '.join(processors) or 'nothing yet'}",
            document={"daemon": name, "url": url, "processors": list(processors)},
            write=lambda writing: queries.insert_daemon(writing, values, ids),
        )

    return apply(run, settings, plan)


def set_daemon(
    run: Run,
    settings: Settings,
    named: tuple[str, str | None],
    processors: Sequence[str],
    tags: Sequence[str],
) -> Result:
    """Change a daemon's address, processors or tags."""
    name, url = named[0], parse_address(named[1]).plain_url if named[1] else None

    def plan(connection: Connection) -> Planned:
        row = _read(connection, name)
        if url is not None:
            _check_url(connection, name, url)
        ids = _processor_ids(connection, processors) if processors else None
        values: dict[str, Any] = {"url": url} if url is not None else {}
        if tags:
            values["tags"] = join_tags(tags)
        if not values and ids is None:
            raise BadInput("nothing to set: give --url, --processor or --tag")
        return Planned(
            line=f"daemon {name} is changed",
            document={"daemon": name, **values, "processors": list(processors) or None},
            write=lambda writing: queries.update_daemon(writing, row["id"], values, ids),
        )

    return apply(run, settings, plan)


def _check_url(connection: Connection, name: str, url: str) -> None:
    other = queries.find_at(connection, url)
    if other not in {None, name}:
        raise BadInput(f"daemon {other} is at {url} already: two would fight over one machine")


def join_tags(tags: Iterable[str]) -> str:
    """Put tags into one text; one that is given may be several, with blanks between."""
    joined = " ".join(sorted({word for tag in tags for word in tag.split()}))
    if len(joined) > MOST_TAGS:
        raise BadInput(f"--tag: more than {MOST_TAGS} characters together")
    return joined


def _processor_ids(connection: Connection, names: Sequence[str]) -> list[int]:
    known = queries.read_processors(connection)
    for name in names:
        if name not in known:
            raise BadInput(f"--processor: {unknown('processor', name, known)}")
    return [known[name] for name in dict.fromkeys(names)]


def _read(connection: Connection, name: str) -> Mapping[str, Any]:
    """Read one daemon; nothing changes it until this transaction ends."""
    row = queries.read_daemon(connection, name)
    if row is None:
        raise BadInput(unknown("daemon", name, queries.read_names(connection)))
    return row


def list_daemons(run: Run, settings: Settings) -> Result:
    """List all daemons."""
    with settings.open_database(reading=True).begin() as connection:
        rows = queries.list_daemons(connection)
    return show_rows(run, rows, COLUMNS, "no daemons: scanner daemon add NAME URL")


def show_daemon(run: Run, settings: Settings, name: str) -> Result:
    """Show one daemon."""
    with settings.open_database(reading=True).begin() as connection:
        rows = queries.list_daemons(connection)
    found = next((row for row in rows if row["daemon"] == name), None)
    if found is None:
        raise BadInput(unknown("daemon", name, [row["daemon"] for row in rows]))
    return show_one(run, found)


def _update(run: Run, settings: Settings, name: str, said: tuple[str, Mapping[str, Any]]) -> Result:
    line, values = said

    def plan(connection: Connection) -> Planned:
        row = _read(connection, name)
        return Planned(
            line=line,
            document={"daemon": name, **values},
            write=lambda writing: queries.update_daemon(writing, row["id"], values, None),
        )

    return apply(run, settings, plan)


def enable_daemon(run: Run, settings: Settings, name: str) -> Result:
    """Enable a daemon, whose failures are forgotten."""
    values = {
        "enabled": True,
        "notes": None,
        "clean": False,
        "failure_count": 0,
        "failing_since": None,
        "counted_at": None,
        "not_before": None,
        "aborting_since": None,
        "abort_sent_at": None,
    }
    return _update(run, settings, name, (f"daemon {name} is enabled", values))


def disable_daemon(run: Run, settings: Settings, name: str, reason: str) -> Result:
    """Disable a daemon; the next scan gives its job to another."""
    values = {"enabled": False, "notes": reason}
    return _update(run, settings, name, (f"daemon {name} is disabled: {reason}", values))


def set_manual(run: Run, settings: Settings, name: str, reason: str | None) -> Result:
    """Give a daemon nothing new, for a reason; or, without one, jobs again."""
    values = {"manual": reason is not None, "notes": reason}
    line = f"daemon {name} takes jobs" if reason is None else f"daemon {name} is manual: {reason}"
    return _update(run, settings, name, (line, values))


def clean_daemon(run: Run, settings: Settings, name: str) -> Result:
    """Take a daemon's job back; the next scan sweeps away what it does."""

    def plan(connection: Connection) -> Planned:
        row = _read(connection, name)

        def write(writing: Connection) -> None:
            queries.release_job(writing, row["id"], "was taken back by hand")
            queries.update_daemon(writing, row["id"], {"clean": False, "not_before": None}, None)

        return Planned(
            line=f"daemon {name} is cleaned by the next scan",
            document={"daemon": name},
            write=write,
        )

    return apply(run, settings, plan)


def remove_daemon(run: Run, settings: Settings, name: str) -> Result:
    """Forget a daemon; what it built stays."""

    def plan(connection: Connection) -> Planned:
        row = _read(connection, name)
        if queries.has_job(connection, row["id"]):
            raise BadInput(f"daemon {name} has a job: disable it, and let a scan take the job back")
        return Planned(
            line=f"daemon {name} is removed",
            document={"daemon": name},
            write=lambda writing: queries.delete_daemon(writing, row["id"]),
        )

    return apply(run, settings, plan)


def add_processor(run: Run, settings: Settings, name: str, title: str | None) -> Result:
    """Add a processor."""

    def plan(connection: Connection) -> Planned:
        if name in queries.read_processors(connection):
            raise BadInput(f"there is a processor {name} already")
        return Planned(
            line=f"processor {name} is added",
            document={"processor": name, "title": title or name},
            write=lambda writing: queries.insert_processor(writing, name, title or name),
        )

    return apply(run, settings, plan)


def list_processors(run: Run, settings: Settings) -> Result:
    """List processors."""
    with settings.open_database(reading=True).begin() as connection:
        rows = queries.list_processors(connection)
    return show_rows(run, rows, ("processor", "title", "daemons"), "no processors")
