"""EC2, and the only boto3: its clients, its errors, and what it shows."""

import logging
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
)

from farmhand.errors import FarmError
from watch_pending.aws_errors import THROTTLED, Meaning, read_meaning
from watch_pending.config_machines import Market
from watch_pending.models import Image, Instance, SpotPrice, Subnet
from watch_pending.request import FARM_TAG, LAUNCH_TAG, STATE_TAG, TYPE_TAG

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import FilterTypeDef, ImageTypeDef, InstanceTypeDef

log = logging.getLogger(__name__)
CONNECT_TIMEOUT_S = 3
READ_TIMEOUT_S = 30
READ_ATTEMPTS = 5
PAGE = 1000
LOAN_TAG = "moz-loaned-to"


class Ec2Error(FarmError):
    """A call that EC2 refused, by a `code` of its own, or that brought no answer."""

    def __init__(
        self, message: str, *, meaning: Meaning, code: str = "", unanswered: bool = False
    ) -> None:
        super().__init__(message)
        self.meaning = meaning
        self.code = code
        self.unanswered = unanswered


class Aws:
    """Clients by region, and the calls they made: action → HTTP requests, retries included."""

    def __init__(self, key_id: str | None = None, secret_key: str | None = None) -> None:
        with preparing("AWS session"):
            if bool(key_id) != bool(secret_key):
                raise ValueError("of the access key's id and its secret, only one is given")
            self._session = boto3.session.Session(
                aws_access_key_id=key_id, aws_secret_access_key=secret_key
            )
        self._lock = threading.Lock()
        self.calls: Counter[str] = Counter()

    def key_id(self) -> str:
        """Say which access key signs the calls; empty where there is none."""
        with preparing("AWS credentials"):
            credentials = self._session.get_credentials()
            return (credentials.get_frozen_credentials().access_key or "") if credentials else ""

    def reader(self, region: str) -> "EC2Client":
        """Make a client for reads, which botocore may repeat."""
        return self._client(region, attempts=READ_ATTEMPTS)

    def launcher(self, region: str) -> "EC2Client":
        """Make a client for launches: an SDK that retries "no capacity" eats the launch rate."""
        return self._client(region, attempts=1)

    def _client(self, region: str, *, attempts: int) -> "EC2Client":
        config = Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=32,
        )
        with preparing(region):
            client = self._session.client("ec2", region_name=region, config=config)
        client.meta.events.register("before-send.ec2", self._count)
        return client

    def _count(self, event_name: str, **_: object) -> None:
        with self._lock:
            self.calls[event_name.rsplit(".", 1)[-1]] += 1


@contextmanager
def preparing(what: str) -> Iterator[None]:
    """Turn what boto3 raises before any call, for bad profiles and names, into an Ec2Error."""
    try:
        yield
    except (BotoCoreError, ValueError) as err:
        raise Ec2Error(f"{what}: {err}", meaning=Meaning.NO_ACCESS) from err


@contextmanager
def calling(action: str, region: str) -> Iterator[None]:
    """Turn what boto3 may raise into an Ec2Error that says what failed and where."""
    try:
        yield
    except ClientError as err:
        code = err.response["Error"]["Code"]
        status = err.response["ResponseMetadata"]["HTTPStatusCode"]
        message = err.response["Error"].get("Message", "")
        meaning = read_meaning(code, status)
        raise Ec2Error(
            f"{region}: {action}: {code}: {message}",
            meaning=meaning,
            code=code,
            unanswered=meaning is Meaning.AGAIN and code not in THROTTLED,
        ) from err
    except BotoCoreError as err:
        missing = type(err).__name__ in {"NoCredentialsError", "PartialCredentialsError"}
        unsent = missing or isinstance(err, EndpointConnectionError | ConnectTimeoutError)
        raise Ec2Error(
            f"{region}: {action}: {err}",
            meaning=Meaning.NO_ACCESS if missing else Meaning.AGAIN,
            unanswered=not unsent,
        ) from err


def find_instances(client: "EC2Client", region: str) -> tuple[Instance, ...]:
    """List every instance of the account in one region, also terminated ones and other farms'."""
    with calling("DescribeInstances", region):
        pages = client.get_paginator("describe_instances").paginate(
            PaginationConfig={"PageSize": PAGE}
        )
        return tuple(
            _read_instance(item, region)
            for page in pages
            for reservation in page["Reservations"]
            for item in reservation["Instances"]
        )


def _read_instance(item: "InstanceTypeDef", region: str) -> Instance:
    tags = {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])}
    spot = item.get("InstanceLifecycle") == "spot"
    return Instance(
        instance_id=item["InstanceId"],
        token=tags.get(LAUNCH_TAG),
        name=tags.get("Name", ""),
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
    )


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
                found[item["ImageId"]] = _read_image(item, region)
        if instance_types:
            tagged: FilterTypeDef = {"Name": f"tag:{TYPE_TAG}", "Values": instance_types}
            for item in client.describe_images(Owners=["self"], Filters=[available, tagged])[
                "Images"
            ]:
                found[item["ImageId"]] = _read_image(item, region)
    return tuple(found.values())


def _read_image(item: "ImageTypeDef", region: str) -> Image:
    tags = {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])}
    return Image(
        ami=item["ImageId"],
        region=region,
        root_device=item.get("RootDeviceName", ""),
        created=_read_created(tags.get("moz-created", ""), item.get("CreationDate", "")),
        instance_type=tags.get(TYPE_TAG),
        ebs_root=item.get("RootDeviceType", "ebs") == "ebs",
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
