"""The policies at work: each command under its own, and nothing in them that no command needs."""

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.ec2_client import make_client, make_s3_client, make_ssm_client
from tests.ec2_control import Ec2Server
from tests.farm import BUILD, REGIONS, TYPES, Farm
from tests.iam import Grant, load_policies
from tests.journal import minutes_ago
from tests.processes import Finished
from tests.sanities import DAYS, add_stopped, add_volume, age_findings
from tests.stops import RestServer, add_idle_machine, add_machine

pytestmark = pytest.mark.integration
EAST = REGIONS[0]
BLD = TYPES[0]
THEIRS = {"farmhand:farm": "staging"}
READING = (
    ("check",),
    ("explain", BUILD),
    ("status",),
    ("run", "--dry-run"),
    ("stop-idle", "--dry-run"),
    ("sanity", "--dry-run"),
    ("sanity", "--fix", "--dry-run"),
    ("amis", "prune", "--dry-run", "--keep-last", "1"),
    ("amis", "publish", "s3://farm-public/amis.json", "--dry-run"),
)


def run_as(farm: Farm, policies: str, *args: str) -> Finished:
    """Run a command as a role that has only these policies."""
    return farm.run(*args, AWS_ACCESS_KEY_ID=f"test.{policies}")


def make_role(ec2: Ec2Server, name: str) -> None:
    """Make an instance profile, and the role in it, as the manual says."""
    iam = boto3.client(
        "iam",
        EAST,
        endpoint_url=ec2.url,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    if name not in {each["RoleName"] for each in iam.list_roles()["Roles"]}:
        iam.create_role(RoleName=name, Path="/farmhand/test/", AssumeRolePolicyDocument="{}")
        iam.create_instance_profile(InstanceProfileName=name)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)


def grants_used(ec2: Ec2Server) -> set[Grant]:
    """Collect what allowed the calls so far."""
    return {
        Grant(policy=policy, sid=sid, action=action, resource=resource)
        for call in ec2.calls()
        for policy, sid, action, resource in call.grants
    }


@pytest.fixture
def rich(farm: Farm, master: RestServer) -> Farm:
    """A farm that uses all there is: parameters, a role, keys, old AMIs, and what is wrong."""
    make_role(farm.ec2, "bld")
    ssm = make_ssm_client(farm.ec2)
    ssm.put_parameter(Name="/golden/bld", Value=farm.amis[EAST, BLD], Type="String")
    place = farm.watch["instance_types"][BLD]["regions"][EAST]
    group = farm.ec2.add_security_group(EAST)
    place |= {"ami": "resolve:ssm:/golden/bld", "instance_profile": "bld", "ssh_key": "build"}
    place |= {"security_groups": [group]}
    client = make_client(farm.ec2)
    client.create_key_pair(KeyName="build")
    client.create_launch_template(LaunchTemplateName="t", LaunchTemplateData={"EbsOptimized": True})
    make_s3_client(farm.ec2).create_bucket(Bucket="farm-public")
    for age in (1, 2):
        tags = {"moz-type": BLD, "moz-created": str(1_000_000 - age), "farmhand:farm": "test"}
        farm.ec2.add_image(EAST, f"old-{age}", tags=tags)
    return farm


def test_each_command_works_under_its_policy_and_each_line_of_them_is_needed(rich: Farm) -> None:
    rich.allow_groups()
    rich.add_pending(BUILD, 10)
    assert run_as(rich, "reading.run", "run").code == 0
    assert len(rich.names()) == 10
    for args in READING:
        done = run_as(rich, "reading", *args)
        assert (args, done.code) == (args, 0), done.err
    add_idle_machine(rich, "try-linux64-050")
    assert run_as(rich, "reading.stop-idle", "stop-idle").code == 0
    add_stopped(rich, "bld-linux64-060", since=minutes_ago(30 * DAYS))
    add_volume(rich)
    for _ in range(2):
        assert run_as(rich, "reading.sanity-fix", "sanity", "--fix").code == 0
        age_findings(rich.database, 1.1)
    assert run_as(rich, "reading.amis-prune", "amis", "prune", "--keep-last", "1").code == 0
    for words in ([], ["--public"]):
        target = "s3://farm-public/amis.json"
        assert run_as(rich, "reading.amis-publish", "amis", "publish", target, *words).code == 0
    granted = {
        Grant(policy=each.policy, sid=each.sid, action=action, resource=resource)
        for each in load_policies()
        for action in each.actions
        for resource in each.resources
    }
    assert granted - grants_used(rich.ec2) == set()


def test_another_farms_machine_stays_even_if_it_is_asked_for(farm: Farm) -> None:
    theirs = add_machine(farm, "bld-linux64-001", launched_at=minutes_ago(60), **THEIRS)
    ours = add_machine(farm, "bld-linux64-002", launched_at=minutes_ago(60))
    environ = farm.ec2.env(key="test.all")
    client = boto3.client(
        "ec2",
        EAST,
        endpoint_url=farm.ec2.url,
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key="testing",
    )
    for refused in (
        lambda: client.terminate_instances(InstanceIds=[theirs]),
        lambda: client.terminate_instances(InstanceIds=[ours, theirs]),
        lambda: client.stop_instances(InstanceIds=[ours]),
        lambda: client.create_tags(
            Resources=[theirs], Tags=[{"Key": "farmhand:farm", "Value": "test"}]
        ),
    ):
        with pytest.raises(ClientError, match="UnauthorizedOperation"):
            refused()
    client.terminate_instances(InstanceIds=[ours])
    alive = {each["id"] for each in farm.ec2.instances() if each["state"] == "running"}
    assert alive == {theirs}


def test_a_missing_permission_is_named_with_the_page_that_has_it(farm: Farm) -> None:
    farm.add_pending()
    done = run_as(farm, "reading", "run")
    assert (done.code, farm.names()) == (3, [])
    assert "this role lacks ec2:RunInstances, see docs/iam.md" in done.err
    assert "Encoded" not in done.err
    nothing = run_as(farm, "stop-idle", "run")
    assert nothing.code == 4
    assert "this role lacks ec2:DescribeInstances, see docs/iam.md" in nothing.err
    published = run_as(farm, "reading", "amis", "publish", "s3://farm-public/amis.json")
    assert published.code == 3
    assert "this role lacks s3:PutObject, see docs/iam.md" in published.err
