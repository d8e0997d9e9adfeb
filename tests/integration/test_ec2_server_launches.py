"""Launches at the EC2 stand-in: client tokens, numbers, addresses, and what a launch carries."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from tests import ec2_control
from tests.ec2_client import EAST, described, error_of, launch

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

pytestmark = pytest.mark.integration


# Client tokens


def test_same_token_and_parameters_launch_once_however_many_ask(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    ec2.add_image(EAST, "worker")
    with ThreadPoolExecutor(16) as pool:
        runs = [pool.submit(launch, ec2, client, ClientToken="once") for _ in range(16)]
    assert len({run.result()[0] for run in runs}) == 1
    assert len(ec2.instances()) == 1


def test_same_token_with_other_parameters_is_a_mismatch(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    launch(ec2, client, ClientToken="once")
    with pytest.raises(ClientError) as raised:
        launch(ec2, client, ClientToken="once", InstanceType="m5.large")
    assert error_of(raised) == ("IdempotentParameterMismatch", 400)


def test_same_token_in_another_zone_launches_again(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    for zone in ("us-east-1a", "us-east-1b", "us-east-1b"):
        launch(ec2, client, ClientToken="once", Placement={"AvailabilityZone": zone})
    assert [each["az"] for each in ec2.instances()] == ["us-east-1a", "us-east-1b"]


def test_token_of_a_terminated_instance_is_refused(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    client.terminate_instances(InstanceIds=launch(ec2, client, ClientToken="once"))
    with pytest.raises(ClientError, match="IdempotentInstanceTerminated"):
        launch(ec2, client, ClientToken="once")


def test_token_of_a_failed_launch_is_still_good(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    ec2.add_fault(action="RunInstances", code="InsufficientInstanceCapacity", left=1)
    with pytest.raises(ClientError):
        launch(ec2, client, ClientToken="once")
    assert launch(ec2, client, ClientToken="once") == [ec2.instances()[0]["id"]]


def test_replay_after_a_lost_answer_needs_no_capacity(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    ec2.add_fault(action="RunInstances", drop="after", left=1)
    ec2.add_fault(action="RunInstances", code="InsufficientInstanceCapacity")
    with pytest.raises(ConnectionClosedError):
        launch(ec2, client, ClientToken="once")
    assert launch(ec2, client, ClientToken="once") == [ec2.instances()[0]["id"]]


# As many as asked for


def test_as_many_as_max_count_are_launched(ec2: ec2_control.Ec2Server, client: EC2Client) -> None:
    launched = launch(ec2, client, MinCount=1, MaxCount=5)
    assert len(launched) == 5
    assert sorted(each["launch_index"] for each in ec2.instances()) == [0, 1, 2, 3, 4]


def test_capacity_for_fewer_gives_fewer_and_then_none(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    ec2.add_fault(action="RunInstances", match={"InstanceType": "c5.large"}, room=6)
    assert len(launch(ec2, client, MaxCount=10, ClientToken="once")) == 6
    with pytest.raises(ClientError) as raised:
        launch(ec2, client, MaxCount=10)
    assert error_of(raised) == ("InsufficientInstanceCapacity", 500)
    assert len(launch(ec2, client, MaxCount=2, InstanceType="m5.large")) == 2
    assert len(launch(ec2, client, MaxCount=10, ClientToken="once")) == 6
    assert len(ec2.instances()) == 8


def test_capacity_for_fewer_than_the_least_gives_none_and_keeps_it(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    ec2.add_fault(action="RunInstances", room=3)
    with pytest.raises(ClientError, match="InsufficientInstanceCapacity"):
        launch(ec2, client, MinCount=4, MaxCount=4)
    assert len(launch(ec2, client, MaxCount=4)) == 3


@pytest.mark.parametrize("more", [{"action": "CreateTags"}, {"code": "InternalError"}])
def test_room_is_for_launches_alone(ec2: ec2_control.Ec2Server, more: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="room: such a rule is for RunInstances"):
        ec2.add_fault(**{"action": "RunInstances", "room": 1, **more})


# Free addresses


def test_full_subnet_refuses_and_nearly_full_one_takes_what_fits(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    subnet = ec2.add_subnet(EAST, "us-east-1a", free=3)
    assert len(launch(ec2, client, SubnetId=subnet, MaxCount=9)) == 3
    with pytest.raises(ClientError) as raised:
        launch(ec2, client, SubnetId=subnet)
    assert error_of(raised) == ("InsufficientFreeAddressesInSubnet", 400)
    ec2.set_free_addresses(subnet, 1)
    launch(ec2, client, SubnetId=subnet)
    [answer] = client.describe_subnets(SubnetIds=[subnet])["Subnets"]
    assert answer["AvailableIpAddressCount"] == 0


def test_terminated_instances_give_their_addresses_back(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    subnet = ec2.add_subnet(EAST, "us-east-1a", free=1)
    client.terminate_instances(InstanceIds=launch(ec2, client, SubnetId=subnet))
    assert len(launch(ec2, client, SubnetId=subnet)) == 1


# What a launch carries


def test_launch_keeps_market_tags_and_records_the_rest(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    kinds = ("instance", "volume", "network-interface", "spot-instances-request")
    tags: list[dict[str, Any]] = [
        {"ResourceType": kind, "Tags": [{"Key": "Name", "Value": f"w1-{kind}"}]} for kind in kinds
    ]
    launch(
        ec2,
        client,
        UserData="#!/bin/sh\necho w1\n",
        MetadataOptions={"HttpTokens": "required"},
        InstanceMarketOptions={"MarketType": "spot"},
        TagSpecifications=tags,
        NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": ec2.add_subnet(EAST, "us-east-1c")}],
    )
    [instance] = described(client, Filters=[{"Name": "instance-lifecycle", "Values": ["spot"]}])
    assert instance["InstanceLifecycle"] == "spot"
    assert instance["Tags"] == [{"Key": "Name", "Value": "w1-instance"}]
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    call = ec2.calls("RunInstances")[0]
    assert call.user_data == "#!/bin/sh\necho w1\n"
    assert call.params["MetadataOptions.HttpTokens"] == "required"
    assert call.tags("network-interface") == {"Name": "w1-network-interface"}


def test_instance_store_disks_and_unsized_root_disks_are_accepted(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    image = ec2.add_image(EAST, "worker", root_device_name="/dev/xvda", size_gib=20)
    disks: list[dict[str, Any]] = [
        {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"},
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeType": "gp3", "DeleteOnTermination": True}},
    ]
    launch(ec2, client, ImageId=image, BlockDeviceMappings=disks)
    [volume] = client.describe_volumes()["Volumes"]
    assert (volume["Size"], volume["VolumeType"]) == (20, "gp3")
    assert ec2.calls("RunInstances")[0].params["BlockDeviceMapping.1.VirtualName"] == "ephemeral0"


def test_instances_tells_all_without_being_recorded(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    subnet = ec2.add_subnet(EAST, "us-east-1b")
    [instance_id] = launch(ec2, client, SubnetId=subnet, ClientToken="once")
    ec2.clear_calls()
    [instance] = ec2.instances()
    assert (instance["id"], instance["subnet"]) == (instance_id, subnet)
    assert (instance["client_token"], instance["lifecycle"]) == ("once", "on-demand")
    assert (ec2.instances("us-west-2"), ec2.calls()) == ([], [])


def test_tags_on_an_unknown_instance_are_refused(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    with pytest.raises(ClientError, match=r"InvalidInstanceID\.NotFound"):
        client.create_tags(Resources=["i-0123456789abcdef0"], Tags=[{"Key": "a", "Value": "b"}])
