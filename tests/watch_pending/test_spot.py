"""Where a machine could be launched on the spot market, best first."""

from typing import Any

import pytest

from tests.builders import (
    EAST,
    EC2_TYPE,
    REGIONS,
    WEST,
    make_config,
    make_image,
    make_instance_type,
    make_price,
    make_rule,
    make_snapshot,
    make_spot,
    make_subnet,
)
from tests.plans import make_exhausted, make_launch, make_offer
from watch_pending.config_machines import Market, SpotRule
from watch_pending.models import Exhausted, Offer, Snapshot, SpotPrice
from watch_pending.spot import Offers, rank_spot_offers, rules_out, same_product


def rank(snapshot: Snapshot | None = None, *rules: SpotRule, **config: Any) -> Offers:
    config = {"spot": make_spot(rules=rules), **config}
    return rank_spot_offers("bld", make_config(**config), snapshot or make_snapshot(), REGIONS)


def ranked(*prices: SpotPrice, rules: tuple[SpotRule, ...] = (), **config: Any) -> list[str]:
    """Zones and EC2 types, best first, at these prices."""
    offers = rank(make_snapshot(spot_prices=prices), *rules, **config).ranked
    return [f"{offer.availability_zone} {offer.ec2_type}" for offer in offers]


def zones(offers: Offers) -> list[str]:
    return [offer.availability_zone for offer in offers.ranked]


# Ranking


def test_an_offer_says_all_that_a_launch_needs() -> None:
    assert rank(make_snapshot(spot_prices=(make_price(0.12),))).ranked == (
        Offer(
            market=Market.SPOT,
            region=EAST,
            availability_zone="us-east-1a",
            ec2_type=EC2_TYPE,
            ami="ami-bld",
            price_usd_per_hour=0.12,
            max_price_usd_per_hour=0.5,
        ),
    )


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        pytest.param(
            [make_price(0.2), make_price(0.1, "us-east-1b")],
            ["us-east-1b c7i.xlarge", "us-east-1a c7i.xlarge"],
            id="cheaper zone first",
        ),
        pytest.param(
            [make_price(0.2), make_price(0.1, "us-west-2a")],
            ["us-west-2a c7i.xlarge", "us-east-1a c7i.xlarge"],
            id="over all regions together, whatever their priority",
        ),
        pytest.param(
            [make_price(0.1), make_price(0.19, ec2_type="m7i.2xlarge")],
            ["us-east-1a m7i.2xlarge", "us-east-1a c7i.xlarge"],
            id="twice the work at less than twice the price",
        ),
        pytest.param(
            [make_price(0.1), make_price(0.21, ec2_type="m7i.2xlarge")],
            ["us-east-1a c7i.xlarge", "us-east-1a m7i.2xlarge"],
            id="twice the work at more than twice the price",
        ),
    ],
)
def test_offers_are_ranked_by_price_for_the_work_done(
    prices: list[SpotPrice], expected: list[str]
) -> None:
    rules = (make_rule(), make_rule(ec2_type="m7i.2xlarge", performance_constant=2.0))
    assert ranked(*prices, rules=rules) == expected


def test_a_tie_goes_to_the_region_of_higher_priority() -> None:
    prices = [make_price(zone="us-east-1a"), make_price(zone="us-west-2a")]
    assert ranked(*prices, region_priorities={EAST: 1, WEST: 2})[0] == "us-west-2a c7i.xlarge"


def test_a_tie_goes_then_to_the_first_zone() -> None:
    prices = [make_price(zone="us-east-1b"), make_price(zone="us-east-1a")]
    assert ranked(*prices)[0] == "us-east-1a c7i.xlarge"


def test_a_tie_goes_then_to_the_first_rule() -> None:
    rules = (make_rule(ec2_type="z1.large"), make_rule(ec2_type="a1.large"))
    prices = [make_price(ec2_type="a1.large"), make_price(ec2_type="z1.large")]
    assert ranked(*prices, rules=rules)[0] == "us-east-1a z1.large"


