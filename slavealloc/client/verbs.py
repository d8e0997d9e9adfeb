"""The verbs that ask a running server over HTTP: gettac, lock, disable, notes, workers, ….

A verb that changes something reads first: it says what was before, and changes only what differs.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from farmhand.command import Result, Run
from farmhand.errors import BadInput, ExitCode, FarmError, Unavailable
from farmhand.output import print_json, print_lines, print_table, print_text
from slavealloc.client import report
from slavealloc.client.http import (
    LISTED_MASTER,
    LISTED_WORKER,
    MASTERS,
    WORKERS,
    Edit,
    Kind,
    Refused,
    Server,
)
from slavealloc.client.reaching import reaching
from slavealloc.client.report import Given, Row
from slavealloc.client.whom import Whom
from slavealloc.pages import normalize_name

log = logging.getLogger(__name__)

NAME = re.compile(r"[^\s./]+")
# By these the API filters workers; the plural is the table of their names.
FILTERS = ("pool", "purpose", "environment")


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


# gettac


def print_tacs(run: Run, whom: Whom, slaves: Sequence[str], *, record: bool, show: bool) -> Result:
    """Print each worker's tac, or just its master; one that has none stops no other."""
    names = [parse_name(slave) for slave in slaves]
    with reaching(run, whom, shows_token=True) as server:
        given = _ask_tacs(server, names, record=record and not run.dry_run)
    if run.json:
        print_json([each.to_json() for each in given])
    for each in given:
        if each.tac and show and not run.json:
            print_text(each.tac)
        if each.error:
            log.error("%s: %s", each.slave, each.error)
        elif show or run.json:
            log.info("%s", each.place)
        else:
            print_lines([each.place])
    failed = sum(each.error is not None for each in given)
    return Result(
        exit_code=ExitCode.PARTIAL if failed else ExitCode.OK,
        summary={"given": len(given) - failed, "failed": failed},
    )


def _ask_tacs(server: Server, names: Sequence[str], *, record: bool) -> list[Given]:
    """Ask for one after the other; raises Unavailable if the server is away from the start."""
    given: list[Given] = []
    away: Unavailable | None = None
    for name in names:
        if away is not None:
            given.append(Given(slave=name, error=f"not asked: {away}"))
            continue
        try:
            given.append(_record_tac(server, name) if record else _preview_tac(server, name))
        except Refused as err:
            given.append(Given(slave=name, error=str(err)))
        except Unavailable as err:
            if not given:
                raise
            away = err
            given.append(Given(slave=name, error=str(err)))
    return given


def _preview_tac(server: Server, name: str) -> Given:
    tac, master = server.preview_tac(name)
    return _give(name, tac, master, recorded=False)


def _record_tac(server: Server, name: str) -> Given:
    """Ask as the machine does; the page does not say what its master is called."""
    tac = server.record_tac(name)
    try:
        master_id = server.find_worker(name)["current_masterid"]
        master = None if master_id is None else server.read_master(master_id)
    except FarmError as err:
        error = f"recorded, but which master it is can't be read: {err}"
        return Given(slave=name, tac=tac, recorded=True, error=error)
    return _give(name, tac, master, recorded=True)


def _give(name: str, tac: str, master: Row | None, *, recorded: bool) -> Given:
    return Given(
        slave=name,
        place=report.format_place(name, master),
        master=master["nickname"] if master else None,
        tac=tac,
        recorded=recorded,
    )


# Verbs that change something


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """What a worker or master is to be, and why; without a note its notes are kept."""

    enabled: bool
    note: str | None


def lock_worker(run: Run, whom: Whom, slave: str, master: str) -> Result:
    """Send a worker to a master from its next start on; raises BadInput for unknown names."""
    name = parse_name(slave)
    with reaching(run, whom, shows_token=True) as server:
        (worker, etag), target = server.find_version(WORKERS, name), server.find_master(master)
        for warning in report.find_obstacles(worker, target):
            log.warning("%s", warning)
        return _move_lock(run, server, (worker, etag), target)


def unlock_worker(run: Run, whom: Whom, slave: str) -> Result:
    """Let a worker go to any master again; raises BadInput if it was not locked."""
    name = parse_name(slave)
    with reaching(run, whom, shows_token=True) as server:
        worker, etag = server.find_version(WORKERS, name)
        if worker["locked_masterid"] is None:
            raise BadInput(f"{name} is not locked")
        return _move_lock(run, server, (worker, etag), None)


def _move_lock(
    run: Run, server: Server, version: tuple[Row, str | None], target: Row | None
) -> Result:
    worker, etag = version
    name, locked_id = worker["name"], worker["locked_masterid"]
    target_id = target["masterid"] if target else None
    before = None if locked_id is None else server.read_master(locked_id)["nickname"]
    after = target["nickname"] if target else None
    fields = {"locked_masterid": target_id} if target_id != locked_id else {}
    document = {"slave": name, "locked_master": after, "previous_locked_master": before}
    line = report.format_lock(name, before, after, dry_run=run.dry_run)
    edit = Edit(kind=WORKERS, name=name, fields=fields, etag=etag)
    return _apply(run, server, document, edit, line)


