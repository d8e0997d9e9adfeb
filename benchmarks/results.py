"""What every measurement yields, and how it is stored: rows, parts, files as JSON; pure."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

MORE_IS_BETTER = {"per second"}


class Kind(StrEnum):
    """Whose number it is: the naive way is the original's, or what one writes first."""

    OURS = "ours"
    NAIVE = "naive"
    PEER = "peer"
    FLOOR = "floor"


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """What was wanted: `on` is `value`, `better` (ours is × better), `floor` (÷), or of `also`."""

    on: str
    sign: str
    bound: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One measured number. Rows of one case and size can be compared.

    `size` is how much work it was; where a case has several, they are plotted. `also` is what else
    was seen. Without a `command` it is the part's.
    """

    case: str
    method: str
    kind: Kind
    value: float
    unit: str
    size: int | None = None
    goals: tuple[Goal, ...] = ()
    also: Mapping[str, float | str] = field(default_factory=dict)
    command: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Something that can be measured alone: `python -m benchmarks NAME`.

    `about_s` is what it takes on two quiet cores; `measure` takes whether to be quick.
    """

    name: str
    title: str
    about: str
    sized_by: str
    about_s: int
    measure: Callable[[bool], list[Row]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """One part as it was measured, and on what."""

    name: str
    title: str
    about: str
    sized_by: str
    date: str
    seconds: float
    quick: bool
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    load: float
    rows: tuple[Row, ...]

    @property
    def command(self) -> str:
        """What measures it again."""
        return f"python -m benchmarks{' --quick' if self.quick else ''} {self.name}"


def replace(stored: Sequence[Found], new: Found, order: Sequence[str]) -> list[Found]:
    """Put a part in the place of what was stored of it, parts in their order."""
    kept = {each.name: each for each in stored} | {new.name: new}
    return [kept[name] for name in order if name in kept]


def to_json(found: Sequence[Found]) -> list[dict[str, Any]]:
    """Turn parts into plain data."""
    return [asdict(each) for each in found]


def from_json(data: Sequence[Mapping[str, Any]]) -> list[Found]:
    """Read what `to_json` made."""
    return [
        Found(**{**part, "rows": tuple(_row_from_json(row) for row in part["rows"])})
        for part in data
    ]


def _row_from_json(data: Mapping[str, Any]) -> Row:
    goals = tuple(Goal(**goal) for goal in data["goals"])
    return Row(**{**data, "kind": Kind(data["kind"]), "goals": goals})


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """A row beside the others of its case and size: how many times better ours is, ÷ the floor."""

    row: Row
    better: float | None
    floor: float | None

    def met(self, goal: Goal) -> bool | None:
        """Whether a goal was reached; None where nothing is there to tell."""
        numbers = {"value": self.row.value, "better": self.better, "floor": self.floor}
        found = numbers.get(goal.on, self.row.also.get(goal.on))
        if not isinstance(found, int | float):
            return None
        return found <= goal.bound if goal.sign == "≤" else found >= goal.bound


def compare(rows: Sequence[Row]) -> list[Compared]:
    """Set each row beside the first of ours, and the floor, of its case and size."""
    return [
        Compared(
            row=row,
            better=_times(row, _find(rows, row, Kind.OURS)) if row.kind is not Kind.OURS else None,
            floor=_times(row, _find(rows, row, Kind.FLOOR)),
        )
        for row in rows
    ]


def _find(rows: Sequence[Row], like: Row, kind: Kind) -> Row | None:
    found = (row for row in rows if (row.case, row.size, row.kind) == (like.case, like.size, kind))
    return next(found, None)


def _times(row: Row, other: Row | None) -> float | None:
    """How many times worse a row is than another one.

    >>> fast = Row(case="", method="a", kind=Kind.OURS, value=50.0, unit="per second")
    >>> _times(Row(case="", method="b", kind=Kind.NAIVE, value=5.0, unit="per second"), fast)
    10.0
    """
    if other is None:
        return None
    above, below = row.value, other.value
    if row.unit in MORE_IS_BETTER:
        above, below = below, above
    return above / below if below else None


def plots(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Find the cases that were measured at several sizes: case → its rows."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.size is not None and 0 < row.value < math.inf:
            found.setdefault(row.case, []).append(row)
    return {case: each for case, each in found.items() if len({row.size for row in each}) > 1}
