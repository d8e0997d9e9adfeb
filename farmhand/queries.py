"""SQL of the runs: a row for each time that a command did something."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand import __version__
from farmhand.db import db_now
from farmhand.tables.records import runs

RUNS_KEPT_S = 90 * 86400
# Enough for a day of two hosts, and the table has it at its end.
NEWEST_RUNS = 10_000


def insert_run(
    connection: Connection, *, command: str, verb: str, host: str, started_at: datetime
) -> int:
    """Write that a run began, forget runs older than 90 days, and return its id."""
    connection.execute(runs.delete().where(runs.c.started_at < db_now(-RUNS_KEPT_S)))
    result = connection.execute(
        runs.insert().values(
            command=command, verb=verb, host=host, version=__version__, started_at=started_at
        )
    )
    return int((result.inserted_primary_key or (0,))[0])


def finish_run(
    connection: Connection, run_id: int, *, exit_code: int, summary: dict[str, Any]
) -> None:
    """Write how a run ended."""
    connection.execute(
        runs.update()
        .where(runs.c.id == run_id, runs.c.finished_at.is_(None))
        .values(finished_at=db_now(), exit_code=exit_code, summary=summary)
    )


def read_last_runs(connection: Connection) -> list[dict[str, Any]]:
    """Read the newest run, and the newest one that exited 0, of each command and verb."""
    key = (runs.c.command, runs.c.verb)
    newest = sa.select(sa.func.max(runs.c.id)).group_by(*key)
    succeeded = newest.where(runs.c.exit_code == 0)
    statement = (
        sa.select(runs)
        .where(sa.or_(runs.c.id.in_(newest), runs.c.id.in_(succeeded)))
        .order_by(runs.c.id)
    )
    return [dict(row._mapping) for row in connection.execute(statement)]


def read_newest_runs(connection: Connection) -> list[dict[str, Any]]:
    """Read the runs of the last day or so, of all commands, the oldest first."""
    columns = (runs.c.command, runs.c.verb, runs.c.host, runs.c.version)
    times = (runs.c.started_at, runs.c.finished_at)
    statement = sa.select(*columns, *times).order_by(runs.c.id.desc()).limit(NEWEST_RUNS)
    return [dict(row._mapping) for row in connection.execute(statement)][::-1]


def read_verb_runs(connection: Connection, command: str) -> list[dict[str, Any]]:
    """Read the newest run of each of a command's verbs, and its newest one that has ended."""
    newest = sa.select(sa.func.max(runs.c.id)).where(runs.c.command == command)
    by_verb = newest.group_by(runs.c.verb)
    ended = by_verb.where(runs.c.finished_at.is_not(None))
    statement = (
        sa.select(runs)
        .where(sa.or_(runs.c.id.in_(by_verb), runs.c.id.in_(ended)))
        .order_by(runs.c.id)
    )
    return [dict(row._mapping) for row in connection.execute(statement)]
