"""SSM and S3 behind the EC2 stand-in: real answers, recorded calls, injected faults."""

import pytest
from botocore.exceptions import ClientError

from tests import ec2_control
from tests.ec2_client import EAST, error_of, make_s3_client, make_ssm_client

pytestmark = pytest.mark.integration


def test_a_parameter_says_which_version_or_label_was_asked_for(ec2: ec2_control.Ec2Server) -> None:
    ssm = make_ssm_client(ec2)
    for value in ("ami-1", "ami-2"):
        ssm.put_parameter(Name="/golden", Value=value, Type="String", Overwrite=True)
    ssm.label_parameter_version(Name="/golden", ParameterVersion=1, Labels=["stable"])
    names = ["/golden", "/golden:1", "/golden:stable", "/golden:9", "/none"]
    reply = ssm.get_parameters(Names=names)
    values = {
        item["Name"] + item.get("Selector", ""): item["Value"] for item in reply["Parameters"]
    }
    assert values == {"/golden": "ami-2", "/golden:1": "ami-1", "/golden:stable": "ami-1"}
    assert sorted(reply["InvalidParameters"]) == ["/golden:9", "/none"]


def test_calls_of_other_services_are_recorded(ec2: ec2_control.Ec2Server) -> None:
    make_ssm_client(ec2).get_parameters(Names=["/golden"])
    s3 = make_s3_client(ec2)
    s3.create_bucket(Bucket="farm")
    s3.put_object(Bucket="farm", Key="a/b", Body=b"text", ACL="public-read")
    assert s3.get_object(Bucket="farm", Key="a/b")["Body"].read() == b"text"
    assert ec2.call_counts() == {"GetParameters": 1, "PutObject": 1, "GetObject": 1}
    (call,) = ec2.calls("PutObject")
    assert (call.service, call.region, call.status) == ("s3", EAST, 200)
    assert call.params == {"Bucket": "farm", "Key": "a/b", "ACL": "public-read"}


def test_a_fault_is_told_as_the_service_would(ec2: ec2_control.Ec2Server) -> None:
    ec2.add_fault(action="GetParameters", code="AccessDeniedException", region=EAST)
    ec2.add_fault(action="PutObject", code="AccessDenied", status=403)
    with pytest.raises(ClientError) as raised:
        make_ssm_client(ec2).get_parameters(Names=["/golden"])
    assert error_of(raised) == ("AccessDeniedException", 400)
    s3 = make_s3_client(ec2)
    s3.create_bucket(Bucket="farm")
    with pytest.raises(ClientError) as raised:
        s3.put_object(Bucket="farm", Key="a", Body=b"")
    assert error_of(raised) == ("AccessDenied", 403)
    assert s3.list_objects_v2(Bucket="farm").get("Contents") is None
