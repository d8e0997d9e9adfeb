"""Back-offs and open breakers for people and as metrics."""

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from farmhand.command import Result, Run
from farmhand.metrics import Sample
from farmhand.output import format_time, print_table
from watch_pending.backoff_models import Backoff, Kind
from watch_pending.backoffs import explain_backoff
from watch_pending.bootstraps import explain_failures, find_broken
from watch_pending.config import WatchPending
from watch_pending.models import Plan, Snapshot

log = logging.getLogger("watch-pending")


def add_backoffs(
    run: Run, config: WatchPending, snapshot: Snapshot, plan: Plan, result: Result
) -> Result:
    """Report what is held back, and add its numbers to a run's result."""
    report_backoffs(run, snapshot)
    needed = {item.demand.instance_type for item in plan.demands if item.need}
    for failures in find_broken(snapshot, config):
        if failures.instance_type in needed:
            log.warning("%s", explain_failures(failures))
    return replace(result, samples=(*result.samples, *make_backoff_samples(snapshot, config)))


def report_backoffs(run: Run, snapshot: Snapshot) -> None:
    """Warn of what stays broken until somebody mends it, and show the rest with its end."""
    for backoff in snapshot.backoffs:
        if backoff.until is None:
            log.warning("%s", explain_backoff(backoff))
        else:
            log.info("%s", explain_backoff(backoff))
    if run.speaks and not run.json and snapshot.backoffs:
        print_table(
            ["AWS refused", "times", "since", "until", "it said"],
            rows_of_backoffs(snapshot.backoffs),
        )


def rows_of_backoffs(backoffs: Iterable[Backoff]) -> list[list[object]]:
    """Make a row of each back-off."""
    return [
        [item.where, item.failures, format_time(item.began_at), describe_end(item), item.reason]
        for item in backoffs
    ]


def describe_end(backoff: Backoff) -> str:
    """Say when a back-off ends."""
    if backoff.until is None:
        return "its configuration changes"
    return "one has started" if backoff.is_over else format_time(backoff.until)


def make_backoff_samples(snapshot: Snapshot, config: WatchPending) -> list[Sample]:
    """Format how many back-offs are active, by kind, and which breakers are open."""
    active = Counter(item.kind for item in snapshot.backoffs if not item.is_over)
    broken = {failures.instance_type for failures in find_broken(snapshot, config)}
    samples = [
        Sample(
            name="watch_pending_backoffs",
            help="Places where nothing is asked for, since AWS refused.",
            value=active[kind],
            labels={"kind": kind.value},
        )
        for kind in Kind
    ]
    samples += [
        Sample(
            name="watch_pending_breakers_open",
            help="Whether machines start one at a time, since too many never connected.",
            value=name in broken,
            labels={"instance_type": name},
        )
        for name in sorted(config.instance_types)
    ]
    return samples
