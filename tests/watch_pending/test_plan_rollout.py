"""A plan gives the latest AMI to its share of the machines, whatever else cuts them."""

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import HOUR, NOW, REGIONS, make_image, make_instances, make_on_demand, make_spot
from tests.plans import make_outcomes, plan_for
from tests.worlds import TYPES, World, worlds
from watch_pending.demand import own_instances
from watch_pending.models import Plan
from watch_pending.report import launches_to_json
from watch_pending.rollout import split_launches
from watch_pending.waves import with_outcomes

LATEST, PREVIOUS = "ami-bld", "ami-old"
BOTH = tuple(
    image
    for region in REGIONS
    for image in (
        make_image(LATEST, region),
        make_image(PREVIOUS, region, created=NOW - 2 * HOUR),
    )
)


def amis(plan: Plan) -> dict[str, int]:
    return dict(Counter(launch.offer.ami for launch in plan.launches))


def test_the_latest_goes_to_its_share() -> None:
    plan = plan_for(10, {"images": BOTH}, latest_ami_percentage=30)
    assert amis(plan) == {LATEST: 3, PREVIOUS: 7}


def test_what_runs_counts() -> None:
    snapshot = {"images": BOTH, "instances": make_instances(10, ami=PREVIOUS)}
    plan = plan_for(2, snapshot, latest_ami_percentage=10)
    assert amis(plan) == {LATEST: 1, PREVIOUS: 1}


def test_both_markets_count_together() -> None:
    plan = plan_for(
        10,
        {"images": BOTH},
        latest_ami_percentage=50,
        spot=make_spot(us_east_1=5, us_west_2=0),
        on_demand=make_on_demand(),
        region_priorities={"us-east-1": 1, "us-west-2": 0},
    )
    assert amis(plan) == {LATEST: 5, PREVIOUS: 5}


def test_both_amis_are_shown_apart() -> None:
    plan = plan_for(4, {"images": BOTH}, latest_ami_percentage=50)
    shown = [(each["ami"], len(each["names"])) for each in launches_to_json(plan.launches)]
    assert sorted(shown) == [(LATEST, 2), (PREVIOUS, 2)]


@st.composite
def rollouts(draw: st.DrawFn) -> World:
    """A world in which each type has a latest and a previous AMI."""
    world = draw(worlds())
    older = tuple(
        make_image(f"ami-{name}-old", region, instance_type=name, created=NOW - 2 * HOUR)
        for name in TYPES
        for region in REGIONS
    )
    config = replace(world.config, latest_ami_percentage=draw(st.integers(0, 100)))
    snapshot = replace(world.snapshot, images=(*world.snapshot.images, *older))
    return World(config=config, snapshot=snapshot)


def check_shares(world: World, plan: Plan) -> None:
    images = {(image.region, image.ami) for image in world.snapshot.images}
    machines = [*own_instances(world.snapshot), *world.snapshot.open_launches]
    running = Counter((each.instance_type, each.region, each.ami) for each in machines)
    planned = Counter((x.instance_type, x.offer.region, x.offer.ami) for x in plan.launches)
    for name in TYPES:
        for region in REGIONS:
            new, old = (name, region, f"ami-{name}"), (name, region, f"ami-{name}-old")
            if (region, f"ami-{name}") in images:
                count = planned[new] + planned[old]
                shares = split_launches(
                    world.config.latest_ami_percentage, running[new], running[old], count
                )
                assert (planned[old], planned[new]) == shares


@given(rollouts())
def test_the_shares_are_kept_under_any_limits(world: World) -> None:
    check_shares(world, world.plan())


@given(rollouts(), st.integers(0, 8))
def test_the_shares_are_kept_when_a_part_was_applied(world: World, applied: int) -> None:
    done = make_outcomes(world.plan().launches[:applied])
    rest = World(config=world.config, snapshot=with_outcomes(world.snapshot, done))
    check_shares(rest, rest.plan())
