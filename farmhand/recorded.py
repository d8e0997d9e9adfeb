"""A run's own row: written when it begins, finished however it ends."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from farmhand.command import Result, Run
from farmhand.db import FarmDb
from farmhand.errors import DeadlinePassed, ExitCode, FarmError, Unavailable
from farmhand.queries import finish_run, insert_run

log = logging.getLogger(__name__)


@dataclass(kw_only=True, slots=True)
class Record:
    """The row of the run that is under way; the verb leaves its result here."""

    run_id: int
    result: Result


@contextmanager
def recorded(database: FarmDb, run: Run) -> Iterator[Record]:
    """Write a row for this run; a run that was killed leaves it without an end."""
    with database.begin() as connection:
        run_id = insert_run(
            connection, command=run.command, verb=run.verb, host=run.host, started_at=run.now
        )
    record = Record(run_id=run_id, result=Result(exit_code=ExitCode.BUG))
    try:
        yield record
    except (FarmError, DeadlinePassed) as err:
        summary = {**record.result.summary, "error": str(err)}
        record.result = Result(exit_code=err.exit_code, summary=summary)
        raise
    except KeyboardInterrupt:
        record.result = replace(record.result, exit_code=ExitCode.INTERRUPTED)
        raise
    except SystemExit:
        record.result = replace(record.result, exit_code=ExitCode.TERMINATED)
        raise
    finally:
        try:
            with database.begin() as connection:
                finish_run(
                    connection,
                    run_id,
                    exit_code=record.result.exit_code,
                    summary=dict(record.result.summary),
                )
        except Unavailable as err:
            log.warning("the end of run %d is not recorded: %s", run_id, err)
