"""Spot prices of the EC2 stand-in, asked by real boto3 over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from tests import ec2_control
from tests.ec2_client import EAST, error_of, launch, make_client, price

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC)


def test_region_has_only_seeded_prices_once_one_is_seeded(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    ec2.seed_prices([price(0.031), price(0.5, ec2_type="c5.xlarge"), price(0.1, product="Windows")])
    answer = client.describe_spot_price_history(
        InstanceTypes=["c5.large"], ProductDescriptions=["Linux/UNIX"], StartTime=datetime.now(UTC)
    )
    [entry] = answer["SpotPriceHistory"]
    assert (entry["AvailabilityZone"], entry["SpotPrice"]) == ("us-east-1a", "0.031000")
    elsewhere = make_client(ec2, "us-west-2").describe_spot_price_history(
        InstanceTypes=["c5.large"]
    )
    assert len(elsewhere["SpotPriceHistory"]) > 1


def test_start_time_yields_the_price_holding_then_and_later_ones(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    hours = [timedelta(hours=each) for each in (30, 20, 10)]
    ec2.seed_prices([price(0.01 * n, at=NOW - ago) for n, ago in enumerate(hours, start=1)])
    answer = client.describe_spot_price_history(StartTime=NOW - timedelta(hours=15))
    assert [each["SpotPrice"] for each in answer["SpotPriceHistory"]] == ["0.030000", "0.020000"]


def test_prices_are_chosen_by_zone_and_filter(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    ec2.seed_prices([price(0.1), price(0.2, az="us-east-1b")])
    by_zone = client.describe_spot_price_history(AvailabilityZone="us-east-1b")
    by_filter = client.describe_spot_price_history(
        Filters=[{"Name": "availability-zone", "Values": ["us-east-1a"]}]
    )
    assert [each["SpotPrice"] for each in by_zone["SpotPriceHistory"]] == ["0.200000"]
    assert [each["SpotPrice"] for each in by_filter["SpotPriceHistory"]] == ["0.100000"]


def test_prices_come_in_pages(ec2: ec2_control.Ec2Server, client: EC2Client) -> None:
    ec2.seed_prices([price(0.1, ec2_type=f"c5.{n}xlarge") for n in range(12)])
    pages = client.get_paginator("describe_spot_price_history").paginate(
        PaginationConfig={"PageSize": 5}
    )
    assert [len(page["SpotPriceHistory"]) for page in pages] == [5, 5, 2]


def test_spot_max_price_below_the_current_price_is_too_low(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    subnet = ec2.add_subnet(EAST, "us-east-1b")
    ec2.seed_prices([price(0.01), price(0.04, az="us-east-1b")])

    def bid(usd: str) -> list[str]:
        options = {"MarketType": "spot", "SpotOptions": {"MaxPrice": usd}}
        return launch(ec2, client, SubnetId=subnet, InstanceMarketOptions=options)

    with pytest.raises(ClientError) as raised:
        bid("0.03")
    assert error_of(raised) == ("SpotMaxPriceTooLow", 400)
    assert len(bid("0.05")) == 1
