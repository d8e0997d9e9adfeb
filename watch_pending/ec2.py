"""What EC2 shows: instances, spot prices, subnets, AMIs."""

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from watch_pending.aws import calling
from watch_pending.config_machines import Market
from watch_pending.models import Image, Instance, SpotPrice, Subnet
from watch_pending.name_tags import read_identity
from watch_pending.request import FARM_TAG, STATE_TAG, TYPE_TAG

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import FilterTypeDef, ImageTypeDef, InstanceTypeDef

PAGE = 1000
LOAN_TAG = "moz-loaned-to"


def find_instances(client: "EC2Client", region: str) -> tuple[Instance, ...]:
    """List every instance of the account in one region, also terminated ones and other farms'."""
    with calling("DescribeInstances", region):
        pages = client.get_paginator("describe_instances").paginate(
            PaginationConfig={"PageSize": PAGE}
        )
        return tuple(
            read_instance(item, region)
            for page in pages
            for reservation in page["Reservations"]
            for item in reservation["Instances"]
        )


def read_instance(item: "InstanceTypeDef", region: str) -> Instance:
    """Read one instance of an answer."""
    tags = {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])}
    spot = item.get("InstanceLifecycle") == "spot"
    return Instance(
        instance_id=item["InstanceId"],
        **read_identity(tags, item.get("AmiLaunchIndex", 0)),
        instance_type=tags.get(TYPE_TAG, ""),
        market=Market.SPOT if spot else Market.ON_DEMAND,
        region=region,
        availability_zone=item.get("Placement", {}).get("AvailabilityZone", ""),
        subnet=item.get("SubnetId", ""),
        ec2_type=item["InstanceType"],
        ami=item.get("ImageId", ""),
        state=item["State"]["Name"],
        launched_at=item["LaunchTime"].astimezone(UTC),
        farm=tags.get(FARM_TAG),
        moz_state=tags.get(STATE_TAG, ""),
        loaned_to=tags.get(LOAN_TAG, ""),
        virtualization=item.get("VirtualizationType", ""),
        root_device=item.get("RootDeviceType", ""),
        stopped_at=read_stopped_at(item.get("StateTransitionReason", "")),
    )


def read_stopped_at(reason: str) -> datetime | None:
    """Read when an instance was stopped, from its StateTransitionReason; often it does not say.

    >>> read_stopped_at("User initiated (2026-01-02 03:04:05 GMT)")
    datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    >>> read_stopped_at("Server.SpotInstanceTermination")
    """
    said = re.search(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?:GMT|UTC)\)", reason)
    with suppress(ValueError):
        return datetime.fromisoformat(said[1]).replace(tzinfo=UTC) if said else None
    return None


def find_spot_prices(
    client: "EC2Client",
    region: str,
    ec2_types: Iterable[str],
    products: Iterable[str],
    now: datetime,
) -> tuple[SpotPrice, ...]:
    """Find the price now of each EC2 type in each availability zone, one call for all of them."""
    newest: dict[tuple[str, str, str], tuple[datetime, float]] = {}
    asked = [name for product in products for name in (product, f"{product} (Amazon VPC)")]
    with calling("DescribeSpotPriceHistory", region):
        pages = client.get_paginator("describe_spot_price_history").paginate(
            InstanceTypes=cast("Any", sorted(set(ec2_types))),
            ProductDescriptions=sorted(set(asked)),
            StartTime=now,
            PaginationConfig={"PageSize": PAGE},
        )
        for page in pages:
            for item in page["SpotPriceHistory"]:
                key = (item["AvailabilityZone"], item["InstanceType"], item["ProductDescription"])
                entry = (item["Timestamp"], float(item["SpotPrice"]))
                newest[key] = max(entry, newest.get(key, entry))
    return tuple(
        SpotPrice(
            region=region,
            availability_zone=zone,
            ec2_type=ec2_type,
            product=product,
            usd_per_hour=price,
        )
        for (zone, ec2_type, product), (_, price) in newest.items()
    )


def find_subnets(client: "EC2Client", region: str, ids: Iterable[str]) -> tuple[Subnet, ...]:
    """Find those of the subnets that exist, with their free addresses."""
    with calling("DescribeSubnets", region):
        pages = client.get_paginator("describe_subnets").paginate(
            Filters=[{"Name": "subnet-id", "Values": sorted(set(ids))}]
        )
        return tuple(
            Subnet(
                subnet_id=item["SubnetId"],
                region=region,
                availability_zone=item["AvailabilityZone"],
                free_addresses=item["AvailableIpAddressCount"],
            )
            for page in pages
            for item in page["Subnets"]
        )


def find_images(
    client: "EC2Client", region: str, amis: Iterable[str], instance_types: Iterable[str]
) -> tuple[Image, ...]:
    """Find the available ones of the AMIs named, and our own tagged with the instance types."""
    found: dict[str, Image] = {}
    amis, instance_types = sorted(set(amis)), sorted(set(instance_types))
    available: FilterTypeDef = {"Name": "state", "Values": ["available"]}
    with calling("DescribeImages", region):
        if amis:
            by_id: FilterTypeDef = {"Name": "image-id", "Values": amis}
            for item in client.describe_images(Filters=[available, by_id])["Images"]:
                found[item["ImageId"]] = read_image(item, region)
        if instance_types:
            tagged: FilterTypeDef = {"Name": f"tag:{TYPE_TAG}", "Values": instance_types}
            for item in client.describe_images(Owners=["self"], Filters=[available, tagged])[
                "Images"
            ]:
                found[item["ImageId"]] = read_image(item, region)
    return tuple(found.values())


def read_image(item: "ImageTypeDef", region: str) -> Image:
    """Read an AMI as DescribeImages shows it."""
    tags = {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])}
    return Image(
        ami=item["ImageId"],
        region=region,
        root_device=item.get("RootDeviceName", ""),
        created=_read_created(tags.get("moz-created", ""), item.get("CreationDate", "")),
        instance_type=tags.get(TYPE_TAG),
        ebs_root=item.get("RootDeviceType", "ebs") == "ebs",
        virtualization=item.get("VirtualizationType", "hvm"),
    )


def _read_created(epoch: str, date: str) -> datetime:
    """Take the tag `moz-created` (epoch seconds), which survives a copy, before EC2's own date.

    A tag that is no such time, milliseconds for one, is passed over; without a date it is 1970.
    """
    if epoch.isdecimal():
        with suppress(ValueError, OverflowError, OSError):
            return datetime.fromtimestamp(int(epoch), UTC)
    with suppress(ValueError):
        created = datetime.fromisoformat(date)
        return created if created.tzinfo else created.replace(tzinfo=UTC)
    return datetime.fromtimestamp(0, UTC)
