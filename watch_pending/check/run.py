"""One `check`: configuration → findings, by what was read and by what the rules say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from farmhand.command import Result, Run
from farmhand.errors import BadInput, ExitCode
from farmhand.findings import Finding, split_by_kind, to_json
from farmhand.output import print_json, print_lines
from farmhand.wording import count_of
from watch_pending.buildermap import compile_buildermap
from watch_pending.check.buildermap import check_order, check_shadows, check_slow, check_use
from watch_pending.check.gather import History, look_around
from watch_pending.check.judge import (
    check_cloud,
    check_jacuzzis,
    check_launchable,
    check_limits,
    check_names,
    check_types,
    check_workers,
    longest_name,
)
from watch_pending.check.slow_patterns import measure_rules
from watch_pending.config import WatchPending
from watch_pending.config_machines import Market
from watch_pending.models import InventoryWorker
from watch_pending.request import why_too_large
from watch_pending.settings import WatchPendingSettings, load_settings
from watch_pending.userdata import Fields, make_fields, read_template, render_user_data


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """More builders to try the rules on, and how many days of history."""

    builders: Sequence[str]
    days: int


def check_settings(
    run: Run, secrets: Path | None, regions: tuple[str, ...], asked: Asked
) -> Result:
    """Check everything that can be reached, and print what was found.

    Exit code 2 for errors of the configuration, 4 where a database, a server or EC2 did not answer.
    """
    try:
        settings = load_settings(run, secrets, regions)
    except BadInput as err:
        findings = [
            Finding(
                code="config", where=line.split(": ")[0], message=line.partition(": ")[2] or line
            )
            for line in str(err).splitlines()
        ]
        return _report(run, findings)
    watch = settings.watch
    seen = look_around(run, settings, asked.days)
    known = seen.inventory is not None
    inventory = seen.inventory or ()
    findings = [
        *check_types(watch),
        *check_jacuzzis(watch, seen.jacuzzis or watch.jacuzzis),
        *check_limits(watch),
        *check_launchable(watch),
        *seen.findings,
        *(check_workers(watch, inventory) if known else ()),
        *check_names(watch, inventory),
        *check_templates(watch, settings.farm, inventory),
        *check_buildermap(run, settings, asked, seen.history),
        *(check_cloud(watch, settings.regions, seen.cloud) if seen.cloud else ()),
    ]
    return _report(run, findings, seen.unreached)


def check_buildermap(
    run: Run, settings: WatchPendingSettings, asked: Asked, history: History
) -> Iterator[Finding]:
    """Measure the rules, and try those that come to an end on builders and on made-up names."""
    rules = compile_buildermap(settings.watch.buildermap)
    places = settings.find_places("buildermap")
    slow = measure_rules(rules, run.remaining_s() / 2)
    yield from check_slow(slow, places)
    endless = {each.rule for each in slow if each.endless}
    sound = [rule for rule in rules if rule not in endless]
    builders = {*asked.builders, *history.builders}
    yield from check_order(sound, builders, places)
    yield from check_shadows(sound, builders)
    yield from check_use(sound, history.recent, asked.days, places)


def check_templates(
    watch: WatchPending, farm: str, inventory: Sequence[InventoryWorker]
) -> Iterator[Finding]:
    """Render each user data template for every region and market, with the longest name of each."""
    for name, settings in watch.instance_types.items():
        where = f"instance_types.{name}.user_data"
        if settings.user_data is None:
            message = "there is none: its machines start as their AMI is"
            yield Finding(code="no_template", where=where, message=message, severe=False)
            continue
        try:
            template = read_template(settings.user_data)
            rendered = [
                render_user_data(template, fields)
                for fields in sample_fields(watch, name, farm, inventory)
            ]
        except BadInput as err:
            yield Finding(code="template", where=where, message=str(err))
            continue
        longest = max(rendered, key=lambda user_data: len(user_data.encode()))
        if reason := why_too_large(longest):
            yield Finding(code="template", where=where, message=reason)


def sample_fields(
    watch: WatchPending, name: str, farm: str, inventory: Sequence[InventoryWorker]
) -> Iterator[Fields]:
    """Yield the template fields of a type's machines; made up is only what nothing tells yet."""
    places = watch.instance_types[name].regions
    domains = {region: place.domain for region, place in places.items()}
    longest = {market: longest_name(name, market, watch, inventory) for market in Market}
    named = {market: hostname for market, hostname in longest.items() if hostname}
    for region, domain in (domains or {"us-east-1": "example.com"}).items():
        for market, hostname in (named or {Market.SPOT: f"{name}-001"}).items():
            yield make_fields(
                moz_instance_type=name,
                hostname=hostname,
                domain=domain,
                region=region,
                market=market.value,
                farm=farm,
                launch_id="0" * 32,
                puppet_cert=None,
            )


def _report(run: Run, findings: Sequence[Finding], unreached: Sequence[Finding] = ()) -> Result:
    kinds = split_by_kind(findings)
    shown = {**kinds, "errors": [*kinds["errors"], *unreached]}
    if run.json:
        print_json(to_json(shown))
    else:
        print_lines(
            f"{kind[:-1]}: {item.where}: {item.message} [{item.code}]"
            for kind, items in shown.items()
            for item in items
        )
        counts = [count_of(len(items), kind[:-1]) for kind, items in shown.items()]
        print_lines([", ".join(counts)])
    worst = ExitCode.UNAVAILABLE if unreached else ExitCode.OK
    return Result(
        exit_code=ExitCode.BAD_INPUT if kinds["errors"] else worst,
        summary={"errors": len(shown["errors"]), "warnings": len(shown["warnings"])},
    )
