"""What holds of every plan, whatever was read: the promises of watch_pending/plan.py."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.plans import make_launch, make_offer, make_outcome, make_outcomes
from tests.promises import (
    nothing_is_asked_for_where_aws_refused,
    one_machine_tries_where_a_back_off_is_over,
    what_never_connects_starts_one_at_a_time,
)
from tests.refusals import make_backoff
from tests.worlds import Kind, World, worlds
from watch_pending.aws_errors import Meaning, learn
from watch_pending.config_machines import Market
from watch_pending.demand import names_in_use, own_instances
from watch_pending.ledger import price_of
from watch_pending.models import Launch, Machine, Outcome, Plan, Status
from watch_pending.spot import BID_SHARE
from watch_pending.waves import settle, with_outcomes

# It counts as launched, and disproves no back-off, which would let more through.
UNPROVEN = Status.UNKNOWN
FATES = (*Status, *Meaning)
MOST_WAVES = 4  # with failures; what is planned after them goes well


# Promises of a single plan


def no_demand_gets_more_than_it_needs(_: World, plan: Plan) -> None:
    assert all(0 <= item.unmet <= item.need <= item.demand.pending for item in plan.demands)


def live(world: World) -> list[Machine]:
    return [*own_instances(world.snapshot), *world.snapshot.open_launches]


def limits_of(world: World, market: Market, scope: str) -> Any:
    section = world.config.spot if market is Market.SPOT else world.config.on_demand
    return section.limits.get(scope, {})


def no_global_limit_is_passed(world: World, plan: Plan) -> None:
    running = Counter((m.market, m.instance_type) for m in live(world))
    wanted = Counter((launch.offer.market, launch.instance_type) for launch in plan.launches)
    for (market, name), count in wanted.items():
        limit = limits_of(world, market, "global").get(name, 0)
        assert running[market, name] + count <= limit


def no_regions_limit_is_passed(world: World, plan: Plan) -> None:
    running = Counter((m.market, m.instance_type, m.region) for m in live(world))
    wanted = Counter((x.offer.market, x.instance_type, x.offer.region) for x in plan.launches)
    for (market, name, region), count in wanted.items():
        absent = 0 if market is Market.SPOT else math.inf
        limit = limits_of(world, market, region).get(name, absent)
        assert running[market, name, region] + count <= limit


def no_run_launches_more_than_its_limit(world: World, plan: Plan) -> None:
    most = world.config.max_launches_per_run
    assert most is None or len(plan.launches) <= most


def no_more_money_is_spent_than_allowed(world: World, plan: Plan) -> None:
    if world.config.max_usd_per_hour is not None and plan.launches:
        prices = [price_of(machine, world.snapshot, world.config) for machine in live(world)]
        prices += [launch.offer.price_usd_per_hour for launch in plan.launches]
        assert None not in prices
        assert math.fsum(filter(None, prices)) <= world.config.max_usd_per_hour + 1e-9


def no_subnet_gives_more_addresses_than_it_has(world: World, plan: Plan) -> None:
    free = Counter({subnet.subnet_id: subnet.free_addresses for subnet in world.snapshot.subnets})
    free.subtract(launch.subnet for launch in world.snapshot.open_launches)
    wanted = Counter(launch.subnet for launch in plan.launches)
    assert all(wanted[subnet] <= free[subnet] for subnet in wanted)


def no_name_is_given_twice_or_while_in_use(world: World, plan: Plan) -> None:
    names = [launch.name for launch in plan.launches]
    assert len(names) == len({*names} - names_in_use(world.snapshot))


def a_jacuzzi_and_the_rest_keep_to_their_own_names(world: World, plan: Plan) -> None:
    allocated = {name for workers in world.config.jacuzzis.values() for name in workers}
    for item in plan.demands:
        names = {launch.name for launch in item.launches}
        own = item.demand.workers
        assert names.isdisjoint(allocated) if own is None else names <= own


def every_launch_is_where_its_type_may_be(world: World, plan: Plan) -> None:
    zones = {subnet.subnet_id: subnet.availability_zone for subnet in world.snapshot.subnets}
    for launch in plan.launches:
        region = launch.offer.region
        assert (
            launch.subnet
            in world.config.instance_types[launch.instance_type].regions[region].subnets
        )
        assert zones[launch.subnet] == launch.offer.availability_zone
        assert region not in world.snapshot.lost_regions


def every_spot_launch_follows_a_rule(world: World, plan: Plan) -> None:
    for launch in plan.launches:
        if launch.offer.market is Market.SPOT:
            rules = world.config.spot.rules[launch.instance_type]
            assert any(
                rule.ec2_type == launch.offer.ec2_type
                and rule.max_price_usd_per_hour == launch.offer.max_price_usd_per_hour
                and launch.offer.availability_zone not in rule.ignored_azs
                for rule in rules
            )
            assert launch.offer.price_usd_per_hour is not None
            assert launch.offer.max_price_usd_per_hour is not None
            most = BID_SHARE * launch.offer.max_price_usd_per_hour + 1e-9
            assert launch.offer.price_usd_per_hour <= most


def every_unmet_machine_has_a_cut_with_a_reason(_: World, plan: Plan) -> None:
    for item in plan.demands:
        assert item.unmet == 0 or item.cuts
        assert all(cut.reason and 0 <= cut.after < cut.before <= item.need for cut in item.cuts)


def every_request_is_in_a_demand_or_unmatched(world: World, plan: Plan) -> None:
    waiting = sum(item.requests for item in world.snapshot.pending)
    matched = sum(item.demand.pending for item in plan.demands)
    assert matched + sum(plan.unmatched.values()) == waiting


PROMISES = [
    no_demand_gets_more_than_it_needs,
    no_global_limit_is_passed,
    no_regions_limit_is_passed,
    no_run_launches_more_than_its_limit,
    no_more_money_is_spent_than_allowed,
    no_subnet_gives_more_addresses_than_it_has,
    no_name_is_given_twice_or_while_in_use,
    a_jacuzzi_and_the_rest_keep_to_their_own_names,
    every_launch_is_where_its_type_may_be,
    every_spot_launch_follows_a_rule,
    every_unmet_machine_has_a_cut_with_a_reason,
    every_request_is_in_a_demand_or_unmatched,
    nothing_is_asked_for_where_aws_refused,
    what_never_connects_starts_one_at_a_time,
]


@given(worlds())
def test_a_plan_keeps_every_promise(world: World) -> None:
    plan = world.plan()
    for promise in (*PROMISES, one_machine_tries_where_a_back_off_is_over):
        promise(world, plan)


@given(worlds())
def test_what_aws_refused_elsewhere_changes_nothing(world: World) -> None:
    elsewhere = make_backoff(launch=make_launch(offer=make_offer(ec2_type="u-24tb1.metal")))
    snapshot = replace(world.snapshot, backoffs=(elsewhere, *world.snapshot.backoffs))
    assert world.plan(snapshot) == world.plan()


@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_what_was_read_does_not_matter(world: World, random: Random) -> None:
    def shuffle(read: tuple[Kind, ...]) -> tuple[Kind, ...]:
        return tuple(random.sample(read, len(read)))

    snapshot = world.snapshot
    workers = None if snapshot.workers is None else dict(shuffle(tuple(snapshot.workers.items())))
    other = replace(
        snapshot,
        workers=workers,
        pending=shuffle(snapshot.pending),
        inventory=shuffle(snapshot.inventory),
        instances=shuffle(snapshot.instances),
        open_launches=shuffle(snapshot.open_launches),
        spot_prices=shuffle(snapshot.spot_prices),
        subnets=shuffle(snapshot.subnets),
        images=shuffle(snapshot.images),
        backoffs=shuffle(snapshot.backoffs),
        bootstraps=shuffle(snapshot.bootstraps),
    )
    assert world.plan(other) == world.plan()


# Planning again


def count_launches(plan: Plan) -> Counter[Any]:
    return Counter({item.demand.key: len(item.launches) for item in plan.demands})


def names_of(launches: Iterable[Launch]) -> list[str]:
    return [launch.name for launch in launches]


@given(worlds(overlapping=False))
def test_planning_after_a_full_apply_is_empty(world: World) -> None:
    after = with_outcomes(world.snapshot, make_outcomes(world.plan().launches, UNPROVEN))
    assert world.plan(after).launches == ()


# A rest may be split otherwise over the regions than the whole was, so that another type finds
# fewer addresses in one of them: there, or with one region, there are enough.
ONE_REGION_OR_ENOUGH = worlds(overlapping=False, west=[0]) | worlds(
    overlapping=False, free=[0, 100]
)


@given(ONE_REGION_OR_ENOUGH)
def test_planning_after_any_prefix_plans_the_rest(world: World) -> None:
    whole = world.plan()
    for end in range(len(whole.launches)):
        done = whole.launches[:end]
        rest = world.plan(with_outcomes(world.snapshot, make_outcomes(done, UNPROVEN)))
        of_done = Counter(
            item.demand.key for item in whole.demands for x in item.launches if x in done
        )
        assert of_done + count_launches(rest) == +count_launches(whole)
        assert len({*names_of(done), *names_of(rest.launches)}) == len(whole.launches)


def meet_fate(launch: Launch, fate: Status | Meaning) -> Outcome:
    if isinstance(fate, Status):
        return make_outcome(launch, fate)
    return make_outcome(launch, Status.FAILED, exhausted=learn(fate, launch, "no luck"))


def run_with_failures(world: World, random: Random) -> Plan:
    """Plan, let some launches fail, and plan again until nothing is left; return the sum."""
    snapshot, outcomes = world.snapshot, list[Outcome]()
    plans = [world.plan()]
    while plans[-1].launches:
        fates = FATES if len(plans) <= MOST_WAVES else (Status.LAUNCHED,)
        wave = [meet_fate(launch, random.choice(fates)) for launch in plans[-1].launches]
        outcomes += wave
        snapshot = with_outcomes(snapshot, wave)
        plans.append(world.plan(snapshot))
        one_machine_tries_where_a_back_off_is_over(replace(world, snapshot=snapshot), plans[-1])
    return settle(plans, outcomes)


@given(worlds(overlapping=False), st.randoms(use_true_random=False))
def test_a_run_with_failures_keeps_every_promise(world: World, random: Random) -> None:
    plan = run_with_failures(world, random)
    for promise in PROMISES:
        promise(world, plan)


@given(worlds(), st.randoms(use_true_random=False))
def test_overlapping_jacuzzis_never_start_more_than_is_needed_in_all(
    world: World, random: Random
) -> None:
    need = sum(item.need for item in world.plan().demands)
    plan = run_with_failures(world, random)
    assert len(plan.launches) <= need
    no_name_is_given_twice_or_while_in_use(world, plan)
