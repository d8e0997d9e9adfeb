"""SSM parameters that stand for AMIs, as EC2 itself writes them in launch templates; pure."""

import re
from collections.abc import Iterable, Mapping

PREFIX = "resolve:ssm:"
REFERENCE = re.compile(rf"{PREFIX}[A-Za-z0-9_./-]+(:[A-Za-z0-9_.-]+)?")
AMI = re.compile(r"ami-[0-9a-f]+")


def is_parameter(ami: str | None) -> bool:
    """Whether an AMI is named by a parameter.

    >>> is_parameter("resolve:ssm:/golden/bld:3"), is_parameter("ami-0123"), is_parameter(None)
    (True, False, False)
    """
    return ami is not None and ami.startswith(PREFIX)


def name_parameter(reference: str) -> str:
    """Cut the name that SSM is asked for out of a reference, its version or label included.

    >>> name_parameter("resolve:ssm:/golden/bld:stable")
    '/golden/bld:stable'
    """
    return reference.removeprefix(PREFIX)


def reference_problem(ami: str | None) -> str | None:
    """Say why what names a parameter can't, or None.

    >>> reference_problem("resolve:ssm:/golden/bld"), reference_problem("ami-0123")
    (None, None)
    >>> reference_problem("resolve:ssm:")
    'expected resolve:ssm:NAME, resolve:ssm:NAME:VERSION or resolve:ssm:NAME:LABEL'
    """
    if not is_parameter(ami) or REFERENCE.fullmatch(ami or ""):
        return None
    return "expected resolve:ssm:NAME, resolve:ssm:NAME:VERSION or resolve:ssm:NAME:LABEL"


def why_unresolved(
    reference: str, values: Mapping[str, str], available: Iterable[str]
) -> str | None:
    """Say why a parameter gives no AMI that can be launched, or None.

    What it holds instead is not told: it may be a secret.

    >>> why_unresolved("resolve:ssm:/x", {}, [])
    'the SSM parameter /x does not exist'
    """
    name = name_parameter(reference)
    value = values.get(name)
    if value is None:
        return f"the SSM parameter {name} does not exist"
    if not AMI.fullmatch(value):
        return f"the SSM parameter {name} holds no AMI id"
    if value not in available:
        return f"{value}, of the SSM parameter {name}, does not exist or is not available"
    return None
