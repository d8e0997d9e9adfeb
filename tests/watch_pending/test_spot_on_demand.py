"""Where a machine could be launched on demand."""

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import (
    EAST,
    EC2_TYPE,
    make_config,
    make_instance_type,
    make_place,
    make_snapshot,
)
from tests.plans import make_exhausted
from watch_pending.config import WatchPending
from watch_pending.models import Snapshot
from watch_pending.spot import Offers, list_on_demand_offers


def zones(offers: Offers) -> list[str]:
    return [offer.availability_zone for offer in offers.ranked]


def on_demand(
    snapshot: Snapshot | None = None, config: WatchPending | None = None, region: str = EAST
) -> Offers:
    return list_on_demand_offers(
        "bld", config or make_config(), snapshot or make_snapshot(), region
    )


def place_config(**changes: Any) -> WatchPending:
    """A configuration with one region, whose place is changed."""
    instance_type = make_instance_type(regions={})
    regions = {EAST: make_place(**changes)}
    return make_config(instance_types={"bld": replace(instance_type, regions=regions)})


def test_on_demand_is_offered_in_each_zone_at_the_list_price() -> None:
    offers = on_demand(config=make_config(usd_per_hour={EC2_TYPE: 0.3})).ranked
    assert [(offer.availability_zone, offer.price_usd_per_hour) for offer in offers] == [
        ("us-east-1a", 0.3),
        ("us-east-1b", 0.3),
    ]


def test_on_demand_needs_no_price() -> None:
    assert on_demand(make_snapshot(spot_prices=())).ranked[0].price_usd_per_hour is None


@pytest.mark.parametrize(
    ("snapshot", "place", "reason"),
    [
        pytest.param({}, {"ec2_type": None}, "bld names no ec2_type for on-demand", id="no type"),
        pytest.param({"subnets": ()}, {}, "none of its subnets exists", id="no subnet"),
        pytest.param({"lost_regions": {EAST: "silence"}}, {}, "silence", id="lost region"),
    ],
)
def test_a_region_that_offers_nothing_on_demand_says_why(
    snapshot: dict[str, Any], place: dict[str, Any], reason: str
) -> None:
    offers = on_demand(make_snapshot(**snapshot), place_config(**place))
    assert offers == Offers(ranked=(), rejected=(f"us-east-1: {reason}",))


def test_what_is_exhausted_on_demand_leaves_the_other_zone() -> None:
    exhausted = make_exhausted("sold out", availability_zone="us-east-1a")
    offers = on_demand(make_snapshot(exhausted=(exhausted,)))
    assert (zones(offers), offers.rejected) == (
        ["us-east-1b"],
        ("c7i.xlarge in us-east-1a: sold out",),
    )


def test_a_named_ami_that_is_missing_is_named_in_the_reason() -> None:
    assert on_demand(config=place_config(ami="ami-gone")).rejected == (
        "us-east-1: ami-gone does not exist or is not available",
    )
