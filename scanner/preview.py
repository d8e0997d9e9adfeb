"""What a scan would do, without doing it: daemons are asked what they do, and nothing else."""

import asyncio
from collections.abc import Sequence

import sqlalchemy as sa

from farmhand.db import FarmDb, read_clock
from farmhand.tables.builds import daemons
from scanner import dispatch_queries, queries
from scanner.classify import classify
from scanner.config import Scanner
from scanner.dispatch import choose, warn_of_chroots
from scanner.models import Action
from scanner.report import Report, tell
from scanner.rescue import find_pairs
from scanner.settle import follow
from scanner.steps import Steps


async def preview(steps: Steps, database: FarmDb, limits: Scanner, only: Sequence[str]) -> Report:
    """Say what a scan would do about each daemon, and which jobs it would start."""
    report = Report()
    which = daemons.c.name.in_(only) if only else sa.true()
    with database.begin() as connection:
        rows = queries.read_daemons(connection, which)
    report.seen(rows.values())
    observed = await asyncio.gather(*map(steps.observe, rows.values()))
    ready = {}
    with database.begin() as connection:
        now = read_clock(connection)
        known = queries.read_known(
            connection, find_pairs((each.daemon, each.seen) for each in observed)
        )
        for each in observed:
            verdict = classify(each.daemon, each.seen, known, now, limits)
            following = follow(each.daemon, each.seen, verdict, now, limits)
            tell(report, following)
            if verdict.action is Action.READY:
                ready[each.daemon.id] = following.daemon
        free = dispatch_queries.read_free(connection, ready)
        candidates = dispatch_queries.read_candidates(connection, len(free)) if free else ()
        report.warn(warn_of_chroots(dispatch_queries.read_without_chroot(connection)))
    names = {each.queue_id: f"{each.build_id}-{each.queue_id}" for each in candidates}
    for queue_id, daemon_id in choose(candidates, free):
        report.verdicts[daemon_id] = (Action.READY, f"is idle, and gets job {names[queue_id]}")
    return report
