"""Faults that the EC2 stand-in was told of, met by real boto3 over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from tests import ec2_control
from tests.ec2_client import EAST, error_of, launch, make_client

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

pytestmark = pytest.mark.integration


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
