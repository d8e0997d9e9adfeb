"""Worlds to draw from: all that a plan is made of.

A world is a configuration and a snapshot. Worlds are small, so that limits, names, addresses and
money run out. What is drawn is mostly one number for one thing (`any_of`): it is ten times faster.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any, TypeVar

from hypothesis import strategies as st

from tests.builders import (
    EAST,
    NOW,
    REGIONS,
    WEST,
    make_config,
    make_image,
    make_instance,
    make_instance_type,
    make_inventory,
    make_open_launch,
    make_pending,
    make_place,
    make_price,
    make_rule,
    make_snapshot,
    make_subnet,
    make_worker,
    region_of,
)
from tests.plans import make_launch, make_offer, make_plan
from tests.refusals import make_backoff, make_failures
from watch_pending.aws_errors import Meaning
from watch_pending.config import WatchPending
from watch_pending.config_machines import FROM_INVENTORY, Market, OnDemand, Spot
from watch_pending.models import Plan, Snapshot

TYPES = ("bld", "try")
ZONES = ("us-east-1a", "us-east-1b", "us-west-2a")
EC2_TYPES = ("c7i.xlarge", "m7i.xlarge")
SUBNETS = tuple((zone, f"{zone}-{number}") for zone in ZONES for number in (1, 2))
NAMES = {name: tuple(f"{name}-{number:03d}" for number in range(1, 9)) for name in TYPES}
ALL_NAMES = NAMES["bld"] + NAMES["try"]
BUILDERS = ("Linux a", "Linux b", "Linux c", "Try a", "Try b", "Mac")
AGES = tuple(timedelta(minutes=minutes) for minutes in (1, 15, 90))
FLAGS = (False, True)
SCOPES = ("global", *REGIONS)
Kind = TypeVar("Kind")


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """What a plan is made of."""

    config: WatchPending
    snapshot: Snapshot

    def plan(self, snapshot: Snapshot | None = None) -> Plan:
        return make_plan(snapshot or self.snapshot, self.config)


# Strategies


def any_of(make: Callable[..., Kind], **options: Sequence[Any]) -> st.SearchStrategy[Kind]:
    """Make a thing with one of each option, all of them chosen by a single number."""

    def choose(seed: int) -> Kind:
        random = Random(seed)
        return make(**{key: random.choice(values) for key, values in options.items()})

    return st.integers(0, 2**16).map(choose)


def some(
    strategy: st.SearchStrategy[Kind],
    least: int,
    most: int,
    unique_by: Callable[[Kind], Any] | None = None,
) -> st.SearchStrategy[tuple[Kind, ...]]:
    made = st.lists(strategy, min_size=least, max_size=most, unique_by=unique_by)
    return made.map(tuple)


def where(zone: str) -> dict[str, Any]:
    return {"region": region_of(zone), "availability_zone": zone, "subnet": f"{zone}-1"}


PENDING = any_of(
    lambda age, **more: make_pending(oldest=NOW - age, **more),
    builder=BUILDERS,
    requests=(1, 3, 8, 12),
    priority=(-1, 0, 1),
    age=AGES,
)
INSTANCES = any_of(
    lambda zone, number, **more: make_instance(instance_id=f"i-{number}", **where(zone), **more),
    name=ALL_NAMES,
    zone=ZONES,
    number=range(10_000),
    instance_type=TYPES,
    market=tuple(Market),
    ec2_type=(*EC2_TYPES * 6, "x1.mystery"),
    state=(*["running"] * 3, "pending", "stopped", "shutting-down", "terminated"),
    farm=(*["test"] * 3, "staging", None),
    age=AGES,
    seen=(None, *AGES),
)
OPEN_LAUNCHES = any_of(
    lambda zone, **more: make_open_launch(**where(zone), **more),
    name=ALL_NAMES,
    zone=ZONES,
    instance_type=TYPES,
    market=tuple(Market),
    ec2_type=EC2_TYPES,
)
WORKERS = any_of(
    make_worker, name=ALL_NAMES, connected=FLAGS, building=FLAGS, paused=FLAGS, graceful=FLAGS
)
INVENTORY = any_of(
    lambda name, **more: make_inventory(name, **more)[0],
    name=ALL_NAMES,
    instance_type=TYPES,
    market=(None, *Market),
    enabled=(True, True, True, False),
)
SPOT_PRICES = any_of(
    make_price,
    usd_per_hour=(0.01, 0.1, 0.35, 0.8),
    zone=ZONES,
    ec2_type=EC2_TYPES,
    product=("Linux/UNIX", "Linux/UNIX", "Linux/UNIX (Amazon VPC)", "Windows"),
)
RULES = any_of(
    make_rule,
    max_usd=(0.4375, 1.0, 1.0),
    ec2_type=EC2_TYPES,
    performance_constant=(1.0, 1.5),
    ignored_azs=((), ("us-east-1a",)),
)


BACKOFFS = any_of(
    lambda meaning, name, zone, is_over, **offer: make_backoff(
        meaning,
        make_launch(offer=make_offer(zone, **offer), instance_type=name, subnet=f"{zone}-1"),
        is_over=is_over,
    ),
    meaning=(*[Meaning.NO_CAPACITY] * 4, Meaning.SUBNET_FULL, Meaning.QUOTA, Meaning.BAD_SETTINGS),
    name=TYPES,
    zone=ZONES,
    market=tuple(Market),
    ec2_type=EC2_TYPES,
    is_over=FLAGS,
)
FAILURES = any_of(
    make_failures, count=(4, 5, 5), ami=(None, "ami-bld", "ami-try"), instance_type=TYPES
)


def make_limits(**numbers: int | None) -> dict[str, dict[str, int]]:
    """`bld_us-east-1=3` and so on → scope → type → limit."""
    return {
        scope: {name: most for name in TYPES if (most := numbers[f"{name}_{scope}"]) is not None}
        for scope in SCOPES
    }


def limits(*choices: int | None) -> st.SearchStrategy[dict[str, dict[str, int]]]:
    return any_of(make_limits, **{f"{name}_{scope}": choices for name in TYPES for scope in SCOPES})


LIMITS = limits(20) | limits(None, 0, 2, 5, 20, 20, 20, 20)


def places(region: str) -> st.SearchStrategy[Any]:
    a, b = (subnet for zone, subnet in SUBNETS if zone == f"{region}a")
    rest = tuple(subnet for zone, subnet in SUBNETS if zone == "us-east-1b" and region == EAST)
    chosen = ((a,), (a, b), (b, a, b), (a, *rest), (a, b, *rest))
    return any_of(
        lambda **changes: make_place(region, **changes), subnets=chosen, ec2_type=(*EC2_TYPES, None)
    )


def jacuzzis(*, overlapping: bool) -> st.SearchStrategy[dict[str, tuple[str, ...]]]:
    """Builder → workers. Two that do not overlap have all of their workers in common, or none."""
    groups = [(), *(NAMES[name][start : start + 3] for name in TYPES for start in (0, 3))]
    sets = some(st.sampled_from(ALL_NAMES), 0, 5) if overlapping else st.sampled_from(groups)
    return st.dictionaries(st.sampled_from(BUILDERS), sets, max_size=3)


@st.composite
def configs(draw: st.DrawFn, /, *, overlapping: bool, west: Sequence[int]) -> WatchPending:
    instance_types = {
        name: replace(
            make_instance_type(draw(st.sampled_from([FROM_INVENTORY, *[f"{name}-%03d"] * 3]))),
            regions={region: draw(places(region)) for region in REGIONS},
        )
        for name in TYPES
    }
    return replace(
        draw(
            any_of(
                lambda east, west, **more: make_config(
                    region_priorities={EAST: east, WEST: west}, **more
                ),
                east=range(4),
                west=west,
                usd_per_hour=({}, dict.fromkeys(EC2_TYPES, 0.3)),
                max_launches_per_run=(None, None, None, None, 0, 1, 5, 12),
                max_usd_per_hour=(None, None, None, 0.3, 1.0, 5.0),
                original_freshness=FLAGS,
            )
        ),
        buildermap={"Linux": "bld", "Try": "try"},
        instance_types=instance_types,
        spot=Spot(
            rules={name: draw(some(RULES, 1, 3)) for name in TYPES},
            limits=draw(LIMITS),
        ),
        on_demand=OnDemand(limits=draw(LIMITS)),
        jacuzzis=draw(jacuzzis(overlapping=overlapping)),
    )


@st.composite
def worlds(
    draw: st.DrawFn,
    /,
    *,
    overlapping: bool = True,
    free: Sequence[int] = (0, 1, 3, 50, 50, 50),
    west: Sequence[int] = range(4),
) -> World:
    """Draw a world; no launch is both open and seen, and names are unique in each database.

    `free` are the choices for a subnet's addresses, `west` for a region's priority on demand.
    """
    instances = draw(some(INSTANCES, 0, 8, unique_by=lambda each: each.instance_id))
    seen = {instance.name for instance in instances}
    unseen = draw(some(OPEN_LAUNCHES, 0, 3, unique_by=lambda each: each.name))
    workers = draw(st.none() | some(WORKERS, 0, 8))
    subnets = draw(
        any_of(
            lambda **each: tuple(make_subnet(zone, each[name], name) for zone, name in SUBNETS),
            **{name: free for _, name in SUBNETS},
        )
    )
    images = [make_image(f"ami-{t}", region, instance_type=t) for t in TYPES for region in REGIONS]
    missing = draw(st.sampled_from([*[None] * 8, *images]))
    lost = draw(st.sampled_from([*[{}] * 7, {EAST: "it did not answer"}]))
    return World(
        config=draw(configs(overlapping=overlapping, west=west)),
        snapshot=make_snapshot(
            *draw(some(PENDING, 2, 5)),
            workers=None if workers is None else {worker.name: worker for worker in workers},
            inventory=draw(some(INVENTORY, 4, 12, unique_by=lambda each: each.name)),
            instances=instances,
            open_launches=tuple(launch for launch in unseen if launch.name not in seen),
            spot_prices=draw(some(SPOT_PRICES, 5, 15)),
            subnets=subnets,
            images=tuple(image for image in images if image != missing),
            lost_regions=lost,
            backoffs=draw(some(BACKOFFS, 0, 6, unique_by=lambda each: each.scope)),
            bootstraps=draw(some(FAILURES, 0, 2, unique_by=lambda f: (f.instance_type, f.ami))),
        ),
    )
