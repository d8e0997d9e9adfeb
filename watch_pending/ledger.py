"""What may still be spent while a plan is made: limits, addresses, names, money; pure."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from watch_pending.backoff_models import Backoff, Kind
from watch_pending.backoffs import Holds, explain_backoff
from watch_pending.bootstraps import Breakers
from watch_pending.config import WatchPending
from watch_pending.config_machines import Market
from watch_pending.demand import names_in_use, own_instances
from watch_pending.models import Launch, Machine, Offer, Snapshot
from watch_pending.spot import round_usd, same_product

NO_LIMIT = 1 << 62
MISSING_PRICE = {
    Market.SPOT: "no spot price and no usd_per_hour",
    Market.ON_DEMAND: "no usd_per_hour",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """Why an offer can't be taken now; `by` names the limit as the configuration does."""

    by: str
    reason: str


@dataclass(kw_only=True, slots=True)
class Ledger:
    """Counts down as a plan takes machines; lives as long as one planning."""

    config: WatchPending
    live: Counter[tuple[Market, str]]
    live_in: Counter[tuple[Market, str, str]]
    free_addresses: dict[str, int]
    zones: dict[str, tuple[str, str]]
    full_subnets: frozenset[str]
    names: set[str]
    run_headroom: int
    usd_per_hour: float
    unpriced: str | None
    holds: Holds
    breakers: Breakers

    @classmethod
    def open(cls, snapshot: Snapshot, config: WatchPending, now: datetime) -> Self:
        """Count what runs, and what was launched and is not seen yet."""
        machines: list[Machine] = [*own_instances(snapshot), *snapshot.open_launches]
        free = {subnet.subnet_id: subnet.free_addresses for subnet in snapshot.subnets}
        for launch in snapshot.open_launches:
            if launch.subnet in free:
                free[launch.subnet] -= 1
        prices = [price_of(machine, snapshot, config) for machine in machines]
        unpriced = {
            (m.market, m.ec2_type)
            for m, price in zip(machines, prices, strict=True)
            if price is None
        }
        most = NO_LIMIT if config.max_launches_per_run is None else config.max_launches_per_run
        return cls(
            config=config,
            live=Counter((m.market, m.instance_type) for m in machines),
            live_in=Counter((m.market, m.instance_type, m.region) for m in machines),
            free_addresses=free,
            zones={s.subnet_id: (s.region, s.availability_zone) for s in snapshot.subnets},
            full_subnets=frozenset(item.subnet for item in snapshot.exhausted if item.subnet),
            names=set(names_in_use(snapshot)),
            run_headroom=max(0, most - snapshot.launched_this_run),
            usd_per_hour=math.fsum(price for price in prices if price is not None),
            unpriced=_explain_unpriced(unpriced),
            holds=Holds.open(snapshot),
            breakers=Breakers.open(snapshot, config, now),
        )

    def market_headroom(self, market: Market, instance_type: str) -> int:
        """Machines of a type that its market's global limit still allows; no limit means none."""
        limit = self._limits(market).get("global", {}).get(instance_type, 0)
        return max(0, limit - self.live[market, instance_type])

    def explain_market_limit(self, market: Market, instance_type: str) -> str:
        """Say what the global limit is and how much of it is used."""
        limit = self._limits(market).get("global", {}).get(instance_type)
        live = self.live[market, instance_type]
        if limit is None:
            return f"{instance_type} has no global {market} limit, which means 0"
        return f"the global {market} limit of {instance_type} is {limit}, {live} live"

    def why_not(self, offer: Offer, instance_type: str, subnets: tuple[str, ...]) -> Refusal | None:
        """Say which limit forbids one more machine by this offer, or None."""
        return (
            self._region_refusal(offer, instance_type)
            or self._money_refusal(offer)
            or self._held_refusal(offer, instance_type)
            or self._address_refusal(offer, subnets)
        )

    def take(self, offer: Offer, instance_type: str, name: str, subnets: tuple[str, ...]) -> str:
        """Spend one machine; return its subnet, the one with most free addresses."""
        subnet = max(self._open_subnets(offer, subnets), key=lambda s: (self.free_addresses[s], s))
        self.free_addresses[subnet] -= 1
        self.live[offer.market, instance_type] += 1
        self.live_in[offer.market, instance_type, offer.region] += 1
        self.names.add(name)
        self.run_headroom -= 1
        self.usd_per_hour += offer.price_usd_per_hour or 0
        self.breakers.take(instance_type, offer.ami)
        self.holds.take(Launch(instance_type=instance_type, name=name, subnet=subnet, offer=offer))
        return subnet

    def addresses_in(self, offer: Offer, subnets: tuple[str, ...]) -> int:
        """Free addresses of the offer's zone in the given subnets."""
        return sum(self.free_addresses[subnet] for subnet in self._open_subnets(offer, subnets))

    def _limits(self, market: Market) -> Mapping[str, Mapping[str, int]]:
        section = self.config.spot if market is Market.SPOT else self.config.on_demand
        return section.limits

    def _region_refusal(self, offer: Offer, instance_type: str) -> Refusal | None:
        limit = self._limits(offer.market).get(offer.region, {}).get(instance_type)
        section = "spot" if offer.market is Market.SPOT else "on_demand"
        by = f"{section}.limits.{offer.region}"
        live = self.live_in[offer.market, instance_type, offer.region]
        if limit is None and offer.market is Market.SPOT:
            return Refusal(
                by=by, reason=f"{instance_type} has no spot limit in {offer.region}, which means 0"
            )
        if limit is not None and live >= limit:
            what = f"the {offer.market} limit of {instance_type} in {offer.region}"
            return Refusal(by=by, reason=f"{what} is {limit}, {live} live")
        return None

    def _money_refusal(self, offer: Offer) -> Refusal | None:
        cap = self.config.max_usd_per_hour
        if cap is None:
            return None
        by = "max_usd_per_hour"
        unpriced = self.unpriced
        if unpriced is None and offer.price_usd_per_hour is None:
            unpriced = _explain_unpriced([(offer.market, offer.ec2_type)])
        if unpriced is not None:
            return Refusal(by=by, reason=unpriced)
        if round_usd(self.usd_per_hour + (offer.price_usd_per_hour or 0)) > cap:
            spent = f"{self.usd_per_hour:.2f} of {cap:.2f} USD/h are spent"
            return Refusal(by=by, reason=f"{spent}, {offer.ec2_type} is too dear")
        return None

    def _held_refusal(self, offer: Offer, instance_type: str) -> Refusal | None:
        if backoff := self.holds.why_not(offer, instance_type):
            return _explain_held(backoff)
        if reason := self.breakers.why_not(instance_type, offer.ami):
            return Refusal(by="bootstrap", reason=reason)
        return None

    def _address_refusal(self, offer: Offer, subnets: tuple[str, ...]) -> Refusal | None:
        if self._open_subnets(offer, subnets):
            return None
        held = map(self.holds.why_not_subnet, self._free_subnets(offer, subnets))
        if backoff := next(held, None):
            return _explain_held(backoff)
        return Refusal(
            by="addresses", reason=f"no subnet in {offer.availability_zone} has a free address"
        )

    def _open_subnets(self, offer: Offer, subnets: tuple[str, ...]) -> list[str]:
        free = self._free_subnets(offer, subnets)
        return [subnet for subnet in free if self.holds.why_not_subnet(subnet) is None]

    def _free_subnets(self, offer: Offer, subnets: tuple[str, ...]) -> list[str]:
        return [
            subnet
            for subnet in dict.fromkeys(subnets)
            if self.zones.get(subnet) == (offer.region, offer.availability_zone)
            and self.free_addresses[subnet] > 0
            and subnet not in self.full_subnets
        ]


