"""Verbs of the queue."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.engine import Connection

from farmhand.command import Result, Run
from farmhand.errors import BadInput
from scanner import queue_queries as queries
from scanner.models import QueueStatus
from scanner.settings import Settings
from scanner.verbs.builds import read_build
from scanner.verbs.change import Planned, apply, show_rows

COLUMNS = ("build", "name", "status", "score", "processor", "daemon", "queued_at", "not_before")


def list_queue(run: Run, settings: Settings) -> Result:
    """List the queue."""
    with settings.open_database(reading=True).begin() as connection:
        rows = queries.list_queue(connection)
    return show_rows(run, rows, COLUMNS, "the queue is empty")


def _read(connection: Connection, build_id: int) -> Mapping[str, Any]:
    """Read a build's job; no scan changes it until this transaction ends."""
    state = read_build(connection, build_id)["state"]
    row = queries.read_job(connection, build_id)
    if row is None:
        raise BadInput(f"build {build_id} is not in the queue: it is {state}")
    return row


def _update(
    run: Run, settings: Settings, build_id: int, said: tuple[str, Mapping[str, Any]]
) -> Result:
    line, values = said

    def plan(connection: Connection) -> Planned:
        row = _read(connection, build_id)
        if "status" in values and row["daemon_id"] is not None:
            raise BadInput(f"build {build_id} runs already: scanner queue cancel {build_id}")
        return Planned(
            line=line,
            document={"build": build_id, **values},
            write=lambda writing: queries.update_job(writing, row, values),
        )

    return apply(run, settings, plan)


def change_score(run: Run, settings: Settings, build_id: int, score: int) -> Result:
    """Change a job's score."""
    said = (f"build {build_id} has the score {score}", {"score": score})
    return _update(run, settings, build_id, said)


def hold(run: Run, settings: Settings, build_id: int) -> Result:
    """Hold a job that waits."""
    said = (f"build {build_id} is held", {"status": QueueStatus.HELD.value})
    return _update(run, settings, build_id, said)


def release(run: Run, settings: Settings, build_id: int) -> Result:
    """Let a job wait again."""
    values = {"status": QueueStatus.WAITING.value, "not_before": None}
    return _update(run, settings, build_id, (f"build {build_id} waits for its turn", values))


def cancel(run: Run, settings: Settings, build_id: int) -> Result:
    """Cancel a job: at once where no daemon has it."""

    def plan(connection: Connection) -> Planned:
        row = _read(connection, build_id)
        if row["daemon_id"] is None:
            return Planned(
                line=f"build {build_id} is cancelled",
                document={"build": build_id, "status": "cancelled"},
                write=lambda writing: queries.end_waiting(writing, row),
            )
        values = {"status": QueueStatus.CANCELLING.value}
        return Planned(
            line=f"build {build_id} runs; the next scan aborts it",
            document={"build": build_id, **values},
            write=lambda writing: queries.update_job(writing, row, values),
        )

    return apply(run, settings, plan)
