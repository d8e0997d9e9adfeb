"""Images, subnets and security groups of the EC2 stand-in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests import ec2_control
from tests.ec2_client import EAST, described, error_of, launch

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

pytestmark = pytest.mark.integration


def test_registered_image_is_described_as_own_with_its_disk(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    ec2.add_image(EAST, "spot-tst-1", tags={"moz-type": "tst"}, state="pending")
    image_id = ec2.add_image(
        EAST,
        "spot-bld-1",
        tags={"moz-type": "bld"},
        root_device_name="/dev/xvda",
        architecture="arm64",
        size_gib=30,
        creation_date="2026-01-02T03:04:05+00:00",
    )
    wanted: list[Any] = [
        {"Name": "tag:moz-type", "Values": ["bld"]},
        {"Name": "name", "Values": ["spot-*"]},
        {"Name": "state", "Values": ["available"]},
        {"Name": "root-device-type", "Values": ["ebs"]},
    ]
    [image] = client.describe_images(Owners=["self"], Filters=wanted)["Images"]
    assert (image["ImageId"], image["Architecture"]) == (image_id, "arm64")
    assert (image["RootDeviceName"], image["State"]) == ("/dev/xvda", "available")
    assert image["CreationDate"].startswith("2026-01-02T03:04:05")
    [disk] = image["BlockDeviceMappings"]
    assert (disk["DeviceName"], disk["Ebs"]["VolumeSize"]) == ("/dev/xvda", 30)
    assert disk["Ebs"]["SnapshotId"].startswith("snap-")


def test_images_are_found_by_id_and_filter_together(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    ids = [ec2.add_image(EAST, name, id=f"ami-{name}") for name in ("aaaa", "bbbb")]
    images = client.describe_images(ImageIds=ids, Filters=[{"Name": "name", "Values": ["b*"]}])
    assert [each["ImageId"] for each in images["Images"]] == ["ami-bbbb"]


def test_unknown_image_is_not_found(ec2: ec2_control.Ec2Server, client: EC2Client) -> None:
    known = ec2.add_image(EAST, "worker")
    with pytest.raises(ClientError) as raised:
        client.describe_images(ImageIds=[known, "ami-00000000"])
    assert error_of(raised) == ("InvalidAMIID.NotFound", 400)
    with pytest.raises(ClientError) as raised:
        launch(ec2, client, ImageId="ami-00000000")
    assert error_of(raised) == ("InvalidAMIID.NotFound", 400)


def test_made_subnets_and_groups_can_be_used(ec2: ec2_control.Ec2Server, client: EC2Client) -> None:
    subnets = [ec2.add_subnet(EAST, f"us-east-1{zone}") for zone in "aab"]
    group = ec2.add_security_group(EAST)
    launch(ec2, client, SubnetId=subnets[2], SecurityGroupIds=[group])
    [instance] = described(client)
    assert instance["Placement"]["AvailabilityZone"] == "us-east-1b"
    assert [each["GroupId"] for each in instance["SecurityGroups"]] == [group]
    zones = [each["AvailabilityZone"] for each in client.describe_subnets()["Subnets"]]
    assert {"us-east-1a", "us-east-1b"} <= set(zones)
