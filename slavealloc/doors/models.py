"""Who asks, and what they changed; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
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


class Scope(StrEnum):
    """What a token is good for: a machine's opens /gettac alone, where that asks for one."""

    WRITE = "write"
    MACHINE = "machine"


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A token that is known; `stale`: its last use was not noted within the hour."""

    id: int
    name: str
    scope: Scope
    revoked: bool
    stale: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedToken:
    """What is shown of a token."""

    id: int
    name: str
    scope: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """Who sent a request: nobody known, or who holds a token; `problem`: why it is not good."""

    token: Token | None = None
    problem: str | None = None
