"""`scanner status`: the farm on one screen."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from farmhand.command import Result, Run
from farmhand.db import read_clock
from farmhand.output import print_json, print_lines, print_table
from farmhand.queries import read_last_runs
from scanner import operator_queries, queue_queries
from scanner.models import QueueStatus
from scanner.settings import Settings
from scanner.verbs.change import plain


def show_status(run: Run, settings: Settings) -> Result:
    """Show daemons by state, the queue by processor, the last scan, and who needs a human."""
    with settings.open_database(reading=True).begin() as connection:
        daemons = operator_queries.list_daemons(connection)
        queue = queue_queries.list_queue(connection)
        runs = read_last_runs(connection)
        now = read_clock(connection)
    scans = [each for each in runs if (each["command"], each["verb"]) == ("scanner", "scan")]
    document = {
        "farm": settings.farm,
        "daemons": dict(Counter(map(state_of, daemons))),
        "queue": list(count_queue(queue, now)),
        "last_scan": _last(scans),
        "attention": list(find_attention(daemons)),
    }
    if run.json:
        print_json(plain(document))
    else:
        _print(document)
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


def find_attention(daemons: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, str]]:
    """Say who needs a human, and why."""
    for each in daemons:
        if each["mode"] == "disabled":
            yield {"daemon": each["daemon"], "why": f"disabled: {each['notes'] or 'no reason'}"}
        elif each["state"] == "silent":
            yield {"daemon": each["daemon"], "why": each["last_error"] or "gives no good answer"}
        elif not each["processors"]:
            yield {"daemon": each["daemon"], "why": "builds for no processor"}


def _last(scans: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    if not scans:
        return None
    last = scans[-1]
    names = ("started_at", "finished_at", "exit_code", "host")
    return {name: last[name] for name in names}


def _print(document: Mapping[str, Any]) -> None:
    last = document["last_scan"]
    when = "none yet" if last is None else f"{plain(last['started_at'])}, exit {last['exit_code']}"
    counts = ", ".join(f"{n} {state}" for state, n in sorted(document["daemons"].items()))
    print_lines([f"farm {document['farm']}", f"last scan: {when}", f"daemons: {counts or 'none'}"])
    heads = ("processor", "waiting", "running", "held", "oldest_wait_s")
    rows = [[each[name] for name in heads] for each in document["queue"]]
    print_table([head.replace("_", " ") for head in heads], rows, "the queue is empty")
    needed = [(each["daemon"], each["why"]) for each in document["attention"]]
    print_table(("needs a human", "why"), needed, "nobody needs a human")