def set_enabled(run: Run, whom: Whom, slave: str, *, enabled: bool, note: str | None) -> Result:
    """Enable or disable a worker; a note replaces its notes, also where the state stays."""
    name = parse_name(slave)
    with reaching(run, whom, shows_token=True) as server:
        return _set_state(run, server, WORKERS, name, State(enabled=enabled, note=note))


def set_master_enabled(
    run: Run, whom: Whom, nickname: str, *, enabled: bool, note: str | None
) -> Result:
    """Enable or disable a master, as a worker; warns of workers that then get no master."""
    with reaching(run, whom, shows_token=True) as server:
        master = server.find_master(nickname)
        if not enabled:
            masters = server.read_rows("masters", LISTED_MASTER)
            workers = server.read_rows("slaves", LISTED_WORKER, enabled=1)
            for warning in report.find_stranded(master, masters, workers):
                log.warning("%s", warning)
        return _set_state(run, server, MASTERS, nickname, State(enabled=enabled, note=note))


def _set_state(run: Run, server: Server, kind: Kind, name: str, state: State) -> Result:
    row, etag = server.find_version(kind, name)
    was_enabled = bool(row["enabled"])
    before = row["notes"] or None
    after = before if state.note is None else state.note or None
    fields: dict[str, object] = {"enabled": state.enabled} if state.enabled != was_enabled else {}
    fields |= {"notes": after} if after != before else {}
    document = {
        "slave" if kind is WORKERS else "master": name,
        "enabled": state.enabled,
        "previous_enabled": was_enabled,
        "notes": after,
        "previous_notes": before,
    }
    said = report.format_enabled(name, before=was_enabled, after=state.enabled, dry_run=run.dry_run)
    notes = report.format_notes(before, after, dry_run=run.dry_run)
    edit = Edit(kind=kind, name=name, fields=fields, etag=etag, why=state.note)
    return _apply(run, server, document, edit, f"{said}; {notes}")


def set_notes(run: Run, whom: Whom, slave: str, note: str) -> Result:
    """Replace a worker's notes; an empty note removes them."""
    name = parse_name(slave)
    with reaching(run, whom, shows_token=True) as server:
        worker, etag = server.find_version(WORKERS, name)
        before, after = worker["notes"] or None, note or None
        fields = {"notes": after} if after != before else {}
        edit = Edit(kind=WORKERS, name=name, fields=fields, etag=etag, why=note)
        document = {"slave": name, "notes": after, "previous_notes": before}
        line = f"{name}: {report.format_notes(before, after, dry_run=run.dry_run)}"
        return _apply(run, server, document, edit, line)


def _apply(
    run: Run, server: Server, document: Mapping[str, object], edit: Edit, line: str
) -> Result:
    """Change a row, if there is something to change and this is no dry run, and say so."""
    if edit.fields and not run.dry_run:
        server.write(edit)
    if run.json:
        print_json({**document, "changed": bool(edit.fields), "dry_run": run.dry_run})
    elif run.speaks:
        print_lines([line])
    return Result(summary={"changed": len(edit.fields)})


# Verbs that read


def print_notes(run: Run, whom: Whom, slave: str) -> Result:
    """Print a worker's notes."""
    name = parse_name(slave)
    with reaching(run, whom) as server:
        notes = server.find_worker(name)["notes"]
    if run.json:
        print_json({"slave": name, "notes": notes or None})
    else:
        print_lines((notes or f"{name} has no notes").splitlines())
    return Result()


def list_workers(run: Run, whom: Whom, filters: Mapping[str, Any]) -> Result:
    """List workers; `filters`: pool, purpose, environment → names, and enabled → true or none."""
    query = {name: filters[name] for name in FILTERS if filters.get(name)}
    if filters.get("enabled") is not None:
        query["enabled"] = int(filters["enabled"])
    with reaching(run, whom) as server:
        for name in FILTERS:
            server.check_names(name, filters.get(name) or ())
        rows = server.read_rows("slaves", LISTED_WORKER, **query)
    table = report.tabulate_workers(rows, run.now)
    return _show(run, rows, report.WORKERS_HEAD, table, "no workers")


def list_masters(run: Run, whom: Whom) -> Result:
    """List masters, and how many live workers each serves."""
    with reaching(run, whom) as server:
        rows = server.read_rows("masters", LISTED_MASTER)
    return _show(run, rows, report.MASTERS_HEAD, report.tabulate_masters(rows), "no masters")


def show_history(run: Run, whom: Whom, slave: str) -> Result:
    """List where a worker was sent and what was changed of it, newest first."""
    name = parse_name(slave)
    with reaching(run, whom) as server:
        rows = server.read_history(name)
    none = f"{name} was never sent to a master, nor changed"
    return _show(run, rows, report.HISTORY_HEAD, report.tabulate_history(rows), none)


def _show(
    run: Run,
    rows: Sequence[Row],
    head: Sequence[str],
    table: Sequence[Sequence[object]],
    none: str,
) -> Result:
    if run.json:
        print_json(rows)
    else:
        print_table(head, table, none)
    return Result(summary={"rows": len(rows)})
