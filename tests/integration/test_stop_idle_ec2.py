"""TerminateInstances and DescribeInstanceStatus, one region: what each id comes to."""

from typing import TYPE_CHECKING

import pytest

from tests.ec2_control import Ec2Server
from watch_pending.ec2_stops import find_impaired, terminate_instances

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

pytestmark = pytest.mark.integration
UNKNOWN = "i-0123456789abcdef0"


def start(client: "EC2Client", ec2: Ec2Server, count: int) -> list[str]:
    """Start machines; returns their ids."""
    ami = ec2.add_image("us-east-1", "spot-bld")
    reply = client.run_instances(ImageId=ami, MinCount=count, MaxCount=count)
    return [item["InstanceId"] for item in reply["Instances"]]


def codes(client: "EC2Client", ids: list[str]) -> dict[str, str]:
    """Terminate; returns the ids that EC2 has something against, and its code."""
    return {key: err.code for key, err in terminate_instances(client, ids).items() if err}


def alive(ec2: Ec2Server) -> int:
    return sum(item["state"] == "running" for item in ec2.instances())


def test_all_go_in_one_call(client: "EC2Client", ec2: Ec2Server) -> None:
    assert codes(client, start(client, ec2, 7)) == {}
    assert (alive(ec2), len(ec2.calls("TerminateInstances"))) == (0, 1)


def test_more_than_a_thousand_go_in_calls_of_a_thousand(
    client: "EC2Client", ec2: Ec2Server
) -> None:
    ec2.add_fault(action="TerminateInstances", code="UnauthorizedOperation")
    assert len(codes(client, [f"i-{number:08x}" for number in range(1001)])) == 1001
    assert len(ec2.calls("TerminateInstances")) == 2


def test_nothing_to_stop_costs_no_call(client: "EC2Client", ec2: Ec2Server) -> None:
    assert terminate_instances(client, []) == {}
    assert ec2.calls() == []


def test_an_id_that_ec2_does_not_know_is_gone_and_keeps_no_other(
    client: "EC2Client", ec2: Ec2Server
) -> None:
    ids = start(client, ec2, 3)
    assert codes(client, [ids[0], UNKNOWN, *ids[1:]]) == {}
    assert (alive(ec2), len(ec2.calls("TerminateInstances"))) == (0, 3)


def test_machines_that_are_protected_stay_and_the_others_go(
    client: "EC2Client", ec2: Ec2Server
) -> None:
    ids = start(client, ec2, 5)
    for kept in ids[1:3]:
        for position in (1, 2):
            ec2.add_fault(
                action="TerminateInstances",
                match={f"InstanceId.{position}": kept},
                code="OperationNotPermitted",
                message=f"The instance '{kept}' may not be terminated.",
            )
    assert codes(client, ids) == dict.fromkeys(ids[1:3], "OperationNotPermitted")
    assert alive(ec2) == 2


def test_where_ec2_names_nobody_the_one_is_found_by_halves(
    client: "EC2Client", ec2: Ec2Server
) -> None:
    ids = start(client, ec2, 8)
    for position in range(1, 9):
        match = {f"InstanceId.{position}": ids[5]}
        ec2.add_fault(action="TerminateInstances", match=match, code="IncorrectInstanceState")
    assert codes(client, ids) == {ids[5]: "IncorrectInstanceState"}
    assert (alive(ec2), len(ec2.calls("TerminateInstances"))) == (1, 7)


@pytest.mark.parametrize("named", [True, False])
def test_where_we_may_not_only_the_machines_that_are_named_are_left_out(
    client: "EC2Client", ec2: Ec2Server, named: bool
) -> None:
    ids = start(client, ec2, 3)
    message = f"not authorized on instance/{ids[2]}" if named else "not authorized"
    for match in ({"InstanceId.3": ids[2]}, {"InstanceId.1": ids[2]}):
        code = "UnauthorizedOperation"
        ec2.add_fault(action="TerminateInstances", match=match, code=code, message=message)
    assert len(codes(client, ids)) == alive(ec2) == (1 if named else 3)


def test_only_running_machines_that_fail_a_check_are_impaired(
    client: "EC2Client", ec2: Ec2Server
) -> None:
    ill, healthy, stopped = start(client, ec2, 3)
    for each in (ill, stopped):
        ec2.poke_instance(each, impaired=True)
    ec2.poke_instance(stopped, state="stopped")
    assert healthy not in dict(find_impaired(client, "us-east-1"))
    assert find_impaired(client, "us-east-1") == ((ill, "instance check"),)