def _explain_held(backoff: Backoff) -> Refusal:
    by = "settings" if backoff.kind is Kind.SETTINGS else "backoff"
    return Refusal(by=by, reason=explain_backoff(backoff))


def price_of(machine: Machine, snapshot: Snapshot, config: WatchPending) -> float | None:
    """Find what a machine costs an hour now, by the list or the spot market; None: unknown.

    Where its spot price is unknown, the list price is the most it can be.
    """
    listed = config.usd_per_hour.get(machine.ec2_type)
    if machine.market is Market.ON_DEMAND:
        return listed
    settings = config.instance_types.get(machine.instance_type)
    product = settings.product if settings else "Linux/UNIX"
    return max(
        (
            price.usd_per_hour
            for price in snapshot.spot_prices
            if price.availability_zone == machine.availability_zone
            and price.ec2_type == machine.ec2_type
            and same_product(price, product)
        ),
        default=listed,
    )


def _explain_unpriced(unpriced: Iterable[tuple[Market, str]]) -> str | None:
    """Say which prices are missing, by market; None where none is.

    >>> _explain_unpriced([(Market.SPOT, "c7i.large"), (Market.SPOT, "c5.large")])
    'no spot price and no usd_per_hour for c5.large, c7i.large'
    """
    by_market: dict[Market, set[str]] = {}
    for market, ec2_type in unpriced:
        by_market.setdefault(market, set()).add(ec2_type)
    return (
        "; ".join(
            f"{MISSING_PRICE[market]} for {', '.join(sorted(by_market[market]))}"
            for market in Market
            if market in by_market
        )
        or None
    )
