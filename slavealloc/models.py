"""What slavealloc decides on and what it decides; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

Silo = tuple[int | None, ...]
"""A worker's pool, distro, bitlength, speed, purpose, datacenter, trustlevel, environment: ids."""

Loads = Mapping[Silo, Mapping[int, int]]
"""Silo → master → how many of the silo's live workers it serves."""

SHIPPED_NAMES = ("buildbot-worker", "buildslave")
"""The tac templates that come with a release; their rows need no text."""


class Reason(StrEnum):
    """Why a worker is sent where it is sent."""

    CHOSEN = "chosen"
    KEPT = "kept"
    LOCKED = "locked"
    DISABLED = "disabled"


@dataclass(frozen=True, kw_only=True, slots=True)
class Master:
    """A Buildbot master."""

    id: int
    nickname: str
    fqdn: str
    pb_port: int
    pool_id: int
    enabled: bool
    notes: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker:
    """A worker that asks for its place.

    `counted`: it asked lately, so it is among its current master's. `password` and `template` are
    None where there is none for it.
    """

    id: int
    name: str
    enabled: bool
    notes: str
    silo: Silo
    basedir: str | None
    counted: bool
    password: str | None
    template: str | None
    locked_master_id: int | None
    current_master_id: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """Where a worker is sent; `master` is None for a disabled one."""

    worker: Worker
    master: Master | None
    reason: Reason

    @property
    def moved(self) -> bool:
        """Whether the worker's row names another master."""
        return self.worker.current_master_id != (self.master.id if self.master else None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """Why a worker that is known gets no place."""

    worker: Worker
    why: str
