"""Who may do what on the EC2 stand-in: which questions a call is to IAM, and their answers.

A key `FARM.POLICY.POLICY…` is a role that is tagged with that farm and has those of the shipped
policies, `FARM.all` all of them. Any other key is an administrator's. Source of which resources a
call is about: the service authorization reference of EC2, Systems Manager and S3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from moto.iam.models import iam_backends

from tests import ec2_moto
from tests.ec2_query import Ec2Error, Reply, groups, list_param
from tests.ec2_services import error_reply
from tests.ec2_state import Call
from tests.iam import Ask, find_grant, load_policies

KEY = re.compile(r"Credential=(?P<key>[^/]+)/")
ALL = "all"
FARM_KEY = "aws:PrincipalTag/farmhand:farm"
KINDS = {
    "i": "instance",
    "vol": "volume",
    "snap": "snapshot",
    "ami": "image",
    "subnet": "subnet",
    "sg": "security-group",
}
OF_NO_ACCOUNT = {"image", "snapshot"}
# What a call is about, by the form field that names it; a call that is not here is about nothing.
NAMED_BY = {
    "TerminateInstances": "InstanceId",
    "CreateTags": "ResourceId",
    "DeregisterImage": "ImageId",
    "DeleteSnapshot": "SnapshotId",
    "DeleteVolume": "VolumeId",
}
MADE_BY_LAUNCH = ("instance", "volume", "network-interface", "spot-instances-request")
Context = Mapping[str, Sequence[str]]


def refuse(call: Call, authorization: str) -> Reply | None:
    """Refuse a call as AWS does, or note in it what allows it and return None."""
    found = KEY.search(authorization)
    farm, *names = found["key"].split(".") if found else [""]
    if not names:
        return None
    statements = [each for each in load_policies() if each.policy in names or ALL in names]
    principal = {FARM_KEY: (farm,), "aws:PrincipalAccount": (ec2_moto.ACCOUNT,)}
    for ask in questions(call, principal):
        grant = find_grant(statements, ask)
        if grant is None:
            return _denial(call, ask)
        call.grants.append([grant.policy, grant.sid, grant.action, grant.resource])
    return None


def _denial(call: Call, ask: Ask) -> Reply:
    role = f"arn:aws:sts::{ec2_moto.ACCOUNT}:assumed-role/farmhand-manager/i-00000000000000001"
    said = (
        f"User: {role} is not authorized to perform: {ask.action} on resource: {ask.resource} "
        f"because no identity-based policy allows the {ask.action} action"
    )
    if call.service == "ssm":
        return error_reply(call, "AccessDeniedException", said, 400)
    if call.service == "s3":
        return error_reply(call, "AccessDenied", said, 403)
    encoded = "oT4q" * 100
    message = f"You are not authorized to perform this operation. {said}. "
    message += f"Encoded authorization failure message: {encoded}"
    return Ec2Error("UnauthorizedOperation", message, 403).reply()


def questions(call: Call, principal: Context) -> Iterator[Ask]:
    """List what IAM is asked for a call; the first denial ends it."""
    if call.service == "ssm":
        for name in list_param(call.params, "Names"):
            path = name.partition(":")[0].removeprefix("/")
            arn = f"arn:aws:ssm:{call.region}:{ec2_moto.ACCOUNT}:parameter/{path}"
            yield Ask(action="ssm:GetParameters", resource=arn, context=principal)
    elif call.service == "s3":
        yield from _about_object(call, principal)
    elif call.action == "RunInstances":
        yield from _about_launch(call, principal)
    elif call.action in NAMED_BY:
        for each in list_param(call.params, NAMED_BY[call.action]) or [
            call.params[NAMED_BY[call.action]]
        ]:
            tags = ec2_moto.backend(call.region).tags.get(each, {})
            context = {**principal, **_resource_tags(tags), **_request_tags(_tags_of(call))}
            yield Ask(
                action=f"ec2:{call.action}", resource=arn_of(call.region, each), context=context
            )
    else:
        yield Ask(action=f"ec2:{call.action}", resource="*", context=principal)


def _about_object(call: Call, principal: Context) -> Iterator[Ask]:
    arn = f"arn:aws:s3:::{call.params['Bucket']}/{call.params['Key']}"
    access = call.params["ACL"]
    context = {**principal, "aws:ResourceAccount": (ec2_moto.ACCOUNT,)}
    context |= {"s3:x-amz-acl": (access,)} if access else {}
    yield Ask(action=f"s3:{call.action}", resource=arn, context=context)
    if access:
        yield Ask(action="s3:PutObjectAcl", resource=arn, context=context)


def _about_launch(call: Call, principal: Context) -> Iterator[Ask]:
    """Ask about everything that a launch makes, then uses; for each kind of it that is tagged."""
    spot = "InstanceMarketOptions.MarketType" in call.params
    made = [kind for kind in MADE_BY_LAUNCH if spot or kind != "spot-instances-request"]
    for kind in made:
        context = {**principal, **_request_tags(call.tags(kind))}
        if kind == "instance":
            tokens = call.params.get("MetadataOptions.HttpTokens", "optional")
            context |= {"ec2:MetadataHttpTokens": (tokens,)}
        arn = f"arn:aws:ec2:{call.region}:{ec2_moto.ACCOUNT}:{kind}/*"
        yield Ask(action="ec2:RunInstances", resource=arn, context=context)
        if call.tags(kind):
            tagging = {**context, "ec2:CreateAction": ("RunInstances",)}
            yield Ask(action="ec2:CreateTags", resource=arn, context=tagging)
    for used in _used_by_launch(call):
        yield Ask(action="ec2:RunInstances", resource=used, context=principal)
    for role in _roles_of(call.params.get("IamInstanceProfile.Name")):
        service = {"iam:PassedToService": ("ec2.amazonaws.com",)}
        yield Ask(action="iam:PassRole", resource=role, context={**principal, **service})


def _used_by_launch(call: Call) -> Iterator[str]:
    interface = next(iter(groups(call.params, "NetworkInterface")), {})
    ids = [call.params.get("ImageId"), interface.get("SubnetId") or call.params.get("SubnetId")]
    chosen = list_param(interface, "SecurityGroupId")
    for each in filter(None, [*ids, *(chosen or ["sg-default"])]):
        yield arn_of(call.region, each)
    if key := call.params.get("KeyName"):
        yield f"arn:aws:ec2:{call.region}:{ec2_moto.ACCOUNT}:key-pair/{key}"


def _roles_of(profile: str | None) -> list[str]:
    """Find the roles in an instance profile; one that nobody made has none."""
    known = iam_backends[ec2_moto.ACCOUNT]["aws"].instance_profiles.values()
    return [role.arn for each in known if each.name == profile for role in each.roles]


def arn_of(region: str, resource_id: str) -> str:
    """Name a resource by its id.

    >>> arn_of("us-east-1", "ami-1")
    'arn:aws:ec2:us-east-1::image/ami-1'
    """
    kind = KINDS[resource_id.partition("-")[0]]
    account = "" if kind in OF_NO_ACCOUNT else ec2_moto.ACCOUNT
    return f"arn:aws:ec2:{region}:{account}:{kind}/{resource_id}"


def _tags_of(call: Call) -> dict[str, str]:
    return {each["Key"]: each.get("Value", "") for each in groups(call.params, "Tag")}


def _request_tags(tags: Mapping[str, str]) -> Context:
    keys = {"aws:TagKeys": tuple(tags)} if tags else {}
    return {**keys, **{f"aws:RequestTag/{key}": (value,) for key, value in tags.items()}}


def _resource_tags(tags: Mapping[str, str]) -> Context:
    return {f"aws:ResourceTag/{key}": (value,) for key, value in tags.items()}
