"""`scanner status`: the farm on one screen."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from farmhand.command import Result, Run
from farmhand.db import read_clock
from farmhand.output import print_json, print_lines, print_table
from farmhand.queries import read_last_runs
from farmhand.wording import format_span
from scanner import attention, operator_queries, queue_queries
from scanner.models import QueueStatus
from scanner.settings import Settings
from scanner.verbs.change import plain

DAY_S = 86400
# What fits on one screen with all else.
MOST_NEEDS = 20


def show_status(run: Run, settings: Settings) -> Result:
    """Show daemons by state, the queue by processor, the last scan, and who needs a human."""
    with settings.open_database(reading=True).begin() as connection:
        daemons = operator_queries.list_daemons(connection)
        queue = queue_queries.list_queue(connection)
        waiting = queue_queries.count_waiting(connection)
        records = queue_queries.count_ended(connection, DAY_S)
        runs = read_last_runs(connection)
        now = read_clock(connection)
    scans = [each for each in runs if (each["command"], each["verb"]) == ("scanner", "scan")]
    last = _last(scans, {f"{each['daemon']} is disabled" for each in daemons})
    needs = (
        *attention.find_silent_scans(last, now),
        *attention.find_sick_daemons(daemons),
        *attention.find_outliers(records),
        *attention.find_stuck_jobs(waiting, daemons),
    )
    document = {
        "farm": settings.farm,
        "daemons": dict(Counter(map(state_of, daemons))),
        "manual": sum(each["mode"] == "manual" for each in daemons),
        "queue": list(count_queue(queue, now)),
        "last_scan": last,
        "attention": [asdict(each) for each in needs],
    }
    if run.json:
        print_json(plain(document))
    else:
        _print(document, now)
    return Result()


def state_of(daemon: Mapping[str, Any]) -> str:
    """Say in one word how a daemon is."""
    return str(daemon["mode"] if daemon["mode"] == "disabled" else daemon["state"])


def count_queue(queue: Sequence[Mapping[str, Any]], now: datetime) -> Iterator[dict[str, Any]]:
    """Count the queue by processor, with how long the oldest job waits."""
    for processor in sorted({job["processor"] for job in queue}):
        mine = [job for job in queue if job["processor"] == processor]
        waiting = [job for job in mine if job["status"] == QueueStatus.WAITING]
        oldest = min((job["queued_at"] for job in waiting), default=None)
        yield {
            "processor": processor,
            "waiting": len(waiting),
            "running": sum(job["daemon"] is not None for job in mine),
            "held": sum(job["status"] == QueueStatus.HELD for job in mine),
            "oldest_wait_s": None if oldest is None else int((now - oldest).total_seconds()),
        }


def _last(scans: Sequence[Mapping[str, Any]], known: Collection[str]) -> dict[str, Any] | None:
    """Take the last scan, with its errors other than those that are known."""
    if not scans:
        return None
    last = scans[-1]
    names = ("started_at", "finished_at", "exit_code", "host")
    summary = last["summary"] or {}
    errors = [*summary.get("errors", ()), *filter(None, (summary.get("error"),))]
    new = [each for each in errors if each not in known]
    return {**{name: last[name] for name in names}, "errors": new}


def _print(document: Mapping[str, Any], now: datetime) -> None:
    counts = [f"{number} {state}" for state, number in sorted(document["daemons"].items())]
    manual = f"; {document['manual']} manual" if document["manual"] else ""
    print_lines(
        [
            f"farm {document['farm']}",
            f"last scan: {_say_when(document['last_scan'], now)}",
            f"daemons: {', '.join(counts) or 'none'}{manual}",
        ]
    )
    heads = ("processor", "waiting", "running", "held", "oldest waits")
    rows = [
        [*list(each.values())[:-1], format_span(each["oldest_wait_s"])]
        for each in document["queue"]
    ]
    print_table(heads, rows, "the queue is empty")
    needs = document["attention"]
    rows = [[f"{each['what']} {each['name']}", each["why"]] for each in needs[:MOST_NEEDS]]
    print_table(("needs a human", "why"), rows, "nobody needs a human")
    if len(needs) > MOST_NEEDS:
        print_lines([f"and {len(needs) - MOST_NEEDS} more: scanner status --json"])


def _say_when(last: Mapping[str, Any] | None, now: datetime) -> str:
    if last is None:
        return "none yet"
    age = format_span((now - last["started_at"]).total_seconds())
    if last["finished_at"] is None:
        return f"began {age} ago, and has not ended"
    return f"{age} ago, exit {last['exit_code']}"
