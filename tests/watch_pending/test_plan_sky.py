"""Run after run against a cloud that lags and fails, with runs that are killed: no limit passed."""

import math
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.promises import (
    nothing_is_asked_for_where_aws_refused,
    one_machine_tries_where_a_back_off_is_over,
)
from tests.sky import Sky
from tests.worlds import World, worlds
from watch_pending.config_machines import Market
from watch_pending.demand import own_instances
from watch_pending.models import Machine

RUNS = 5


def all_machines(sky: Sky) -> list[Machine]:
    """What really lives, whether it shows or not."""
    snapshot = sky.world.snapshot
    there = [instance for instance, _ in sky.exist.values()]
    return [*own_instances(snapshot), *snapshot.open_launches, *there]


def no_limit_is_passed(world: World, before: Counter[str], machines: list[Machine]) -> None:
    """Check every market, type and region; what was above its limit before may stay so."""
    for scope, live in count_by_limit(machines).items():
        assert live <= max(limit_of(world, scope), before[scope]), scope


def count_by_limit(machines: list[Machine]) -> Counter[str]:
    return Counter(
        f"{m.market}/{m.instance_type}/{scope}" for m in machines for scope in ("global", m.region)
    )


def limit_of(world: World, scope: str) -> float:
    market, name, where = scope.split("/")
    section = world.config.spot if market == Market.SPOT else world.config.on_demand
    absent = math.inf if market == Market.ON_DEMAND and where != "global" else 0
    return section.limits.get(where, {}).get(name, absent)


@given(worlds(), st.randoms(use_true_random=False))
def test_no_limit_is_passed_and_no_name_is_given_twice(world: World, random: Random) -> None:
    sky = Sky(world=world, random=random)
    before = count_by_limit(all_machines(sky))
    for _ in range(RUNS):
        planned = sky.run()
        machines = all_machines(sky)
        no_limit_is_passed(world, before, machines)
        names = [instance.name for instance, _ in sky.exist.values()]
        assert len(names) == len(set(names))
        for snapshot, plan in planned:
            nothing_is_asked_for_where_aws_refused(replace(world, snapshot=snapshot), plan)
            one_machine_tries_where_a_back_off_is_over(replace(world, snapshot=snapshot), plan)
        sky.now += timedelta(seconds=random.choice([60, 60, 120, 240]))
