"""IAM as it decides about one request, for the policies that farmhand ships.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html.
What our policies do not use is refused, so that nothing passes because it was not understood.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

POLICIES = Path(__file__).parent.parent / "configs" / "iam"
VARIABLE = re.compile(r"\$\{([^}]+)\}")
OPERATOR = re.compile(r"(?P<set>ForAllValues:)?StringEquals(?P<optional>IfExists)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """One question to IAM: may this be done to that? `context` is condition key → its values."""

    action: str
    resource: str
    context: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """One line of a condition: every one of them must hold."""

    key: str
    wanted: tuple[str, ...]
    for_all: bool
    optional: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """One `Allow` of a policy."""

    policy: str
    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """What a request may be done by: the line of a policy that allows it, and nothing less."""

    policy: str
    sid: str
    action: str
    resource: str


@cache
def load_policies() -> tuple[Statement, ...]:
    """Read all policies that are shipped."""
    paths = sorted(path for path in POLICIES.glob("*.json") if not path.stem.startswith("trust"))
    return tuple(each for path in paths for each in read_policy(path.stem, path.read_text()))


def read_policy(name: str, text: str) -> tuple[Statement, ...]:
    """Read a policy document; raises ValueError for what this IAM does not know."""
    document = json.loads(text)
    if document.pop("Version") != "2012-10-17" or document.keys() != {"Statement"}:
        raise ValueError(f"{name}: expected Version 2012-10-17 and Statement")
    return tuple(_read_statement(name, each) for each in document["Statement"])


def _read_statement(policy: str, item: Mapping[str, Any]) -> Statement:
    unknown = item.keys() - {"Sid", "Effect", "Action", "Resource", "Condition"}
    if unknown or item["Effect"] != "Allow":
        raise ValueError(f"{policy}: {item.get('Sid')}: {unknown or item['Effect']}")
    return Statement(
        policy=policy,
        sid=item["Sid"],
        actions=_texts(item["Action"]),
        resources=_texts(item["Resource"]),
        conditions=tuple(
            _read_condition(operator, key, values)
            for operator, lines in item.get("Condition", {}).items()
            for key, values in lines.items()
        ),
    )


def _read_condition(operator: str, key: str, values: Any) -> Condition:
    known = OPERATOR.fullmatch(operator)
    if known is None:
        raise ValueError(f"{key}: unknown operator {operator}")
    return Condition(
        key=key,
        wanted=_texts(values),
        for_all=known["set"] is not None,
        optional=known["optional"] is not None,
    )


def _texts(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def find_grant(statements: Iterable[Statement], ask: Ask) -> Grant | None:
    """Find what allows a request; nothing means that it is denied."""
    for statement in statements:
        if not all(_holds(each, ask.context) for each in statement.conditions):
            continue
        for action in statement.actions:
            for resource in statement.resources:
                if _matches(action, resource, ask):
                    return Grant(
                        policy=statement.policy,
                        sid=statement.sid,
                        action=action,
                        resource=resource,
                    )
    return None


def _matches(action: str, resource: str, ask: Ask) -> bool:
    """Match an action, whose case does not count, and an ARN, whose `*` also passes a slash."""
    pattern = fill_in(resource, ask.context)
    return (
        fnmatchcase(ask.action.lower(), action.lower())
        and pattern is not None
        and fnmatchcase(ask.resource, pattern)
    )


def _holds(condition: Condition, context: Mapping[str, Sequence[str]]) -> bool:
    """Tell whether a condition holds; a key or a variable that the request lacks never does.

    But `…IfExists` and `ForAllValues:` hold where the key is not there.
    """
    found = context.get(condition.key)
    if found is None:
        return condition.optional or condition.for_all
    wanted = {fill_in(each, context) for each in condition.wanted}
    return all(each in wanted for each in found) if condition.for_all else found[0] in wanted


def fill_in(text: str, context: Mapping[str, Sequence[str]]) -> str | None:
    """Replace a policy's variables; None where the request has no such value.

    >>> fill_in("role/${aws:PrincipalTag/team}/*", {"aws:PrincipalTag/team": ("a",)})
    'role/a/*'
    >>> fill_in("${aws:PrincipalTag/team}", {})
    """
    if any(name not in context for name in VARIABLE.findall(text)):
        return None
    return VARIABLE.sub(lambda found: context[found[1]][0], text)
