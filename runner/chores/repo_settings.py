"""Settings of the chores that look after repositories; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from runner.chores.kinds import AbsolutePath, Command, Limit, Pattern, Place, Positive, Word

FORBID: Mapping[str, str] = {"extra": "forbid"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Repository:
    """A checkout: where it comes from, where it is, and of what; else of the default branch."""

    __pydantic_config__: ClassVar[Mapping[str, str]] = FORBID

    url: Word
    path: Place
    vcs: Literal["git", "hg"] = "git"
    branch: Word | None = None
    revision: Word | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkout:
    """Checkouts that are as said before the worker starts, by name."""

    __pydantic_config__: ClassVar[Mapping[str, str]] = FORBID

    repositories: Mapping[str, Repository] = field(default_factory=dict)
    git: Command = "git"
    hg: Command = "hg"
    timeout_s: Limit = 1800


@dataclass(frozen=True, kw_only=True, slots=True)
class UpdateSharedRepos:
    """Clones that builds share: those below `directory`, but for whose path a pattern matches."""

    __pydantic_config__: ClassVar[Mapping[str, str]] = FORBID

    directory: AbsolutePath | None = None
    exclude: tuple[Pattern, ...] = ()
    depth: Positive = 3
    parallel: Positive = 4
    pull_s: Limit = 600
    deadline_s: Limit = 1500
    git: Command = "git"
    hg: Command = "hg"
