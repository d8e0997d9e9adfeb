"""What sanity sees, finds and does about it, as frozen data; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from watch_pending.backoff_models import Backoff
from watch_pending.models import Instance, OpenLaunch, Snapshot
from watch_pending.stop_idle.models import Workload


@dataclass(frozen=True, kw_only=True, slots=True)
class Volume:
    """An EBS volume that bears a farm's tag. Source: DescribeVolumes."""

    volume_id: str
    region: str
    farm: str | None
    state: str
    size_gib: int
    name: str = ""
    loaned_to: str = ""
    instance_ids: tuple[str, ...] = ()


class Kind(StrEnum):
    """What can be wrong; the order is that of the report."""

    ORPHAN = "orphan"
    NAME_TWICE = "name_twice"
    LIMIT_EXCEEDED = "limit_exceeded"
    BAD_SETTINGS = "bad_settings"
    STUCK_STOP = "stuck_stop"
    IMPAIRED = "impaired"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_STATE = "unknown_state"
    LONG_RUNNING = "long_running"
    LONG_STOPPED = "long_stopped"
    NO_JOURNAL = "no_journal"
    NO_INSTANCE = "no_instance"
    UNATTACHED_VOLUME = "unattached_volume"
    PAUSED_NAME = "paused_name"
    PAUSED = "paused"
    LOANED = "loaned"


READY = "ready"  # the moz-state of a machine in service
SUBJECT_LENGTH = 255  # of findings.subject

Key = tuple[str, str]
"""A finding's kind and subject, which sanity remembers it by."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong; `subject` tells it from others of its kind.

    `id` is EC2's, where it has one. `age_s` is None where nobody knows. One that is not `confirmed`
    counts only when a later run finds it too, or still.
    """

    kind: Kind
    subject: str
    why: str
    region: str | None = None
    id: str = ""
    name: str = ""
    instance_type: str = ""
    age_s: float | None = None
    usd_per_month: float | None = None
    confirmed: bool = True

    @property
    def key(self) -> Key:
        """What it is remembered by."""
        return (self.kind.value, self.subject[:SUBJECT_LENGTH])


@dataclass(frozen=True, kw_only=True, slots=True)
class Stuck:
    """A machine on its way out that does not get on."""

    name: str
    instance_id: str
    instance_type: str
    region: str
    state: str
    detail: str
    began_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """All that sanity's judgement rests on, read once.

    `snapshot` also has machines that EC2 does not show; `shown` are those it does. `listed`,
    `checked` and `measured` are the regions whose instances, status checks and volumes are known.
    `workload` is None where the scheduler database did not answer. `missing` are what the farm
    database has and EC2 has not, `journal` and `paid` what launches say: tokens and instance ids,
    and each one's price; it goes back `journal_s`. `memory`: what earlier runs found → for how many
    seconds, by the database's clock. `stopped_names`: of machines that stop-idle has ended.
    """

    snapshot: Snapshot
    now: datetime
    shown: frozenset[str]
    listed: frozenset[str]
    checked: frozenset[str]
    measured: frozenset[str]
    lost: Mapping[str, str] = field(default_factory=dict)
    workload: Workload | None = None
    missing: tuple[Instance | OpenLaunch, ...] = ()
    volumes: tuple[Volume, ...] = ()
    impaired: Mapping[str, str] = field(default_factory=dict)
    journal: frozenset[str] = frozenset()
    journal_s: float = 0.0
    paid: Mapping[str, float] = field(default_factory=dict)
    memory: Mapping[Key, float] = field(default_factory=dict)
    stuck: tuple[Stuck, ...] = ()
    bad_settings: tuple[Backoff, ...] = ()
    stopped_names: frozenset[str] = frozenset()

    @property
    def is_whole(self) -> bool:
        """Whether the instances of all regions are known."""
        return not (self.lost.keys() - self.listed)


class Step(StrEnum):
    """What `--fix` does about a finding."""

    TERMINATE = "terminate"
    DELETE_VOLUME = "delete_volume"
    CLOSE_ROW = "close_row"
    UNPAUSE = "unpause"


@dataclass(frozen=True, kw_only=True, slots=True)
class Remedy:
    """What is to be done about a finding: by `--fix`, or in words by a person."""

    finding: Finding
    step: Step | None
    advice: str


class Fate(StrEnum):
    """What became of a remedy."""

    FIXED = "fixed"
    WOULD_FIX = "would_fix"
    LEFT = "left"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class FixOutcome:
    """What became of a remedy, and why."""

    remedy: Remedy
    fate: Fate
    why: str
