"""What stop-idle sees, decides and reports, as frozen data; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from watch_pending.models import Instance, Snapshot


@dataclass(frozen=True, kw_only=True, slots=True)
class Activity:
    """What a worker does, as the scheduler database has it.

    `masters` are those it is connected to and that are alive; `away` those it counts as connected
    to and that are not, for less than a day. `hung`: its build waits for an answer of the worker,
    for minutes.
    `pause_reason` is None where Buildbot keeps none. `host` is the instance id that the worker
    tells of its machine, as our runner lets it.
    """

    name: str
    worker_id: int = 0
    connected: bool = False
    masters: tuple[str, ...] = ()
    away: tuple[str, ...] = ()
    building: bool = False
    hung: bool = False
    paused: bool = False
    pause_reason: str | None = ""
    graceful: bool = False
    last_build_ended_at: datetime | None = None
    host: str = ""

    def is_paused_by(self, farm: str) -> bool:
        """Whether it was us who paused it; where no reasons are kept, nobody can tell."""
        return self.paused and (self.pause_reason or "").startswith(f"farmhand {farm}:")


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """What the farm's workers do, at one moment; `clock` is the database's own.

    `workers` is None before Buildbot 0.9, whose tables do not say which worker builds: there all
    are `busy` while anything is built, and idle since the last build `ended_at`.
    `starting` are masters that are about to give a build to a worker, nobody can tell which.
    """

    clock: datetime
    workers: Mapping[str, Activity] | None
    masters_alive: frozenset[str] = frozenset()
    masters_away: frozenset[str] = frozenset()
    starting: frozenset[str] = frozenset()
    busy: bool = False
    ended_at: datetime | None = None

    def of(self, name: str, instance_id: str) -> Activity | None:
        """Say what an instance's worker does; None where Buildbot does not know the worker.

        One that is connected from another machine is not connected from this one.
        """
        if self.workers is None:
            return Activity(
                name=name, connected=True, building=self.busy, last_build_ended_at=self.ended_at
            )
        activity = self.workers.get(name)
        if activity is None or activity.host in {"", instance_id}:
            return activity
        return replace(activity, connected=False, masters=(), away=(), building=False, hung=False)


class Reason(StrEnum):
    """Why a machine stops; one that is abandoned, paused by us and forgotten, is only unpaused."""

    IDLE = "idle"
    TOO_OLD = "too_old"
    IMPAIRED = "impaired"
    NEVER_CONNECTED = "never_connected"
    LOST = "lost"
    HUNG = "hung"
    ABANDONED = "abandoned"


class Kept(StrEnum):
    """Why a machine does not."""

    BUILDING = "building"
    NEEDED = "needed"
    MINIMUM = "minimum"
    IDLE_TOO_SHORT = "idle_too_short"
    TOO_YOUNG = "too_young"
    BOOTING = "booting"
    BETWEEN_ROUNDS = "between_rounds"
    LEAVING = "leaving"
    PAUSED = "paused"
    DISABLED = "disabled"
    LOANED = "loaned"
    UNTAGGED = "untagged"
    MASTER_AWAY = "master_away"
    STOPPING = "stopping"


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """What is to become of one machine, and why, in words.

    `masters` are where its worker is to be paused first.
    """

    instance: Instance
    verdict: Reason | Kept
    why: str
    masters: tuple[str, ...] = ()
    idle_s: float | None = None


class StopState(StrEnum):
    """How far a stop has come; docs/watch-pending.md draws it."""

    PAUSING = "pausing"
    TERMINATING = "terminating"
    STOPPED = "stopped"
    RELEASING = "releasing"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stop:
    """A machine on its way out: a row of the journal. `expired` is by the database's clock."""

    id: int
    state: StopState
    reason: Reason
    detail: str
    instance_id: str
    name: str
    instance_type: str
    region: str
    masters: tuple[str, ...]
    began_at: datetime
    expired: bool = False


class Step(StrEnum):
    """What is next for a machine on its way out."""

    STOP = "stop"  # pause, look again, terminate
    DRAIN = "drain"  # it stays paused until its build is done
    RELEASE = "release"  # it is let go after all
    UNPAUSE = "unpause"  # its name is free, once no master keeps it paused
    CLOSE = "close"
    WAIT = "wait"


class Fate(StrEnum):
    """What became of a machine in this run."""

    STOPPED = "stopped"
    DRAINING = "draining"
    RELEASED = "released"
    CLEARED = "cleared"
    WAITING = "waiting"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class StopOutcome:
    """What became of one machine, and why."""

    stop: Stop
    fate: Fate
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """All that a decision to stop rests on, read once; `now` is the earliest of all clocks.

    `listed` are the regions whose instances are known, `shown` those that EC2 has shown just now,
    and `impaired` those that fail its own checks: id → which. `known` are those that an earlier
    run has seen, `disabled` the workers that slavealloc has taken out of service.
    """

    snapshot: Snapshot
    workload: Workload
    now: datetime
    listed: frozenset[str]
    shown: frozenset[str]
    known: frozenset[str] = frozenset()
    disabled: frozenset[str] = frozenset()
    needed: frozenset[str] = frozenset()
    impaired: Mapping[str, str] = field(default_factory=dict)
