"""The EC2 stand-in does as AWS does, asked by real boto3; more in test_ec2_server_*.py."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError

from tests import ec2_control
from tests.ec2_client import EAST, described, launch, make_client

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC)


# Recorded calls


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


# Eventual consistency


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


# Throttling and latency


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


# Pokes


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


# Many clients, and whatever boto3 makes of the environment


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