def test_a_region_of_priority_0_still_sells_spot() -> None:
    assert len(ranked(make_price(), region_priorities={EAST: 0, WEST: 0})) == 1


def test_only_the_regions_asked_for_are_ranked() -> None:
    offers = rank_spot_offers("bld", make_config(), make_snapshot(), [WEST])
    assert zones(offers) == ["us-west-2a", "us-west-2b"]


# Prices


@pytest.mark.parametrize("max_usd", [0.05, 0.1, 0.15, 0.25, 0.35, 0.45, 0.7, 1.1, 1.35, 6.95])
def test_a_price_of_exactly_80_percent_is_taken(max_usd: float) -> None:
    price = float(f"{max_usd * 0.8:.6f}")  # as EC2 writes it
    assert ranked(make_price(price), rules=(make_rule(max_usd),))


@pytest.mark.parametrize("max_usd", [0.05, 0.1, 0.15, 0.25, 0.35, 0.45, 0.7, 1.1, 1.35, 6.95])
def test_a_price_above_80_percent_is_not(max_usd: float) -> None:
    price = float(f"{max_usd * 0.8 + 0.0001:.6f}")
    assert not ranked(make_price(price), rules=(make_rule(max_usd),))


def test_each_rule_has_its_own_highest_price() -> None:
    rules = (make_rule(0.1), make_rule(0.2, ec2_type="m7i.xlarge"))
    prices = [make_price(0.15), make_price(0.15, ec2_type="m7i.xlarge")]
    assert ranked(*prices, rules=rules) == ["us-east-1a m7i.xlarge"]


@pytest.mark.parametrize(
    ("product", "wanted", "same"),
    [
        ("Linux/UNIX", "Linux/UNIX", True),
        ("Linux/UNIX (Amazon VPC)", "Linux/UNIX", True),
        ("Windows", "Linux/UNIX", False),
        ("Windows (Amazon VPC)", "Windows", True),
        ("Linux/UNIX", "Linux/UNIX (Amazon VPC)", False),
    ],
)
def test_a_price_is_for_a_product(product: str, wanted: str, same: bool) -> None:
    assert same_product(make_price(product=product), wanted) is same


def test_windows_is_not_priced_as_linux() -> None:
    windows = make_instance_type(product="Windows")
    prices = [make_price(0.1), make_price(0.3, product="Windows")]
    offers = rank(make_snapshot(spot_prices=tuple(prices)), instance_types={"bld": windows}).ranked
    assert [offer.price_usd_per_hour for offer in offers] == [0.3]


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_prices_of_one_product_the_higher_counts(order: int) -> None:
    prices = (make_price(0.1), make_price(0.2, product="Linux/UNIX (Amazon VPC)"))[::order]
    offers = rank(make_snapshot(spot_prices=prices)).ranked
    assert [offer.price_usd_per_hour for offer in offers] == [0.2]


# Rejected offers say why


@pytest.mark.parametrize(
    ("snapshot", "rule", "reason"),
    [
        pytest.param(
            {"spot_prices": ()}, {}, "c7i.xlarge in us-east-1a: no spot price", id="no price"
        ),
        pytest.param(
            {},
            {"max_price_usd_per_hour": 0.11},
            "c7i.xlarge in us-east-1a: 0.1000 USD/h is above 80 % of the 0.1100 we would pay",
            id="too dear",
        ),
        pytest.param(
            {},
            {"ignored_azs": ("us-east-1a",)},
            "c7i.xlarge in us-east-1a: the zone is ignored",
            id="ignored zone",
        ),
        pytest.param(
            {"exhausted": (make_exhausted("sold out", availability_zone="us-east-1a"),)},
            {},
            "c7i.xlarge in us-east-1a: sold out",
            id="exhausted",
        ),
        pytest.param({"subnets": ()}, {}, "us-east-1: none of its subnets exists", id="subnets"),
        pytest.param(
            {"images": ()},
            {},
            "us-east-1: an AMI of ours tagged moz-type=bld does not exist or is not available",
            id="image",
        ),
        pytest.param(
            {"lost_regions": {EAST: "it did not answer"}},
            {},
            "us-east-1: it did not answer",
            id="lost region",
        ),
    ],
)
def test_a_rejected_offer_says_why(
    snapshot: dict[str, Any], rule: dict[str, Any], reason: str
) -> None:
    assert reason in rank(make_snapshot(**snapshot), make_rule(**rule)).rejected


