"""What is found wrong in files and farms, and its JSON; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One mistake: a stable code, where it is, what is wrong and what to do.

    One that is not `severe` is something to look at.
    """

    code: str
    where: str
    message: str
    severe: bool = True


Kinds = Mapping[str, Sequence[Finding]]


def split_by_kind(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """Tell errors from warnings, by the names they have in JSON."""
    kinds: dict[str, list[Finding]] = {"errors": [], "warnings": []}
    for each in findings:
        kinds["errors" if each.severe else "warnings"].append(each)
    return kinds


def to_json(kinds: Kinds) -> dict[str, list[dict[str, str]]]:
    """Make what `--json` prints of them."""
    return {
        kind: [{"code": each.code, "where": each.where, "message": each.message} for each in found]
        for kind, found in kinds.items()
    }
