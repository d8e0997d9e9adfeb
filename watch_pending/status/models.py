"""What status shows, as frozen data; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from watch_pending.backoff_models import Backoff
from watch_pending.models import Instance, Snapshot
from watch_pending.stop_idle.models import Workload


@dataclass(frozen=True, kw_only=True, slots=True)
class Life:
    """How long a machine has lived; `ended_at` is None while it does."""

    instance: Instance
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRow:
    """A verb's last run that ended, or was killed (`exit_code` None), and one that is at work.

    `why` is what its summary says of what it could not do.
    """

    verb: str
    started_at: datetime | None = None
    exit_code: int | None = None
    at_work_since: datetime | None = None
    why: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """All that is shown, read once.

    `workload` is None where the scheduler database did not answer. `lost`: what did not → why.
    """

    snapshot: Snapshot
    now: datetime
    workload: Workload | None
    lives: tuple[Life, ...]
    paid: Mapping[str, float]
    back_offs: tuple[Backoff, ...]
    runs: tuple[RunRow, ...]
    lost: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class TypeRow:
    """One instance type's line; None is what nobody can tell.

    `other` are machines that do none of these: stopped, paused, lost, on their way out.
    `unpriced` machines are in none of the two sums of money.
    """

    instance_type: str
    pending: int | None
    oldest_wait_s: float | None
    idle: int | None
    busy: int | None
    booting: int
    other: int | None
    live: Mapping[str, int]
    limits: Mapping[str, int]
    usd_per_hour: float
    usd_today: float
    unpriced: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """What the farm is doing now."""

    farm: str
    now: datetime
    types: tuple[TypeRow, ...]
    unmatched: int | None
    back_offs: tuple[Backoff, ...]
    runs: tuple[RunRow, ...]
    masters_alive: tuple[str, ...] | None
    masters_away: tuple[str, ...]
    lost: Mapping[str, str]
