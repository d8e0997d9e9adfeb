"""One run of `scanner scan`: gather → judge → apply, in waves → report."""

import asyncio
import logging
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack

from farmhand.command import Result, Run
from farmhand.db import FarmDb, format_url
from farmhand.errors import BadInput, ExitCode
from farmhand.output import print_json
from farmhand.recorded import recorded
from farmhand.state import exclusive, make_writable
from farmhand.wording import unknown
from scanner import operator_queries, queries
from scanner.collect import Collector
from scanner.preview import preview
from scanner.progress import progress_bar
from scanner.publish import Publisher
from scanner.report import Report, make_samples, print_report, report_to_json
from scanner.scan import Scan
from scanner.settings import Settings
from scanner.steps import LeaseClock, Steps
from scanner.transport.calls import Limits, Transport, run_calls

log = logging.getLogger("scanner")
# For what is written after the last answer.
ENDING_S = 5


def scan_once(
    run: Run, settings: Settings, only: Sequence[str], *, takes_jobs: bool = True
) -> Result:
    """Scan all daemons once, or only show what would be done."""
    log.info("farm %s, farm database %s", settings.farm, format_url(settings.database_url))
    if run.dry_run:
        database = settings.open_database(reading=True)
        _check_names(database, only)
        report = run_calls(preview(make_steps(run, settings), database, settings.scanner, only))
        return _finish(run, settings, report, {})
    make_writable(settings.state_directory)
    with ExitStack() as stack:
        stack.enter_context(exclusive(settings.state_directory, "scanner-scan"))
        database = settings.open_database(reading=False)
        _check_names(database, only)
        with recorded(database, run) as record:
            scan = _make_scan(run, settings, database)
            # Files take minutes; they need no lock, for each daemon has its lease.
            scan.finished_scanning = stack.close
            scan.takes_jobs = takes_jobs
            with progress_bar(sys.stderr) as scan.progress:
                report = run_calls(scan.run(only))
            with database.begin() as connection:
                queue = operator_queries.count_queue(connection)
                queries.prune(connection)
            record.result = _finish(run, settings, report, queue)
    return record.result


def _check_names(database: FarmDb, only: Sequence[str]) -> None:
    if only:
        with database.begin() as connection:
            names = operator_queries.read_names(connection)
        for name in only:
            if name not in names:
                raise BadInput(f"--daemon: {unknown('daemon', name, names)}")


def make_steps(run: Run, settings: Settings) -> Steps:
    """Make what talks to daemons; no call of it outlasts the run."""
    limits = settings.scanner
    transport = Transport(
        Limits(
            status_s=limits.status_s,
            call_s=limits.call_s,
            ensure_s=limits.fetch_s,
            fetch_s=limits.fetch_s,
        ),
        ends_at=time.monotonic() + max(0.0, run.remaining_s() - ENDING_S),
    )
    clock = LeaseClock(lease_s=limits.lease_s)
    return Steps(
        transport=transport,
        collector=Collector(transport=transport, store=settings.store, limits=limits),
        fetches=asyncio.Semaphore(limits.parallel_fetches),
        collects=asyncio.Semaphore(limits.parallel_collects),
        clock=clock,
    )


def _make_scan(run: Run, settings: Settings, database: FarmDb) -> Scan:
    limits = settings.scanner
    return Scan(
        database=database,
        limits=limits,
        hold=queries.Hold(owner=run.host, lease_s=limits.lease_s),
        steps=make_steps(run, settings),
        publisher=Publisher(
            farm=settings.farm,
            store=settings.store,
            command=limits.command,
            command_s=limits.command_s,
        ),
    )


def _finish(run: Run, settings: Settings, report: Report, queue: dict[str, int]) -> Result:
    if run.json:
        print_json(report_to_json(settings.farm, report))
    elif run.speaks:
        print_report(report, dry_run=run.dry_run)
    states = Counter(report.states.values())
    return Result(
        exit_code=ExitCode.PARTIAL if report.troubles or report.disabled else ExitCode.OK,
        summary={
            "daemons": len(report.names),
            "silent": states["silent"],
            "started": report.started,
            "ended": sum(report.ended.values()),
            "requeued": report.requeued,
            "rescued": report.rescued,
            "disabled": len(report.disabled),
            "errors": report.troubles + [f"{name} is disabled" for name in report.disabled],
        },
        samples=make_samples(report, queue),
    )
