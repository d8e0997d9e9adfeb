"""Where a plan launches: zones, subnets, regions, AMIs, and why not elsewhere."""

from collections import Counter

from tests.builders import (
    EAST,
    WEST,
    make_config,
    make_image,
    make_instances,
    make_pending,
    make_place,
    make_price,
    make_snapshot,
    make_spot,
    make_subnet,
)
from tests.plans import cuts, in_regions, make_exhausted, make_plan, only, plan_for, reasons, zones
from watch_pending.config_machines import InstanceType, Spot
from watch_pending.models import Cut


def test_the_cheapest_offer_is_taken_first() -> None:
    prices = (make_price(0.2), make_price(0.1, "us-west-2b"))
    assert zones(plan_for(3, {"spot_prices": prices})) == {"us-west-2b": 3}


def test_a_zone_without_addresses_leaves_the_next() -> None:
    subnets = (make_subnet("us-east-1a", free=2), make_subnet("us-east-1b"))
    assert zones(plan_for(5, {"subnets": subnets})) == {"us-east-1a": 2, "us-east-1b": 3}


def test_addresses_are_counted_down_over_all_demands() -> None:
    snapshot = make_snapshot(
        make_pending("Linux a", 3), make_pending("Linux b", 3), subnets=(make_subnet(free=4),)
    )
    config = make_config(jacuzzis={"Linux b": ("bld-007", "bld-008", "bld-009")})
    assert len(make_plan(snapshot, config).launches) == 4


def test_no_address_anywhere_is_a_cut() -> None:
    plan = plan_for(5, {"subnets": (make_subnet(free=2),)})
    assert cuts(plan)["addresses"] == (5, 2)


def test_machines_spread_over_the_subnets_of_a_zone() -> None:
    subnets = ("subnet-1", "subnet-2")
    regions = {EAST: make_place(subnets=subnets)}
    made = tuple(make_subnet(free=5, subnet_id=each) for each in subnets)
    types = {"bld": InstanceType(names="bld-%03d", regions=regions)}
    plan = plan_for(4, {"subnets": made}, instance_types=types)
    assert Counter(launch.subnet for launch in plan.launches) == dict.fromkeys(subnets, 2)


def test_only_the_regions_asked_for_are_used() -> None:
    plan = make_plan(make_snapshot(make_pending()), regions=(WEST,))
    assert in_regions(plan) == {WEST: 1}


def test_a_lost_region_leaves_the_other() -> None:
    assert in_regions(plan_for(3, {"lost_regions": {EAST: "silence"}})) == {WEST: 3}


def test_a_lost_region_is_a_reason() -> None:
    plan = make_plan(make_snapshot(make_pending(), lost_regions={EAST: "silence"}), regions=(EAST,))
    assert "us-east-1: silence" in reasons(plan)


def test_machines_of_a_lost_region_count_towards_the_limits() -> None:
    snapshot = {"instances": make_instances(3), "lost_regions": {EAST: "silence"}}
    assert len(plan_for(5, snapshot, spot=make_spot(5)).launches) == 2


def test_an_ami_missing_in_one_region_leaves_the_other() -> None:
    plan = plan_for(3, {"images": (make_image(region=WEST),)})
    assert in_regions(plan) == {WEST: 3}


def test_the_missing_ami_is_told_all_the_same() -> None:
    rejected = only(plan_for(3, {"images": (make_image(region=WEST),)})).rejected
    assert rejected == (
        "us-east-1: an AMI of ours tagged moz-type=bld does not exist or is not available",
    )


def test_a_parameter_that_gives_no_ami_is_told() -> None:
    reference, why = "resolve:ssm:/golden/bld", "the SSM parameter /golden/bld does not exist"
    bld = InstanceType(names="bld-%03d", regions={EAST: make_place(ami=reference)})
    snapshot = {"unresolved": {(EAST, reference): why}}
    plan = plan_for(1, snapshot, instance_types={"bld": bld})
    assert f"us-east-1: {why}" in only(plan).rejected


def test_no_offer_at_all_is_a_cut_with_the_reasons_of_each() -> None:
    plan = make_plan(make_snapshot(make_pending(), spot_prices=()), regions=(EAST,))
    assert only(plan).cuts[0] == Cut(
        by="spot.offers",
        before=1,
        after=0,
        reason="c7i.xlarge in us-east-1a: no spot price; c7i.xlarge in us-east-1b: no spot price",
    )


def test_what_is_cut_by_limits_and_by_offers_names_both() -> None:
    plan = plan_for(5, {"spot_prices": (make_price(),), "subnets": (make_subnet(free=2),)})
    assert {"addresses", "spot.offers"} <= set(cuts(plan))


def test_a_type_without_rules_says_so() -> None:
    plan = plan_for(1, spot=Spot(limits={"global": {"bld": 9}}))
    assert reasons(plan)[0] == "bld has no spot rule"


def test_what_a_run_has_learned_is_not_asked_for_again() -> None:
    exhausted = make_exhausted(availability_zone="us-east-1a")
    assert zones(plan_for(1, {"exhausted": (exhausted,)})) == {"us-east-1b": 1}
