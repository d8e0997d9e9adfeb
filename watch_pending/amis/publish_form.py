"""The published list of AMIs: its attributes, its bytes, and where it goes; pure."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from farmhand.errors import BadInput

STORAGE = "s3://"
# What EC2 calls it → what the list does. Source: DescribeImages.
ATTRIBUTES = {
    "Architecture": "architecture",
    "CreationDate": "creation_date",
    "Description": "description",
    "Hypervisor": "hypervisor",
    "ImageId": "id",
    "ImageLocation": "location",
    "ImageType": "type",
    "KernelId": "kernel_id",
    "Name": "name",
    "OwnerId": "owner_id",
    "Platform": "platform",
    "Public": "is_public",
    "RamdiskId": "ramdisk_id",
    "RootDeviceName": "root_device_name",
    "RootDeviceType": "root_device_type",
    "State": "state",
    "VirtualizationType": "virtualization_type",
}
DISK_ATTRIBUTES = {
    "DeleteOnTermination": "delete_on_termination",
    "Encrypted": "encrypted",
    "SnapshotId": "snapshot_id",
    "VolumeSize": "size_gib",
    "VolumeType": "volume_type",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """Where in S3 a list goes."""

    name: str
    key: str


def format_image(item: Mapping[str, Any], region: str) -> dict[str, Any]:
    """Format an AMI as DescribeImages shows it; what EC2 does not say is null."""
    return {
        **{name: item.get(theirs) for theirs, name in ATTRIBUTES.items()},
        "block_device_mapping": {
            disk["DeviceName"]: format_disk(disk) for disk in item.get("BlockDeviceMappings", [])
        },
        "region": region,
        "tags": {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])},
    }


def format_disk(disk: Mapping[str, Any]) -> dict[str, Any]:
    """Format a block device; `ephemeral_name` is an instance store's."""
    ebs = disk.get("Ebs", {})
    return {
        **{name: ebs.get(theirs) for theirs, name in DISK_ATTRIBUTES.items()},
        "ephemeral_name": disk.get("VirtualName"),
    }


def format_list(images: Iterable[Mapping[str, Any]]) -> bytes:
    """Format the whole list, AMI id → attributes; the same AMIs give the same bytes."""
    by_id = {image["id"]: image for image in images}
    return (json.dumps(by_id, indent=2, sort_keys=True) + "\n").encode()


def count_images(images: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Count AMIs by region and instance type; without the tag `moz-type` it is null."""
    counts = Counter((image["region"], image["tags"].get("moz-type")) for image in images)
    return [
        {"region": region, "instance_type": instance_type, "amis": counts[region, instance_type]}
        for region, instance_type in sorted(counts, key=lambda each: (each[0], each[1] or ""))
    ]


def parse_bucket(destination: str) -> Bucket | None:
    """Read `s3://BUCKET/KEY`; None for a file. Raises BadInput where half of it is missing.

    >>> parse_bucket("s3://farm-public/amis.json")
    Bucket(name='farm-public', key='amis.json')
    """
    if not destination.startswith(STORAGE):
        return None
    name, _, key = destination.removeprefix(STORAGE).partition("/")
    if not name or not key or key.endswith("/"):
        raise BadInput(f"{destination}: expected s3://BUCKET/KEY")
    return Bucket(name=name, key=key)
