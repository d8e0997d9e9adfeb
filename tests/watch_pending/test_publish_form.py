"""The published list: its attributes, its bytes, its destinations."""

import json
from typing import Any

import pytest

from farmhand.errors import BadInput
from watch_pending.amis.publish_form import (
    Bucket,
    count_images,
    format_image,
    format_list,
    parse_bucket,
)


def make_item(ami: str = "ami-1", **changes: Any) -> dict[str, Any]:
    return {"ImageId": ami, "Name": f"spot-{ami}", "State": "available", **changes}


def test_an_ami_has_twenty_attributes_said_or_not() -> None:
    image = format_image({"ImageId": "ami-1"}, "us-east-1")
    assert len(image) == 20
    assert (image["id"], image["region"], image["platform"]) == ("ami-1", "us-east-1", None)
    assert (image["tags"], image["block_device_mapping"]) == ({}, {})


def test_tags_and_disks_are_mappings() -> None:
    disks = [
        {"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": "snap-1", "VolumeSize": 8}},
        {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"},
    ]
    tags = [{"Key": "moz-type", "Value": "bld"}]
    image = format_image(make_item(BlockDeviceMappings=disks, Tags=tags), "us-east-1")
    assert image["tags"] == {"moz-type": "bld"}
    assert image["block_device_mapping"]["/dev/sda1"]["snapshot_id"] == "snap-1"
    assert image["block_device_mapping"]["/dev/sda1"]["size_gib"] == 8
    assert image["block_device_mapping"]["/dev/sdb"]["ephemeral_name"] == "ephemeral0"


def test_the_same_amis_give_the_same_bytes() -> None:
    images = [format_image(make_item(ami), "us-east-1") for ami in ("ami-2", "ami-1")]
    assert format_list(images) == format_list(images[::-1])
    assert list(json.loads(format_list(images))) == ["ami-1", "ami-2"]


def test_amis_are_counted_by_region_and_type() -> None:
    bld = make_item(Tags=[{"Key": "moz-type", "Value": "bld"}])
    images = [format_image(bld, region) for region in ("us-west-2", "us-east-1", "us-east-1")]
    images.append(format_image(make_item(), "us-east-1"))
    assert [tuple(each.values()) for each in count_images(images)] == [
        ("us-east-1", None, 1),
        ("us-east-1", "bld", 2),
        ("us-west-2", "bld", 1),
    ]


def test_a_file_is_no_bucket() -> None:
    assert parse_bucket("amis.json") is None
    assert parse_bucket("s3://farm/a/b.json") == Bucket(name="farm", key="a/b.json")


@pytest.mark.parametrize(
    "destination", ["s3://", "s3://farm", "s3://farm/", "s3:///amis", "s3://farm/a/"]
)
def test_half_an_address_is_refused(destination: str) -> None:
    with pytest.raises(BadInput, match="expected s3://BUCKET/KEY"):
        parse_bucket(destination)
