"""Who asks, and what they changed; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Action = Literal["add", "edit", "delete"]
Stored = str | int | bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Who makes a change: a token's name, or USER@HOST of a verb that opens the database."""

    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What was done to one row; `changes`: column → (before, after), only those that differ."""

    table: str
    row_id: int
    row_name: str
    action: Action
    changes: Mapping[str, tuple[Stored, Stored]]
