"""One run: gather → plan → apply → report."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from farmhand.command import Result, Run
from farmhand.db import FarmDb, format_url
from farmhand.errors import ExitCode, Locked
from farmhand.logs import add_syslog
from farmhand.metrics import push_to_graphite
from farmhand.output import print_json
from farmhand.recorded import Record, recorded
from farmhand.state import exclusive, make_writable
from watch_pending import gather, instance_queries, remembered
from watch_pending.backoff_report import add_backoffs
from watch_pending.buildermap import Rule, compile_buildermap, match_builder
from watch_pending.models import (
    Cloud,
    Outcome,
    PendingRequests,
    Plan,
    Snapshot,
    Status,
)
from watch_pending.pace import BURST, Pace
from watch_pending.plan import plan_launches, shorten
from watch_pending.report import count_by_status, plan_to_json, print_plan
from watch_pending.samples import BROKEN, make_samples
from watch_pending.settings import WatchPendingSettings
from watch_pending.sight import Sight
from watch_pending.sources import keep_fetched, read_sources
from watch_pending.waves import settle, with_outcomes

log = logging.getLogger("watch-pending")


def run_once(run: Run, settings: WatchPendingSettings) -> Result:
    """Start what is needed, or only show it."""
    if settings.originals and settings.originals.syslog_address:
        add_syslog(settings.originals.syslog_address)
    if run.dry_run:
        database = settings.open_database(reading=True)
        sight = look(run, settings, database)
        plan, refused = preview(run, settings, sight)
        report(run, settings, plan, refused)
        result = summarize(sight, plan, refused, planned=len(plan.launches))
        return add_backoffs(run, settings.watch, sight.snapshot, plan, result)
    make_writable(settings.state_directory)
    with exclusive(settings.state_directory, "watch-pending-run"):
        database = settings.open_database(reading=False)
        with recorded(database, run) as record:
            record.result = _run(run, settings, database, record)
    push_to_graphite(settings.graphite, record.result.samples)
    return record.result


def _run(
    run: Run,
    settings: WatchPendingSettings,
    database: FarmDb,
    record: Record,
) -> Result:
    sight = look(run, settings, database)
    keep_fetched(settings, sight.read)
    if sight.cloud is None:
        with database.begin() as connection:
            names = gather.connected_names(sight.scheduler)
            instance_queries.write_connected(connection, names, settings.watch.round_gap_s)
    else:
        gather.write_sightings(
            database, settings.farm, settings.watch, sight.scheduler, sight.cloud
        )
    remembered.delete_void(database, sight.remembered.void)
    plans, outcomes = _launch(run, settings, database, record, sight)
    unnamed = 0
    if sight.aws is not None:
        from watch_pending.naming import write_names

        unnamed = write_names(run, sight.aws, sight.snapshot, outcomes)
    plan = settle(plans, outcomes)
    report(run, settings, plan, outcomes)
    snapshot = remembered.look_again(database, sight.snapshot) if outcomes else sight.snapshot
    result = summarize(sight, plan, outcomes, planned=len(plans[0].launches), unnamed=unnamed)
    return add_backoffs(run, settings.watch, snapshot, plan, result)


def preview(run: Run, settings: WatchPendingSettings, sight: Sight) -> tuple[Plan, list[Outcome]]:
    """Plan as a run would, with what could not be rendered; no certificate is fetched for it."""
    from watch_pending.prepare import prepare

    renderer = settings.make_renderer(with_certificates=False)
    snapshot, refused = sight.snapshot, list[Outcome]()
    while True:
        plan = make_plan(run, settings, snapshot, sight.rules)
        _, failed = prepare(renderer, [(launch,) for launch in plan.launches], snapshot)
        if not failed:
            return plan, refused
        refused += failed
        snapshot = with_outcomes(snapshot, failed)


def look(
    run: Run,
    settings: WatchPendingSettings,
    database: FarmDb,
    extra: Sequence[PendingRequests] = (),
) -> Sight:
    """Read all that a decision rests on; EC2 only when something waits that it could serve.

    `extra` requests count as waiting, to ask what would happen if they did.
    """
    log.info(
        "config %s, farm %s, farm database %s",
        settings.path,
        settings.farm,
        format_url(database.url),
    )
    journal = gather.read_journal(database, settings.farm, settings.watch)
    scheduler = gather.read_scheduler(run, settings.watch)
    scheduler = replace(scheduler, pending=(*scheduler.pending, *extra))
    rules = compile_buildermap(settings.watch.buildermap)
    if not any(match_builder(rules, item.builder) for item in scheduler.pending):
        snapshot = gather.assemble(settings.farm, scheduler, journal, Cloud())
        sight = Sight(snapshot=snapshot, scheduler=scheduler, cloud=None, rules=rules)
        return remembered.recall(settings, sight)
    from watch_pending.cloud import open_aws, read_cloud

    read = read_sources(run, settings, database, scheduler.pending)
    aws = open_aws(settings.originals)
    known_regions = gather.regions_of(journal)
    cloud = read_cloud(run, aws, settings.watch, settings.regions, known_regions)
    snapshot = read.add_to(gather.assemble(settings.farm, scheduler, journal, cloud))
    sight = Sight(
        snapshot=snapshot, scheduler=scheduler, cloud=cloud, rules=rules, read=read, aws=aws
    )
    return remembered.recall(settings, sight)


def make_plan(
    run: Run, settings: WatchPendingSettings, snapshot: Snapshot, rules: tuple[Rule, ...]
) -> Plan:
    """Plan with the settings' regions and the run's clock."""
    return plan_launches(snapshot, settings.watch, rules, regions=settings.regions, now=run.now)


def _launch(
    run: Run,
    settings: WatchPendingSettings,
    database: FarmDb,
    record: Record,
    sight: Sight,
) -> tuple[list[Plan], list[Outcome]]:
    """Apply the plan, and plan again on what that showed, until nothing is left to start.

    Returns every plan that was made.
    """
    snapshot, outcomes = sight.snapshot, list[Outcome]()
    plans = [make_plan(run, settings, snapshot, sight.rules)]
    _note(record, sight, plans, outcomes)
    if not plans[0].launches or sight.aws is None:
        return plans, outcomes
    from watch_pending.apply import Launcher, launch_all

    launcher = Launcher(
        run=run,
        renderer=settings.make_renderer(with_certificates=True),
        database=database,
        run_id=record.run_id,
        aws=sight.aws,
        digests=sight.remembered.digests,
    )
    # A slow first call and a quick sixth arrive less than half a second apart: one stays for them.
    pace = Pace(burst=BURST - 1)
    # Once in any case: a plan that comes after the deadline is closed with that as its reason.
    while plans[-1].launches and (len(plans) == 1 or run.remaining_s() > 0):
        try:
            wave = launch_all(launcher, plans[-1], snapshot, pace)
        except Locked:
            if not outcomes:
                raise
            log.warning("another run planned meanwhile; what is left is its business")
            break
        outcomes += wave
        _note(record, sight, plans, outcomes)
        snapshot = replace(with_outcomes(snapshot, wave), generation=snapshot.generation + 1)
        plans.append(make_plan(run, settings, snapshot, sight.rules))
    return plans, outcomes


def _note(record: Record, sight: Sight, plans: Sequence[Plan], outcomes: Sequence[Outcome]) -> None:
    """Leave in the run's record how far it has come, for the case that it comes no further."""
    plan = settle(plans, outcomes)
    result = summarize(sight, plan, outcomes, planned=len(plans[0].launches))
    record.result = replace(result, exit_code=ExitCode.BUG)


