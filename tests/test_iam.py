"""The policies for AWS: made of what AWS knows, and no way to another farm's machines."""

import json
import re
from collections.abc import Mapping

import pytest
from policy_sentry.querying.actions import get_action_data

from tests.iam import POLICIES, Ask, Statement, find_grant, load_policies, read_policy

HERE = {"aws:PrincipalTag/farmhand:farm": ("prod",), "aws:PrincipalAccount": ("123456789012",)}
MACHINE = "arn:aws:ec2:us-east-1:123456789012:instance/i-1"
SNAPSHOT = "arn:aws:ec2:us-east-1::snapshot/snap-1"
ROLE = "arn:aws:iam::123456789012:role"
EC2: dict[str, tuple[str, ...]] = {"iam:PassedToService": ("ec2.amazonaws.com",)}
OF_FARM = "aws:ResourceTag/farmhand:farm"
LAUNCHED: dict[str, tuple[str, ...]] = {
    "ec2:CreateAction": ("RunInstances",),
    "aws:TagKeys": ("farmhand:farm",),
}
LAUNCHED |= {"aws:RequestTag/farmhand:farm": ("prod",)}
MARKED: dict[str, tuple[str, ...]] = {"aws:RequestTag/farmhand:farm": ("prod",)}
MARKED |= {"aws:TagKeys": ("farmhand:farm", "farmhand:pruned-ami")}
ANY_SERVICE = {"aws:ResourceAccount"}
# EC2 asks for it at each spot launch, as others' policies show; AWS's reference leaves it out.
UNLISTED = {("ec2:RunInstances", "arn:aws:ec2:*:*:spot-instances-request/*")}


def rows_of(action: str) -> list[Mapping[str, list[str]]]:
    """What AWS says of an action: for each kind of resource, which conditions count."""
    service, name = action.split(":")
    return [*get_action_data(service, name)[service]]


def fits(arn_format: str, resource: str) -> bool:
    """Tell whether a policy's resource is of a kind that an action has."""
    if "*" in (arn_format, resource):
        return arn_format == resource
    known = re.sub(r"\$\{[^}]+\}", "*", arn_format).split(":", 5)
    asked = resource.split(":", 5)
    return known[2] == asked[2] and known[5].split("/")[0] in (asked[5].split("/")[0], "*")


@pytest.mark.parametrize("statement", load_policies(), ids=lambda each: f"{each.policy}-{each.sid}")
def test_aws_knows_each_action_resource_and_condition(statement: Statement) -> None:
    for action in statement.actions:
        for resource in statement.resources:
            if (action, resource) in UNLISTED:
                continue
            kinds = [r for r in rows_of(action) if fits(str(r["resource_arn_format"]), resource)]
            assert kinds, (action, resource)
            for key in (each.key for each in statement.conditions):
                generic = re.sub(r"Tag/.*", "Tag/${TagKey}", key)
                known = all(generic in kind["condition_keys"] for kind in kinds)
                assert known or generic in ANY_SERVICE, (action, resource, key)


def test_who_reads_changes_nothing() -> None:
    reading = [each for each in load_policies() if each.policy == "reading"]
    actions = {action for each in reading for action in each.actions}
    levels = {row["access_level"] for action in actions for row in rows_of(action)}
    assert levels <= {"List", "Read"}


def test_nothing_but_looking_is_allowed_on_everything() -> None:
    wide = [each.policy for each in load_policies() if "*" in each.resources]
    assert wide == ["reading"]


def test_the_policies_fit_one_role() -> None:
    texts = [path.read_text() for path in POLICIES.glob("*.json")]
    assert sum(len("".join(text.split())) for text in texts) < 10_240  # IAM's, without spaces


@pytest.mark.parametrize(
    ("action", "resource", "context", "allowed"),
    [
        pytest.param("ec2:TerminateInstances", MACHINE, {OF_FARM: ("prod",)}, True, id="ours"),
        pytest.param("ec2:TerminateInstances", MACHINE, {OF_FARM: ("staging",)}, False, id="its"),
        pytest.param("ec2:TerminateInstances", MACHINE, {}, False, id="nobody's"),
        pytest.param("ec2:StopInstances", MACHINE, {OF_FARM: ("prod",)}, False, id="stopped"),
        pytest.param("ec2:CreateTags", MACHINE, LAUNCHED, True, id="tagged at its launch"),
        pytest.param("ec2:CreateTags", MACHINE, {**MARKED}, False, id="tagged later"),
        pytest.param(
            "ec2:CreateTags",
            MACHINE,
            {OF_FARM: ("prod",), "aws:TagKeys": ("Name",)},
            True,
            id="named later",
        ),
        pytest.param(
            "ec2:CreateTags",
            MACHINE,
            {OF_FARM: ("prod",), "aws:TagKeys": ("Name", "farmhand:farm")},
            False,
            id="given away",
        ),
        pytest.param("ec2:CreateTags", SNAPSHOT, MARKED, True, id="a snapshot marked"),
        pytest.param(
            "ec2:CreateTags",
            SNAPSHOT,
            {**MARKED, OF_FARM: ("staging",)},
            False,
            id="another farm's snapshot marked",
        ),
        pytest.param("ec2:DeleteSnapshot", SNAPSHOT, {}, False, id="a snapshot without a mark"),
        pytest.param("iam:PassRole", f"{ROLE}/farmhand/prod/bld", EC2, True, id="its role"),
        pytest.param("iam:PassRole", f"{ROLE}/farmhand/staging/bld", EC2, False, id="its, staging"),
        pytest.param("iam:PassRole", f"{ROLE}/admin", EC2, False, id="an administrator's role"),
        pytest.param(
            "s3:PutObject",
            "arn:aws:s3:::b/amis.json",
            {"aws:ResourceAccount": ("999999999999",)},
            False,
            id="another account's bucket",
        ),
    ],
)
def test_what_all_policies_together_allow(
    action: str, resource: str, context: Mapping[str, tuple[str, ...]], allowed: bool
) -> None:
    ask = Ask(action=action, resource=resource, context={**HERE, **context})
    assert (find_grant(load_policies(), ask) is not None) is allowed


def test_a_role_without_a_farm_changes_nothing() -> None:
    context = {OF_FARM: ("prod",), **LAUNCHED, **EC2}
    for action, resource in [
        ("ec2:TerminateInstances", MACHINE),
        ("ec2:CreateTags", MACHINE),
        ("iam:PassRole", f"{ROLE}/farmhand/prod/bld"),
    ]:
        ask = Ask(action=action, resource=resource, context=context)
        assert find_grant(load_policies(), ask) is None


ALLOW: dict[str, object] = {"Sid": "A", "Effect": "Allow", "Action": "a:B", "Resource": "*"}


@pytest.mark.parametrize(
    ("version", "statement"),
    [
        pytest.param("2008-10-17", ALLOW, id="version"),
        pytest.param("2012-10-17", {**ALLOW, "Effect": "Deny"}, id="deny"),
        pytest.param("2012-10-17", {**ALLOW, "NotAction": "*"}, id="not action"),
        pytest.param(
            "2012-10-17", {**ALLOW, "Condition": {"StringLike": {"a": "b"}}}, id="operator"
        ),
    ],
)
def test_what_it_does_not_understand_it_refuses(
    version: str, statement: Mapping[str, object]
) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_policy("test", json.dumps({"Version": version, "Statement": [statement]}))
