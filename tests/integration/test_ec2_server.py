"""The EC2 stand-in does what AWS does, asked by real boto3 over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from tests import ec2_control

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

pytestmark = [pytest.mark.integration, pytest.mark.enable_socket]

NOW = datetime.now(UTC)
EAST = "us-east-1"


@pytest.fixture(scope="module")
def server() -> Iterator[ec2_control.Ec2Server]:
    with ec2_control.running_ec2_server() as running:
        yield running


@pytest.fixture
def ec2(server: ec2_control.Ec2Server) -> ec2_control.Ec2Server:
    server.reset()
    return server


@pytest.fixture
def client(ec2: ec2_control.Ec2Server) -> EC2Client:
    return make_client(ec2)


def make_client(
    ec2: ec2_control.Ec2Server, region: str = EAST, read_timeout_s: float = 20
) -> EC2Client:
    config = Config(
        retries={"total_max_attempts": 1},
        read_timeout=read_timeout_s,
        max_pool_connections=64,
    )
    return boto3.client(
        "ec2",
        region,
        endpoint_url=ec2.url,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=config,
    )


def launch(ec2: ec2_control.Ec2Server, client: EC2Client, **changes: Any) -> list[str]:
    images = client.describe_images(Owners=["self"])["Images"]
    image_id = images[0]["ImageId"] if images else ec2.add_image(EAST, "worker")
    wanted: dict[str, Any] = {
        "ImageId": image_id,
        "InstanceType": "c5.large",
        "MinCount": 1,
        "MaxCount": 1,
        **changes,
    }
    return [each["InstanceId"] for each in client.run_instances(**wanted)["Instances"]]


def described(client: EC2Client, **query: Any) -> list[Any]:
    reservations = client.describe_instances(**query)["Reservations"]
    return [instance for each in reservations for instance in each["Instances"]]


def error_of(raised: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    answer = raised.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def price(usd: float, **changes: Any) -> dict[str, Any]:
    basic = {"region": EAST, "az": "us-east-1a", "ec2_type": "c5.large"}
    return {**basic, "price_usd_per_hour": usd, **changes}


# 1. recorded calls


def test_calls_are_recorded_with_region_token_and_params(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    launch(ec2, client, ClientToken="token-1")
    call = ec2.calls("RunInstances")[0]
    assert (call.region, call.client_token, call.status) == (EAST, "token-1", 200)
    assert call.params["InstanceType"] == "c5.large"
    assert abs(call.at - time.time()) < 30


def test_calls_are_counted_by_action_and_can_be_cleared(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    client.describe_vpcs()
    client.describe_vpcs()
    make_client(ec2, "us-west-2").describe_subnets()
    assert ec2.call_counts() == {"DescribeVpcs": 2, "DescribeSubnets": 1}
    ec2.clear_calls()
    assert ec2.call_counts() == {}


def test_other_services_reach_moto_unrecorded(ec2: ec2_control.Ec2Server) -> None:
    sts = boto3.client(
        "sts",
        EAST,
        endpoint_url=ec2.url,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    assert sts.get_caller_identity()["Account"] == "123456789012"
    assert ec2.calls() == []


# 2. spot prices


def test_region_has_only_seeded_prices_once_one_is_seeded(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    ec2.seed_prices([price(0.031), price(0.5, ec2_type="c5.xlarge"), price(0.1, product="Windows")])
    answer = client.describe_spot_price_history(
        InstanceTypes=["c5.large"], ProductDescriptions=["Linux/UNIX"], StartTime=datetime.now(UTC)
    )
    [entry] = answer["SpotPriceHistory"]
    assert (entry["AvailabilityZone"], entry["SpotPrice"]) == ("us-east-1a", "0.031000")
    elsewhere = make_client(ec2, "us-west-2").describe_spot_price_history()
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


# 3. faults


def test_fault_strikes_matching_calls_as_often_as_told(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    ec2.add_fault(
        action="RunInstances",
        match={"InstanceType": "c5.*"},
        code="InsufficientInstanceCapacity",
        left=1,
    )
    launch(ec2, client, InstanceType="m5.large")
    with pytest.raises(ClientError) as raised:
        launch(ec2, client)
    assert error_of(raised) == ("InsufficientInstanceCapacity", 500)
    launch(ec2, client)
    assert len(ec2.instances()) == 2


def test_fault_can_mean_one_zone_and_market(ec2: ec2_control.Ec2Server, client: EC2Client) -> None:
    subnet = ec2.add_subnet(EAST, "us-east-1b")
    ec2.add_fault(
        action="Run*", match={"@az": "us-east-1b", "@market": "spot"}, code="Bad", status=418
    )
    nic = {"DeviceIndex": 0, "SubnetId": subnet}
    launch(ec2, client, NetworkInterfaces=[nic])
    with pytest.raises(ClientError) as raised:
        launch(ec2, client, NetworkInterfaces=[nic], InstanceMarketOptions={"MarketType": "spot"})
    assert error_of(raised) == ("Bad", 418)


def test_fault_can_mean_one_region(ec2: ec2_control.Ec2Server, client: EC2Client) -> None:
    ec2.add_fault(action="Describe*", region="us-west-2", code="UnauthorizedOperation", status=403)
    client.describe_instances()
    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        make_client(ec2, "us-west-2").describe_instances()


@pytest.mark.parametrize(("drop", "launched"), [("before", 0), ("after", 1)])
def test_dropped_call_gets_no_answer(
    ec2: ec2_control.Ec2Server, client: EC2Client, drop: str, launched: int
) -> None:
    ec2.add_fault(action="RunInstances", drop=drop, left=1)
    with pytest.raises(ConnectionClosedError):
        launch(ec2, client)
    assert len(ec2.instances()) == launched
    assert ec2.calls("RunInstances")[0].status == 0


def test_held_call_is_done_long_before_it_is_answered(ec2: ec2_control.Ec2Server) -> None:
    ec2.add_fault(action="RunInstances", hold_s=3)
    with pytest.raises(ReadTimeoutError):
        launch(ec2, make_client(ec2, read_timeout_s=0.5))
    assert len(ec2.instances()) == 1
    assert ec2.calls("RunInstances")[0].status is None


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param({"action": "RunInstances", "cod": "x"}, id="unknown field"),
        pytest.param({"action": "RunInstance", "code": "x"}, id="unknown action"),
        pytest.param({"action": "RunInstances", "drop": "during"}, id="unknown drop"),
        pytest.param({"code": "x"}, id="missing action"),
        pytest.param({"action": "RunInstances", "left": "1"}, id="text for a number"),
    ],
)
def test_unknown_control_fields_are_refused(
    ec2: ec2_control.Ec2Server, rule: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="/_farm/faults"):
        ec2.add_fault(**rule)


# 4. client tokens


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


# 5. MaxCount


def test_as_many_as_max_count_are_launched(ec2: ec2_control.Ec2Server, client: EC2Client) -> None:
    launched = launch(ec2, client, MinCount=1, MaxCount=5)
    assert len(launched) == 5
    assert sorted(each["launch_index"] for each in ec2.instances()) == [0, 1, 2, 3, 4]


# 6. eventual consistency


def test_young_instances_are_hidden_from_describe_calls(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    ec2.settings(lag_s=1.0)
    ids = launch(ec2, client)
    with pytest.raises(ClientError, match=r"InvalidInstanceID\.NotFound"):
        client.describe_instances(InstanceIds=ids)
    assert described(client) == []
    assert client.describe_instance_status()["InstanceStatuses"] == []
    assert [each["id"] for each in ec2.instances()] == ids
    ec2.settings(lag_s=0.0)
    assert [each["InstanceId"] for each in described(client, InstanceIds=ids)] == ids


# 7. throttling


def test_sixth_launch_at_once_is_throttled(ec2: ec2_control.Ec2Server, client: EC2Client) -> None:
    ec2.add_image(EAST, "worker")
    ec2.settings(buckets=True)
    with ThreadPoolExecutor(20) as pool:
        runs = [pool.submit(launch, ec2, client) for _ in range(20)]
    errors = [run.exception() for run in runs if run.exception()]
    codes = {each.response["Error"]["Code"] for each in errors if isinstance(each, ClientError)}
    assert codes == {"RequestLimitExceeded"}
    assert 5 <= len(ec2.instances()) <= 12
    assert ec2.throttled_counts() == {"RunInstances": len(errors)}


def test_buckets_are_per_region(ec2: ec2_control.Ec2Server) -> None:
    ec2.settings(buckets=True)
    for region in (EAST, "us-west-2"):
        for _ in range(5):
            with pytest.raises(ClientError, match=r"InvalidAMIID\.NotFound"):
                make_client(ec2, region).run_instances(ImageId="ami-0", MinCount=1, MaxCount=1)
    assert ec2.throttled_counts() == {}


def test_every_call_can_be_slow(ec2: ec2_control.Ec2Server, client: EC2Client) -> None:
    ec2.settings(latency_s=0.3)
    start = time.monotonic()
    client.describe_vpcs()
    assert time.monotonic() - start >= 0.3


# 8. pokes, addresses, maximum prices


def test_poked_instance_shows_its_new_state_age_and_reason(
    ec2: ec2_control.Ec2Server, client: EC2Client
) -> None:
    [instance_id] = launch(ec2, client)
    old = (NOW - timedelta(hours=5)).replace(microsecond=0)
    reason = {"code": "Server.SpotInstanceTermination", "message": "reclaimed"}
    ec2.poke_instance(instance_id, state="terminated", launch_time=old, state_reason=reason)
    [instance] = described(client)
    assert instance["State"] == {"Code": 48, "Name": "terminated"}
    assert instance["LaunchTime"] == old
    assert instance["StateReason"]["Code"] == "Server.SpotInstanceTermination"


def test_poke_can_stop_and_tag(ec2: ec2_control.Ec2Server, client: EC2Client) -> None:
    [instance_id] = launch(ec2, client)
    ec2.poke_instance(instance_id, state="stopping", tags={"Name": "w1"})
    assert [(i["state"], i["name"]) for i in ec2.instances(EAST)] == [("stopping", "w1")]
    with pytest.raises(ValueError, match="asleep"):
        ec2.poke_instance(instance_id, state="asleep")


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


# 9. what a launch carries


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


# 10. images, subnets, security groups


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


def test_64_clients_at_once_are_served(ec2: ec2_control.Ec2Server, client: EC2Client) -> None:
    subnet = ec2.add_subnet(EAST, "us-east-1a")
    ec2.add_image(EAST, "worker")
    ec2.settings(latency_s=0.2)
    with ThreadPoolExecutor(64) as pool:
        runs = [pool.submit(launch, ec2, client, SubnetId=subnet) for _ in range(64)]
    assert len({run.result()[0] for run in runs}) == 64


def test_env_makes_boto3_use_the_server(
    ec2: ec2_control.Ec2Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ec2.env("us-west-2").items():
        monkeypatch.setenv(name, value)
    boto3.client("ec2").describe_instances()
    assert [call.region for call in ec2.calls()] == ["us-west-2"]
