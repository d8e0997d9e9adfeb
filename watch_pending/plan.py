"""Snapshot + configuration + now → Plan; pure.

What a plan promises, whatever the snapshot:

- no demand gets more machines than it needs, and no limit is passed: by market and instance type
  (global and by region), most per run, dollars per hour, free addresses of a subnet;
- nothing is asked for where AWS refused it until that back-off is over, then one machine until it
  has started; one at a time also of a type or an AMI that fails to connect too often;
- a name in use anywhere is not given, and no name is given twice;
- every machine less than needed has a cut that says why;
- the order of what was read does not matter;
- planning again after a full apply plans nothing, and after any part of it plans the rest.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from watch_pending.buildermap import Rule
from watch_pending.config import WatchPending
from watch_pending.config_machines import Market
from watch_pending.demand import (
    count_need,
    count_original_need,
    group_demands,
    measure_capacity,
)
from watch_pending.holds import hold_back
from watch_pending.ledger import Ledger, Refusal
from watch_pending.models import (
    Capacity,
    Cut,
    Demand,
    DemandPlan,
    Exhausted,
    Launch,
    Offer,
    Plan,
    Snapshot,
)
from watch_pending.names import candidate_names, find_names
from watch_pending.rollout import Rollout
from watch_pending.spot import list_on_demand_offers, rank_spot_offers


def plan_launches(
    snapshot: Snapshot,
    config: WatchPending,
    rules: Iterable[Rule],
    *,
    regions: tuple[str, ...],
    now: datetime,
) -> Plan:
    """Decide what to launch in `regions`; see the module for what holds of the result."""
    demands, unmatched = group_demands(snapshot.pending, rules, snapshot.sources.jacuzzis)
    capacities = measure_capacity(demands, snapshot, config, now)
    ledger = Ledger.open(snapshot, config, now)
    rollout = Rollout.open(snapshot, config)
    plans = []
    for demand, capacity in zip(demands, capacities, strict=True):
        need = (
            count_original_need(demand, snapshot, config, now)
            if config.original_freshness
            else count_need(demand, capacity)
        )
        filler = _Filler(demand, capacity, need, snapshot, config, ledger, rollout, regions)
        plans.append(filler.fill())
    return Plan(demands=tuple(plans), unmatched=unmatched)


@dataclass(slots=True)
class _Filler:
    """Fills one demand: spot first, what is left from on-demand."""

    demand: Demand
    capacity: Capacity
    need: int
    snapshot: Snapshot
    config: WatchPending
    ledger: Ledger
    rollout: Rollout
    regions: tuple[str, ...]

    def fill(self) -> DemandPlan:
        plan = DemandPlan(demand=self.demand, capacity=self.capacity, need=self.need)
        if self.need == 0:
            return plan
        if self.demand.instance_type not in self.config.instance_types:
            reason = f"instance type {self.demand.instance_type} has no settings"
            return replace(
                plan, cuts=(Cut(by="instance_types", before=self.need, after=0, reason=reason),)
            )
        if cut := hold_back(self.demand, self.need, self.config, self.snapshot):
            return replace(plan, cuts=(cut,))
        if broken := why_no_user_data(self.demand.instance_type, self.snapshot):
            return replace(
                plan, cuts=(Cut(by="user_data", before=self.need, after=0, reason=broken),)
            )
        wanted, cuts = self.need, []
        most = self.ledger.run_headroom
        if most < wanted:
            reason = f"max_launches_per_run is {self.config.max_launches_per_run}"
            cuts.append(Cut(by="max_launches_per_run", before=wanted, after=most, reason=reason))
            wanted = most
        launches: list[Launch] = []
        rejected: list[str] = []
        for market in Market:
            if len(launches) < wanted:
                self._fill_from(market, wanted - len(launches), launches, cuts, rejected)
        return replace(
            plan,
            cuts=tuple(cuts),
            launches=tuple(launches),
            rejected=tuple(dict.fromkeys(rejected)),
        )

    def _fill_from(
        self,
        market: Market,
        wanted: int,
        launches: list[Launch],
        cuts: list[Cut],
        rejected: list[str],
    ) -> None:
        """Take what one market gives; each cut is counted against what was wanted of it."""
        instance_type = self.demand.instance_type
        section = "spot" if market is Market.SPOT else "on_demand"
        most = min(wanted, self.ledger.market_headroom(market, instance_type))
        if most < wanted:
            reason = self.ledger.explain_market_limit(market, instance_type)
            cuts.append(
                Cut(by=f"{section}.limits.global", before=wanted, after=most, reason=reason)
            )
        names = self._find_names(market, most)
        if len(names) < most:
            reason = self._explain_names(market)
            cuts.append(Cut(by="names", before=most, after=len(names), reason=reason))
        if not names:
            return
        stages, reasons = self._stages(market, len(names))
        taken, refusals = self._take(stages, names)
        launches.extend(taken)
        rejected.extend(reasons)
        if len(taken) < len(names):
            cuts.extend(
                Cut(by=refusal.by, before=len(names), after=len(taken), reason=refusal.reason)
                for refusal in refusals
            )
            if reasons or not refusals:
                reason = shorten(reasons) or "there is no region to launch in"
                cuts.append(
                    Cut(by=f"{section}.offers", before=len(names), after=len(taken), reason=reason)
                )

    def _take(
        self, stages: list[tuple[tuple[Offer, ...], int]], names: list[str]
    ) -> tuple[list[Launch], list[Refusal]]:
        """Walk the stages; in each, take up to its share of the first offer nothing forbids."""
        instance_type = self.demand.instance_type
        regions = self.config.instance_types[instance_type].regions
        launches: list[Launch] = []
        refusals: dict[Refusal, None] = {}
        for offers, share in stages:
            for _ in range(min(share, len(names) - len(launches))):
                for place in sorted(offers, key=self._crowding):
                    offer = self.rollout.with_ami(place, instance_type)
                    subnets = regions[offer.region].subnets
                    refusal = self.ledger.why_not(offer, instance_type, subnets)
                    if refusal is None:
                        name = names[len(launches)]
                        subnet = self.ledger.take(offer, instance_type, name, subnets)
                        self.rollout.take(offer, instance_type)
                        launches.append(
                            Launch(
                                instance_type=instance_type, name=name, subnet=subnet, offer=offer
                            )
                        )
                        break
                    refusals[refusal] = None
                else:
                    break
        return launches, list(refusals)

    def _crowding(self, offer: Offer) -> tuple[int, str]:
        """Order the offers of one stage: the zone with most free addresses first."""
        subnets = (
            self.config.instance_types[self.demand.instance_type].regions[offer.region].subnets
        )
        return (-self.ledger.addresses_in(offer, subnets), offer.availability_zone)

    def _stages(
        self, market: Market, wanted: int
    ) -> tuple[list[tuple[tuple[Offer, ...], int]], list[str]]:
        """List the offers to try in turn, with the most to take of each, and what is rejected."""
        instance_type = self.demand.instance_type
        if market is Market.SPOT:
            spot = rank_spot_offers(instance_type, self.config, self.snapshot, self.regions)
            return [((offer,), wanted) for offer in spot.ranked], list(spot.rejected)
        by_region: dict[str, tuple[Offer, ...]] = {}
        rejected: list[str] = []
        for region in self.regions:
            offers = list_on_demand_offers(instance_type, self.config, self.snapshot, region)
            rejected.extend(offers.rejected)
            if offers.ranked and not self.config.region_priorities.get(region, 0):
                rejected.append(f"the priority of {region} is 0")
            by_region[region] = offers.ranked
        priorities = {
            r: self.config.region_priorities.get(r, 0) for r, offers in by_region.items() if offers
        }
        # Where all is backed off there is no share to take; it comes last, to say why.
        held = {r: n for r, n in priorities.items() if all(map(self._is_held, by_region[r]))}
        shares = split_by_priority(wanted, {r: n for r, n in priorities.items() if r not in held})
        # What a region can't take of its share spills over to the others, highest priority first.
        stages = [(by_region[region], share) for region, share in shares.items()]
        stages += [(by_region[region], wanted) for region in (*shares, *split_by_priority(1, held))]
        return stages, rejected

    def _is_held(self, offer: Offer) -> bool:
        return self.ledger.holds.why_not(offer, self.demand.instance_type) is not None

    def _find_names(self, market: Market, most: int) -> list[str]:
        instance_type = self.demand.instance_type
        inventory = [w for w in self.snapshot.inventory if w.instance_type == instance_type]
        settings = self.config.instance_types[instance_type]
        return find_names(
            candidate_names(settings, market, inventory),
            self.demand,
            in_use=self.ledger.names,
            allocated=self.snapshot.sources.jacuzzis.allocated,
            most=most,
        )

    def _explain_names(self, market: Market) -> str:
        if self.demand.workers is not None:
            return (
                f"the jacuzzi of {len(self.demand.workers)} workers has no free {market} name left"
            )
        return f"no free {market} name is left for {self.demand.instance_type}"


def why_no_user_data(instance_type: str, snapshot: Snapshot) -> str | None:
    """Say why this run can't render a type's user data, or None.

    Nothing else is learned of a type alone: whatever EC2 says, it says of a region.
    """
    return next(
        (
            item.reason
            for item in snapshot.exhausted
            if item == Exhausted(reason=item.reason, instance_type=instance_type)
        ),
        None,
    )


def shorten(reasons: Iterable[str], most: int = 3) -> str:
    """Join the first few reasons.

    >>> shorten(["a", "b", "c", "d", "a"])
    'a; b; c; and 1 more'
    """
    distinct = list(dict.fromkeys(reasons))
    rest = [f"and {len(distinct) - most} more"] if len(distinct) > most else []
    return "; ".join(distinct[:most] + rest)


def split_by_priority(count: int, priorities: Mapping[str, int]) -> dict[str, int]:
    """Share a count between regions by priority; what rounding leaves goes to the highest.

    A region of priority 0 gets none. The result is in order of priority, then name.

    >>> split_by_priority(6, {"a": 20, "b": 30, "c": 0})
    {'b': 4, 'a': 2}
    """
    ordered = sorted(
        (region for region in priorities if priorities[region] > 0),
        key=lambda region: (-priorities[region], region),
    )
    total = sum(priorities[region] for region in ordered)
    shares = {region: count * priorities[region] // total for region in ordered}
    if ordered:
        shares[ordered[0]] += count - sum(shares.values())
    return shares