def test_an_ignored_zone_is_ignored_by_its_rule_alone() -> None:
    rules = (make_rule(ignored_azs=("us-east-1a",)), make_rule(ec2_type="m7i.xlarge"))
    prices = [make_price(), make_price(ec2_type="m7i.xlarge")]
    assert ranked(*prices, rules=rules) == ["us-east-1a m7i.xlarge"]


def test_an_ignored_zone_leaves_the_others() -> None:
    assert zones(rank(None, make_rule(ignored_azs=("us-east-1a", "us-west-2a")))) == [
        "us-east-1b",
        "us-west-2b",
    ]


def test_a_region_without_settings_is_rejected() -> None:
    east_only = {"bld": make_instance_type(regions=[EAST])}
    assert rank(instance_types=east_only).rejected == ("us-west-2: bld has no settings for it",)


def test_a_lost_region_leaves_the_other() -> None:
    snapshot = make_snapshot(lost_regions={EAST: "it did not answer"})
    assert zones(rank(snapshot)) == ["us-west-2a", "us-west-2b"]


def test_an_ami_missing_in_one_region_leaves_the_other() -> None:
    assert zones(rank(make_snapshot(images=(make_image(),)))) == ["us-east-1a", "us-east-1b"]


def test_only_zones_with_a_subnet_of_the_type_are_offered() -> None:
    subnets = (make_subnet("us-east-1a"), make_subnet("us-east-1b", subnet_id="another"))
    assert zones(rank(make_snapshot(subnets=subnets))) == ["us-east-1a"]


# What a run has learned


@pytest.mark.parametrize(
    ("exhausted", "out"),
    [
        pytest.param(make_exhausted(), True, id="anything"),
        pytest.param(make_exhausted(region=EAST), True, id="the region"),
        pytest.param(make_exhausted(region=WEST), False, id="another region"),
        pytest.param(make_exhausted(market=Market.SPOT), True, id="the market"),
        pytest.param(make_exhausted(market=Market.ON_DEMAND), False, id="the other market"),
        pytest.param(make_exhausted(availability_zone="us-east-1a"), True, id="the zone"),
        pytest.param(make_exhausted(availability_zone="us-east-1b"), False, id="another zone"),
        pytest.param(make_exhausted(ec2_type=EC2_TYPE), True, id="the EC2 type"),
        pytest.param(make_exhausted(ec2_type="m7i.xlarge"), False, id="another EC2 type"),
        pytest.param(make_exhausted(instance_type="bld"), True, id="the instance type"),
        pytest.param(make_exhausted(instance_type="win"), False, id="another instance type"),
        pytest.param(make_exhausted(subnet="subnet-us-east-1a"), True, id="the subnet"),
        pytest.param(make_exhausted(subnet="subnet-x"), False, id="another subnet"),
        pytest.param(
            make_exhausted(region=EAST, ec2_type="m7i.xlarge"), False, id="all that is named counts"
        ),
    ],
)
def test_what_was_learned_rules_out_the_launches_it_names(exhausted: Exhausted, out: bool) -> None:
    assert rules_out(exhausted, make_launch()) is out


def test_a_full_subnet_says_nothing_against_its_zone() -> None:
    snapshot = make_snapshot(exhausted=(make_exhausted(subnet="subnet-us-east-1a"),))
    assert make_offer().availability_zone in zones(rank(snapshot))
