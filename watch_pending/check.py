"""`check`: mistakes that no single value shows, found before a run trips over them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from farmhand.command import Result, Run
from farmhand.errors import BadInput, ExitCode, FarmError, Unavailable
from farmhand.output import print_json, print_lines
from farmhand.wording import count_of
from watch_pending import gather, queries
from watch_pending.checks import (
    Finding,
    check_cloud,
    check_launchable,
    check_limits,
    check_rules,
    check_types,
    check_workers,
    longest_name,
)
from watch_pending.config import WatchPending
from watch_pending.config_machines import Market
from watch_pending.models import InventoryWorker
from watch_pending.request import why_too_large
from watch_pending.settings import WatchPendingSettings, load_settings
from watch_pending.userdata import Fields, make_fields, read_template, render_user_data


def check_settings(
    run: Run, secrets: Path | None, regions: tuple[str, ...], builders: Sequence[str]
) -> Result:
    """Check everything that can be reached, and print what was found.

    Exit code 2 for errors of the configuration, 4 where a database or EC2 did not answer.
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
    findings = [*check_types(watch), *check_limits(watch), *check_launchable(watch)]
    names: set[str] = set(builders)
    unreached: list[Finding] = []
    inventory: tuple[InventoryWorker, ...] = ()
    try:
        inventory = read_workers(settings)
        findings += check_workers(watch, inventory)
    except FarmError as err:
        found = unreached if isinstance(err, Unavailable) else findings
        found.append(Finding(code="farm_db", where="database", message=str(err)))
    findings += check_templates(watch, settings.farm, inventory)
    try:
        names.update(gather.read_scheduler(run, watch, with_builders=True).builders)
    except FarmError as err:
        unreached.append(Finding(code="scheduler_db", where="scheduler_db", message=str(err)))
    findings += check_rules(watch, names)
    try:
        from watch_pending.cloud import open_aws, read_cloud

        cloud = read_cloud(run, open_aws(settings.originals), watch)
        findings += check_cloud(watch, settings.regions, cloud)
        unreached += [
            Finding(code="region", where=region, message=reason)
            for region, reason in cloud.lost.items()
        ]
    except FarmError as err:
        unreached.append(Finding(code="aws", where="aws", message=str(err)))
    return _report(run, findings, unreached)


def read_workers(settings: WatchPendingSettings) -> tuple[InventoryWorker, ...]:
    """Read the farm database's enabled workers; raises FarmError where it can't be used."""
    database = settings.open_database(reading=True)
    try:
        with database.begin() as connection:
            return queries.read_inventory(connection)
    finally:
        database.engine.dispose()


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
    errors = [item for item in findings if item.severe]
    warnings = [item for item in findings if not item.severe]
    shown = {"errors": [*errors, *unreached], "warnings": warnings}
    if run.json:
        print_json(
            {
                kind: [
                    {"code": item.code, "where": item.where, "message": item.message}
                    for item in items
                ]
                for kind, items in shown.items()
            }
        )
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
        exit_code=ExitCode.BAD_INPUT if errors else worst,
        summary={"errors": len(shown["errors"]), "warnings": len(warnings)},
    )
