"""What `check` looks for in a configuration, in what was read of the farm, and of EC2; pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from farmhand.findings import Finding
from farmhand.wording import unknown
from watch_pending.buildermap import compile_buildermap, match_builder
from watch_pending.config import WatchPending
from watch_pending.config_machines import FROM_INVENTORY, InstanceType, Market
from watch_pending.models import Cloud, InventoryWorker
from watch_pending.names import candidate_names
from watch_pending.spot import choose_image, why_no_image


def check_types(watch: WatchPending) -> Iterator[Finding]:
    """Find mapped types without an entry, types nothing maps to, subnets named twice."""
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


def check_jacuzzis(watch: WatchPending, jacuzzis: Mapping[str, Iterable[str]]) -> Iterator[Finding]:
    """Find jacuzzis of builders that nothing is launched for, and workers nobody can launch."""
    rules = compile_buildermap(watch.buildermap)
    for builder, workers in jacuzzis.items():
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
            most = limits.get("global", {}).get(name, 0)
            absent = 0 if section == "spot" else most
            together = sum(limits.get(r, {}).get(name, absent) for r in settings.regions)
            if settings.regions and together < most:
                message = f"{name}: {most} can't be reached, its regions sum to {together}"
                where = f"{section}.limits.global"
                yield Finding(code="regional_sum", where=where, message=message, severe=False)


def check_launchable(watch: WatchPending) -> Iterator[Finding]:
    """Find mapped types of which neither market could ever start a machine."""
    mapped = set(watch.buildermap.values())
    for name, settings in watch.instance_types.items():
        if name not in mapped:
            continue
        spot = why_never_spot(name, settings, watch)
        on_demand = why_never_on_demand(name, settings, watch)
        if spot and on_demand:
            message = f"nothing can ever launch it: spot: {spot}; on demand: {on_demand}"
            where = f"instance_types.{name}"
            yield Finding(code="never_launches", where=where, message=message, severe=False)


def why_never_spot(name: str, settings: InstanceType, watch: WatchPending) -> str | None:
    """Say what is missing before a type can have a spot machine, or None."""
    limits = watch.spot.limits
    if not watch.spot.rules.get(name):
        return f"{name} has no spot rule"
    if not limits.get("global", {}).get(name):
        return "its global limit is 0 or absent"
    if not any(limits.get(region, {}).get(name) for region in settings.regions):
        return "its limit is 0 or absent in all its regions"
    return _why_no_name(settings, Market.SPOT)


def why_never_on_demand(name: str, settings: InstanceType, watch: WatchPending) -> str | None:
    """Say what is missing before a type can have an on-demand machine, or None."""
    limits = watch.on_demand.limits
    regions = [region for region, place in settings.regions.items() if place.ec2_type]
    if not regions:
        return "none of its regions names an ec2_type"
    if not limits.get("global", {}).get(name):
        return "its global limit is 0 or absent"
    regions = [region for region in regions if watch.region_priorities.get(region)]
    if not regions:
        return "the priority of all its regions with an ec2_type is 0"
    if not any(limits.get(region, {}).get(name, 1) for region in regions):
        return "its limit is 0 in all its regions"
    return _why_no_name(settings, Market.ON_DEMAND)


def _why_no_name(settings: InstanceType, market: Market) -> str | None:
    if settings.names == FROM_INVENTORY or settings.name_pattern(market):
        return None
    return "there is no name pattern for it"


def check_workers(watch: WatchPending, inventory: Iterable[InventoryWorker]) -> Iterator[Finding]:
    """Find types that are named after the inventory's workers, of which none is enabled."""
    named = {worker.instance_type for worker in inventory if worker.market is not None}
    for name, settings in watch.instance_types.items():
        if settings.names == FROM_INVENTORY and name not in named:
            message = f"the inventory has no enabled spot or on-demand worker of type {name}"
            where = f"instance_types.{name}.names"
            yield Finding(code="no_workers", where=where, message=message, severe=False)


def check_names(watch: WatchPending, inventory: Sequence[InventoryWorker]) -> Iterator[Finding]:
    """Find name patterns that give machines names which the inventory, if there is one, lacks."""
    known = {worker.name for worker in inventory}
    for name, settings in watch.instance_types.items() if known else ():
        strangers: dict[str, None] = {}
        for market, limits in ((Market.SPOT, watch.spot), (Market.ON_DEMAND, watch.on_demand)):
            if settings.name_pattern(market) is not None:
                most = limits.limits.get("global", {}).get(name, 0)
                given = islice(candidate_names(settings, market, ()), most)
                strangers |= dict.fromkeys(each for each in given if each not in known)
        if strangers:
            message = (
                f"within its limits it gives {len(strangers)} names that the inventory lacks, "
                f"first {next(iter(strangers))}: slavealloc has no tac for such machines"
            )
            where = f"instance_types.{name}.names"
            yield Finding(code="unknown_names", where=where, message=message, severe=False)


def longest_name(
    name: str, market: Market, watch: WatchPending, inventory: Iterable[InventoryWorker]
) -> str | None:
    """Find the longest name a type may give its machines of a market, or None."""
    own = [worker for worker in inventory if worker.instance_type == name]
    names = candidate_names(watch.instance_types[name], market, own)
    return max(names, key=len, default=None)


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
                message = why_no_image(name, region, place, cloud.unresolved)
                yield Finding(code="missing_ami", where=where, message=message)
            for subnet_id in dict.fromkeys(place.subnets):
                subnet = subnets.get((region, subnet_id))
                if subnet is None:
                    message = f"{subnet_id} does not exist"
                    yield Finding(code="missing_subnet", where=where, message=message)
                elif subnet.free_addresses <= 0:
                    message = f"{subnet_id} has no free address"
                    yield Finding(code="full_subnet", where=where, message=message, severe=False)
