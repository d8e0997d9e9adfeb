"""One run of sanity: gather → judge → remember → fix → report."""

import logging
from collections import Counter
from collections.abc import Sequence

from farmhand.command import Result, Run
from farmhand.db import FarmDb
from farmhand.errors import ExitCode
from farmhand.output import print_json
from farmhand.recorded import recorded
from farmhand.state import exclusive, make_writable
from watch_pending.sanity import queries
from watch_pending.sanity.fix import fix_all
from watch_pending.sanity.fixer import Fixer
from watch_pending.sanity.gather import Look, look
from watch_pending.sanity.judge import judge_all, was_decided
from watch_pending.sanity.models import Fate, FixOutcome, Remedy
from watch_pending.sanity.remedy import plan_remedy
from watch_pending.sanity.report import (
    findings_to_json,
    in_words,
    make_sanity_samples,
    print_findings,
    which,
)
from watch_pending.settings import WatchPendingSettings

log = logging.getLogger("watch-pending")


def sanity_once(run: Run, settings: WatchPendingSettings, *, fix: bool) -> Result:
    """Say what is wrong with the fleet, remember it, and put right what is safe if so asked."""
    if run.dry_run:
        database = settings.open_database(reading=True)
        seen, remedies = _judge(run, settings, database)
        outcomes = _preview(remedies) if fix else []
        _report(run, seen, remedies, outcomes)
        return _summarize(seen, remedies, outcomes)
    make_writable(settings.state_directory)
    with exclusive(settings.state_directory, "watch-pending-sanity"):
        database = settings.open_database(reading=False)
        with recorded(database, run) as record:
            seen, remedies = _judge(run, settings, database)
            _remember(database, seen, remedies)
            record.result = _summarize(seen, remedies, [])
            outcomes = list[FixOutcome]()
            if fix:
                fixer = Fixer(run=run, settings=settings, database=database, look=seen)
                outcomes = fix_all(fixer, remedies)
            _report(run, seen, remedies, outcomes)
            record.result = _summarize(seen, remedies, outcomes)
    return record.result


def _judge(
    run: Run, settings: WatchPendingSettings, database: FarmDb
) -> tuple[Look, tuple[Remedy, ...]]:
    seen = look(run, settings, database)
    findings = judge_all(seen.sight, settings.watch)
    return seen, tuple(plan_remedy(each, seen.sight) for each in findings)


def _remember(database: FarmDb, seen: Look, remedies: Sequence[Remedy]) -> None:
    """Write what was found; forget what is no longer so, as far as that can be told."""
    found = {each.finding.key for each in remedies}
    forgotten = {key for key in seen.sight.memory.keys() - found if was_decided(key, seen.sight)}
    with database.begin() as connection:
        queries.write_memory(connection, found, forgotten)


def _preview(remedies: Sequence[Remedy]) -> list[FixOutcome]:
    return [
        FixOutcome(remedy=each, fate=Fate.WOULD_FIX, why=each.finding.why)
        for each in remedies
        if each.step is not None
    ]


def _report(
    run: Run, seen: Look, remedies: Sequence[Remedy], outcomes: Sequence[FixOutcome]
) -> None:
    for each in remedies:
        if each.finding.confirmed:
            what = in_words(each.finding.kind)
            log.info("%s: %s: %s", what, which(each.finding), each.finding.why)
    for outcome in outcomes:
        level = logging.ERROR if outcome.fate is Fate.FAILED else logging.INFO
        subject = which(outcome.remedy.finding)
        log.log(level, "%s %s: %s: %s", outcome.remedy.step, subject, outcome.fate, outcome.why)
    lost = dict(seen.lost)
    if run.json:
        print_json(findings_to_json(seen.sight, remedies, outcomes, lost))
    elif run.speaks:
        print_findings(seen.sight, remedies, outcomes, lost)


def _summarize(seen: Look, remedies: Sequence[Remedy], outcomes: Sequence[FixOutcome]) -> Result:
    """Sum a run up; findings are no failure, a fix or a region that failed is."""
    found = Counter(each.finding.kind.value for each in remedies if each.finding.confirmed)
    fates = Counter(each.fate.value for each in outcomes)
    errors = [each.why for each in outcomes if each.fate is Fate.FAILED]
    lost = [f"{what}: {why}" for what, why in seen.lost.items()]
    return Result(
        exit_code=ExitCode.PARTIAL if errors or lost else ExitCode.OK,
        summary={
            "findings": sum(found.values()),
            "suspects": len(remedies) - sum(found.values()),
            **{fate.value: fates[fate.value] for fate in Fate if fate is not Fate.WOULD_FIX},
            "kinds": dict(sorted(found.items())),
            "api_calls": dict(sorted(seen.aws.calls.items())),
            "errors": list(dict.fromkeys([*errors, *lost])),
        },
        samples=tuple(make_sanity_samples(remedies, outcomes)),
    )
