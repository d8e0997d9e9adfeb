"""What runs → which limits it is above; pure."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping

from watch_pending.config import WatchPending
from watch_pending.config_machines import Market
from watch_pending.demand import own_instances
from watch_pending.models import UP_STATES, Machine
from watch_pending.prices import paid_usd_per_hour
from watch_pending.sanity.models import Finding, Kind, Sight

SECTIONS = {Market.SPOT: "spot", Market.ON_DEMAND: "on_demand"}


def find_exceeded(sight: Sight, config: WatchPending) -> Iterator[Finding]:
    """Find the limits that are passed, of both markets, everywhere and by region, and money's.

    A type that the configuration does not have is no limit's business.
    """
    machines: list[Machine] = [
        machine
        for machine in (*own_instances(sight.snapshot), *sight.snapshot.open_launches)
        if machine.instance_type in config.instance_types
    ]
    live = Counter(("global", m.market, m.instance_type) for m in machines)
    live += Counter((m.region, m.market, m.instance_type) for m in machines)
    for (scope, market, instance_type), count in sorted(live.items()):
        limits = (config.spot if market is Market.SPOT else config.on_demand).limits
        limit = _limit_of(limits, scope, market, instance_type)
        if limit is None or count <= limit:
            continue
        where = f"{SECTIONS[market]}.limits.{scope}"
        yield Finding(
            kind=Kind.LIMIT_EXCEEDED,
            subject=f"{where}.{instance_type}",
            instance_type=instance_type,
            region=None if scope == "global" else scope,
            why=f"{count} {market} machines are live, {where} allows {limit}",
        )
    yield from _find_spending(sight, config)


def _limit_of(
    limits: Mapping[str, Mapping[str, int]], scope: str, market: Market, instance_type: str
) -> int | None:
    """Say how many a scope allows; None where it sets no limit of its own."""
    absent = None if scope != "global" and market is Market.ON_DEMAND else 0
    return limits.get(scope, {}).get(instance_type, absent)


def _find_spending(sight: Sight, config: WatchPending) -> Iterator[Finding]:
    most = config.max_usd_per_hour
    if most is None:
        return
    machines: list[Machine] = [
        *(each for each in own_instances(sight.snapshot) if each.state in UP_STATES),
        *sight.snapshot.open_launches,
    ]
    prices = [paid_usd_per_hour(machine, sight.paid, config) for machine in machines]
    spent = math.fsum(price for price in prices if price is not None)
    if round(spent, 6) > most:
        unknown = prices.count(None)
        more = f", and {unknown} whose price is unknown" if unknown else ""
        yield Finding(
            kind=Kind.LIMIT_EXCEEDED,
            subject="max_usd_per_hour",
            why=f"the machines cost {spent:.2f} USD/h{more}; max_usd_per_hour is {most:g}",
        )
