"""`check`: mistakes that no single value shows, found before a run trips over them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from farmhand.command import Result, Run
from farmhand.errors import BadInput, ExitCode, FarmError
from farmhand.output import print_json, print_lines
from farmhand.validation import unknown
from watch_pending import gather
from watch_pending.buildermap import compile_buildermap, find_shadowed, match_builder
from watch_pending.config import FROM_INVENTORY, Market, WatchPending
from watch_pending.models import Cloud
from watch_pending.names import candidate_names
from watch_pending.request import why_too_large
from watch_pending.settings import load_settings
from watch_pending.spot import choose_image
from watch_pending.userdata import read_template, render_user_data


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One mistake: a stable code, where it is, what is wrong and what to do."""

    code: str
    where: str
    message: str
    severe: bool = True


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
    findings = [*check_types(watch), *check_limits(watch), *check_templates(watch)]
    names: set[str] = set(builders)
    unreached: list[Finding] = []
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


def check_types(watch: WatchPending) -> Iterator[Finding]:
    """Find mapped types without an entry, types nothing maps to, jacuzzis nobody can serve."""
    mapped = set(watch.buildermap.values())
    for pattern, name in watch.buildermap.items():
        if name not in watch.instance_types:
            message = unknown("instance type", name, watch.instance_types)
            yield Finding(code="unknown_type", where=f'buildermap["{pattern}"]', message=message)
    for name, settings in watch.instance_types.items():
        where = f"instance_types.{name}"
        if name not in mapped:
            yield Finding(
                code="unused_type", where=where, message="no pattern maps to it", severe=False
            )
        for region, place in settings.regions.items():
            twice = sorted({s for s in place.subnets if place.subnets.count(s) > 1})
            if twice:
                message = f"named twice: {', '.join(twice)}"
                yield Finding(
                    code="duplicate_subnet",
                    where=f"{where}.regions.{region}.subnets",
                    message=message,
                    severe=False,
                )
    yield from _check_jacuzzis(watch)


def _check_jacuzzis(watch: WatchPending) -> Iterator[Finding]:
    rules = compile_buildermap(watch.buildermap)
    for builder, workers in watch.jacuzzis.items():
        where = f'jacuzzis["{builder}"]'
        rule = match_builder(rules, builder)
        if rule is None:
            message = "no pattern matches this builder, so nothing is launched for it"
            yield Finding(code="unmatched_jacuzzi", where=where, message=message, severe=False)
            continue
        settings = watch.instance_types.get(rule.instance_type)
        if settings is None or settings.names == FROM_INVENTORY:
            continue
        named = {name for market in Market for name in candidate_names(settings, market, ())}
        if foreign := sorted(set(workers) - named):
            message = f"no name pattern of {rule.instance_type} gives {', '.join(foreign)}"
            yield Finding(code="jacuzzi_name", where=where, message=message)


def check_limits(watch: WatchPending) -> Iterator[Finding]:
    """Name each limit that is absent and what that means, and sums that do not fit."""
    for name, settings in watch.instance_types.items():
        if name in watch.spot.rules:
            for scope in ("global", *settings.regions):
                if name not in watch.spot.limits.get(scope, {}):
                    where, message = f"spot.limits.{scope}", f"{name} has none, which means 0"
                    yield Finding(code="absent_limit", where=where, message=message, severe=False)
        on_demand = any(place.ec2_type for place in settings.regions.values())
        if on_demand and name not in watch.on_demand.limits.get("global", {}):
            where = "on_demand.limits.global"
            message = f"{name} has none, which means 0: never on demand"
            yield Finding(code="absent_limit", where=where, message=message, severe=False)
        for section, limits in (("spot", watch.spot.limits), ("on_demand", watch.on_demand.limits)):
            regional = [limits[r][name] for r in settings.regions if name in limits.get(r, {})]
            most = limits.get("global", {}).get(name)
            if most is not None and len(regional) == len(settings.regions) and sum(regional) < most:
                message = f"{name}: {most} can't be reached, its regions sum to {sum(regional)}"
                where = f"{section}.limits.global"
                yield Finding(code="regional_sum", where=where, message=message, severe=False)


def check_templates(watch: WatchPending) -> Iterator[Finding]:
    """Render each user data template once, with made-up values."""
    for name, settings in watch.instance_types.items():
        where = f"instance_types.{name}.user_data"
        if settings.user_data is None:
            message = "there is none: its machines start as their AMI is"
            yield Finding(code="no_template", where=where, message=message, severe=False)
            continue
        try:
            user_data = render_user_data(read_template(settings.user_data), SAMPLE_FIELDS)
        except BadInput as err:
            yield Finding(code="template", where=where, message=str(err))
            continue
        if reason := why_too_large(user_data):
            yield Finding(code="template", where=where, message=reason)


def check_rules(watch: WatchPending, builders: Iterable[str]) -> Iterator[Finding]:
    """Find rules that can never match, because an earlier one takes every name they would."""
    shadowed = find_shadowed(compile_buildermap(watch.buildermap), builders)
    for rule, taker in sorted(shadowed.items(), key=lambda pair: pair[0].index):
        where = f'buildermap["{rule.pattern}"]'
        message = f'never comes first: "{taker.pattern}", above it, takes its builders'
        yield Finding(code="shadowed_rule", where=where, message=message, severe=False)


def check_cloud(watch: WatchPending, regions: Iterable[str], cloud: Cloud) -> Iterator[Finding]:
    """Find AMIs and subnets that do not exist where they are named."""
    subnets = {(subnet.region, subnet.subnet_id): subnet for subnet in cloud.subnets}
    for region in regions:
        if region in cloud.lost:
            continue
        for name, settings in watch.instance_types.items():
            place = settings.regions.get(region)
            if place is None:
                continue
            where = f"instance_types.{name}.regions.{region}"
            if choose_image(cloud.images, name, region, place) is None:
                wanted = place.ami or f"an available AMI of ours tagged moz-type={name}"
                yield Finding(code="missing_ami", where=where, message=f"{wanted} does not exist")
            for subnet_id in dict.fromkeys(place.subnets):
                subnet = subnets.get((region, subnet_id))
                if subnet is None:
                    message = f"{subnet_id} does not exist"
                    yield Finding(code="missing_subnet", where=where, message=message)
                elif subnet.free_addresses <= 0:
                    message = f"{subnet_id} has no free address"
                    yield Finding(code="full_subnet", where=where, message=message, severe=False)


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
        print_lines([f"{len(shown['errors'])} errors, {len(warnings)} warnings"])
    worst = ExitCode.UNAVAILABLE if unreached else ExitCode.OK
    return Result(
        exit_code=ExitCode.BAD_INPUT if errors else worst,
        summary={"errors": len(shown["errors"]), "warnings": len(warnings)},
    )


SAMPLE_FIELDS = {
    "moz_instance_type": "sample",
    "hostname": "sample-001",
    "domain": "example.com",
    "fqdn": "sample-001.example.com",
    "region": "us-east-1",
    "region_dns_atom": "use1",
    "market": "spot",
    "farm": "sample",
    "launch_id": "0" * 32,
    "puppet_cert": "",
    "puppet_server": "",
    "password": "",
}
