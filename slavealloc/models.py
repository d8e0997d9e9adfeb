"""What slavealloc decides on and what it decides; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

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
class Turn:
    """What the lock's row says, with the database's clock."""

    generation: int
    edits: int
    now: datetime


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


class Worker(NamedTuple):  # a storm makes thousands: a third of what a frozen dataclass takes
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
class Rules:
    """What is the same for many workers.

    `passwords`: pool and distro, or None for any distro → password. `templates`: by id, and by
    name.
    """

    masters: Mapping[int, Master]
    passwords: Mapping[tuple[int, int | None], str]
    templates: Mapping[int | str, str | None]
    default_template: str

    def find_password(self, *, pool_id: int | None, distro_id: int | None) -> str | None:
        """Return the distro's own password in a pool, else the one for all."""
        if pool_id is None:
            return None
        return self.passwords.get((pool_id, distro_id), self.passwords.get((pool_id, None)))

    def find_template(self, template_id: int | None) -> str | None:
        """Return the template's text; None where there is none."""
        return self.templates.get(template_id or self.default_template)


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
