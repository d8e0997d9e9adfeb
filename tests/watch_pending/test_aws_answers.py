"""What comes instead of an answer of AWS's: each is one error that says so, and no bug."""

from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.awsrequest import AWSResponse, HeadersDict

from watch_pending.aws import Ec2Error
from watch_pending.ec2 import find_instances

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

INSTANCE = """<DescribeInstancesResponse><reservationSet><item><instancesSet><item>
<instanceId>i-1</instanceId>{}</item></instancesSet></item></reservationSet>
</DescribeInstancesResponse>"""


class Raw(BytesIO):
    """A body as urllib3 has it."""

    def stream(self) -> list[bytes]:
        return [self.read()]


@pytest.fixture(scope="module")
def client() -> "EC2Client":
    return boto3.client(
        "ec2", "us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
    )


@pytest.mark.fault(
    "instead of its instances, EC2 sends: {id}",
    "one error that names region and call; other regions go on",
)
@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        pytest.param(200, "<html>Log in</html>", "no 'Reservations' in it", id="a page"),
        pytest.param(200, "", "Unable to parse response", id="nothing"),
        pytest.param(200, INSTANCE[:90], "Unable to parse response", id="half an answer"),
        pytest.param(200, "{}", "Unable to parse response", id="JSON"),
        pytest.param(200, INSTANCE.format(""), "no 'InstanceType' in it", id="half an instance"),
        pytest.param(
            200,
            INSTANCE.format("<amiLaunchIndex>x</amiLaunchIndex>"),
            "invalid literal",
            id="a number that is none",
        ),
        pytest.param(403, "<html>Blocked</html>", "HTTP 403", id="a page with HTTP 403"),
        pytest.param(
            403, "<html><p>Blocked", "Unable to parse response", id="a torn page with 403"
        ),
        pytest.param(302, "", "Unable to parse response", id="a redirect"),
    ],
)
def test_what_is_no_answer_is_an_error(
    client: "EC2Client", status: int, body: str, said: str
) -> None:
    def answer(**_: object) -> Any:
        return AWSResponse("http://proxy", status, cast("Any", HeadersDict()), Raw(body.encode()))

    client.meta.events.register("before-send.ec2.DescribeInstances", answer, unique_id="answer")
    with pytest.raises(Ec2Error, match=r"^us-east-1: DescribeInstances: ") as raised:
        find_instances(client, "us-east-1")
    client.meta.events.unregister("before-send.ec2.DescribeInstances", unique_id="answer")
    assert said in str(raised.value)
    assert str(raised.value).isprintable()
