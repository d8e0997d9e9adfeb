"""Launch → the RunInstances request, whole, before anything is started; pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from watch_pending.config_machines import Disk, Market, Place
from watch_pending.models import Image, Launch

MAX_USER_DATA_BYTES = 16 * 1024
FARM_TAG = "farmhand:farm"
LAUNCH_TAG = "farmhand:launch"
TYPE_TAG = "moz-type"
STATE_TAG = "moz-state"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stamp:
    """Whose machine it is, and from which launch: what everything of it is tagged with."""

    farm: str
    token: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedLaunch:
    """A launch with everything its call needs; the token is its identity for ever.

    `lacks` are tags that it can't have in the call, which it shares with others: its name.
    """

    launch: Launch
    token: str
    request: Mapping[str, Any] = field(repr=False)
    lacks: tuple[tuple[str, str], ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of the request: says whether two are the same, and nothing of the user data."""
        return hashlib.sha256(json.dumps(self.request, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedCall:
    """One call of RunInstances, with its launches by launch index; they differ in name only."""

    launches: tuple[PreparedLaunch, ...]

    @property
    def request(self) -> Mapping[str, Any]:
        """The arguments, which its launches share."""
        return self.launches[0].request

    @property
    def launch(self) -> Launch:
        """Any one of its launches, to see where they are."""
        return self.launches[0].launch


def format_request(
    launch: Launch, place: Place, image: Image, stamp: Stamp, user_data: str
) -> dict[str, Any]:
    """Format the arguments of RunInstances for one machine.

    Source: EC2's API reference. IMDSv2 only, encrypted disks, no public address unless asked, and a
    shutdown from inside terminates.
    """
    interface: dict[str, Any] = {
        "DeviceIndex": 0,
        "SubnetId": launch.subnet,
        "AssociatePublicIpAddress": place.public_address,
        "DeleteOnTermination": True,
    }
    if place.security_groups:
        interface["Groups"] = list(place.security_groups)
    request: dict[str, Any] = {
        "ClientToken": stamp.token,
        "ImageId": launch.offer.ami,
        "InstanceType": launch.offer.ec2_type,
        "MinCount": 1,
        "MaxCount": 1,
        "Placement": {"AvailabilityZone": launch.offer.availability_zone},
        "NetworkInterfaces": [interface],
        "InstanceInitiatedShutdownBehavior": "terminate",
        "MetadataOptions": {"HttpTokens": "required", "InstanceMetadataTags": "enabled"},
        "BlockDeviceMappings": format_disks(place.disks, image),
        "TagSpecifications": format_tags(launch, place, stamp),
    }
    if user_data:
        request["UserData"] = user_data
    if place.ssh_key:
        request["KeyName"] = place.ssh_key
    if place.instance_profile:
        request["IamInstanceProfile"] = {"Name": place.instance_profile}
    if launch.offer.market is Market.SPOT:
        request["InstanceMarketOptions"] = {
            "MarketType": "spot",
            "SpotOptions": {
                "MaxPrice": f"{launch.offer.max_price_usd_per_hour:.6f}",
                "SpotInstanceType": "one-time",
                "InstanceInterruptionBehavior": "terminate",
            },
        }
    return request


def format_tags(launch: Launch, place: Place, stamp: Stamp) -> list[dict[str, Any]]:
    """Format the tags that everything of a launch bears from its first moment."""
    tags = {
        **place.tags,
        "Name": launch.name,
        "FQDN": fqdn(launch.name, place.domain),
        TYPE_TAG: launch.instance_type,
        STATE_TAG: "ready",
        FARM_TAG: stamp.farm,
        LAUNCH_TAG: stamp.token,
    }
    resources = ["instance", "volume", "network-interface"]
    if launch.offer.market is Market.SPOT:
        resources.append("spot-instances-request")
    pairs = [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
    return [{"ResourceType": resource, "Tags": pairs} for resource in resources]


def format_disks(disks: Mapping[str, Disk], image: Image) -> list[dict[str, Any]]:
    """Format the block devices: those configured, and an encrypted gp3 root in any case.

    An AMI whose root is an instance store has no EBS disks to speak of: only ephemeral ones count.
    """
    if not image.ebs_root:
        disks = {device: disk for device, disk in disks.items() if disk.ephemeral}
    elif image.root_device not in disks:
        disks = {image.root_device: Disk(), **disks}
    return [_format_disk(device, disk) for device, disk in disks.items()]


def _format_disk(device: str, disk: Disk) -> dict[str, Any]:
    if disk.ephemeral:
        return {"DeviceName": device, "VirtualName": disk.ephemeral}
    ebs: dict[str, Any] = {
        "VolumeType": disk.volume_type,
        "Encrypted": True,
        "DeleteOnTermination": disk.delete_on_termination,
    }
    optional = {
        "VolumeSize": disk.size_gib,
        "Iops": disk.iops,
        "Throughput": disk.throughput_mib_s,
    }
    ebs |= {key: value for key, value in optional.items() if value is not None}
    return {"DeviceName": device, "Ebs": ebs}


def fqdn(name: str, domain: str) -> str:
    """Join a worker's name and its domain.

    >>> fqdn("bld-linux64-spot-001", "build.example.com")
    'bld-linux64-spot-001.build.example.com'
    """
    return f"{name}.{domain}" if domain else name


def why_too_large(user_data: str) -> str | None:
    """Say why EC2 would refuse user data for its size, or None."""
    size = len(user_data.encode())
    if size > MAX_USER_DATA_BYTES:
        return f"user data has {size} bytes, EC2 takes {MAX_USER_DATA_BYTES}"
    return None