def report(
    run: Run, settings: WatchPendingSettings, plan: Plan, outcomes: Sequence[Outcome]
) -> None:
    """Print what was decided and done; from cron, nothing."""
    for item in plan.demands:
        for cut in item.cuts:
            log.info(
                "%s: %s cuts %d to %d: %s",
                item.demand.instance_type,
                cut.by,
                cut.before,
                cut.after,
                cut.reason,
            )
    if plan.unmatched:
        log.info(
            "%d requests of %d builders match no pattern: %s",
            sum(plan.unmatched.values()),
            len(plan.unmatched),
            shorten(plan.unmatched),
        )
    if run.json:
        print_json(plan_to_json(settings.farm, run.now, plan, outcomes))
    elif run.speaks:
        print_plan(plan, outcomes, dry_run=run.dry_run)


def summarize(
    sight: Sight, plan: Plan, outcomes: Sequence[Outcome], *, planned: int, unnamed: int = 0
) -> Result:
    """Sum a run up in one exit code, one line and its metrics; pure.

    `planned` are the machines that the run set out to start, whatever became of them.
    """
    counts = count_by_status(outcomes)
    failed = counts[Status.FAILED] + counts[Status.UNKNOWN]
    calls = dict(sorted(sight.aws.calls.items())) if sight.aws else {}
    pending = sum(item.requests for item in sight.snapshot.pending)
    reasons = [f"{c.by}: {c.reason}" for item in plan.demands for c in item.cuts]
    reasons += [f"{region}: {why}" for region, why in sight.snapshot.lost_regions.items()]
    reasons += [f"{each.source}: {each.why}" for each in sight.snapshot.sources.troubles]
    held = sight.snapshot.lost_regions or sight.snapshot.sources.held
    partial = failed or unnamed or held
    return Result(
        exit_code=ExitCode.PARTIAL if partial else ExitCode.OK,
        summary={
            "pending": pending,
            "planned": planned,
            "launched": counts[Status.LAUNCHED],
            "failed": failed,
            "unnamed": unnamed,
            "unmet": sum(item.unmet for item in plan.demands),
            "unmatched": sum(plan.unmatched.values()),
            "api_calls": calls,
            "why_not": list(dict.fromkeys(reasons)),
            "errors": list(dict.fromkeys(o.reason for o in outcomes if o.status in BROKEN)),
        },
        samples=tuple(make_samples(sight.snapshot, plan, outcomes, calls)),
    )
