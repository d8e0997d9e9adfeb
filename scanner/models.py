"""What the scanner knows of daemons and their jobs, and what it decides of them; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from scanner.transport.wire import Dialect, Status

if TYPE_CHECKING:
    from scanner.transport.calls import Source


class BuildState(StrEnum):
    """Where a build is; TITLES says it in words."""

    NEEDS_BUILD = "needsbuild"
    BUILDING = "building"
    BUILT = "fullybuilt"
    FAILED = "failedtobuild"
    DEPENDENCY_WAIT = "manualdepwait"
    CHROOT_WAIT = "chrootwait"
    CANCELLED = "cancelled"


TITLES: Mapping[BuildState, str] = {
    BuildState.NEEDS_BUILD: "Needs building",
    BuildState.BUILDING: "Currently building",
    BuildState.BUILT: "Fully built",
    BuildState.FAILED: "Failed to build",
    BuildState.DEPENDENCY_WAIT: "Manual dependency wait",
    BuildState.CHROOT_WAIT: "Chroot wait",
    BuildState.CANCELLED: "Cancelled build",
}
# How `WAITING` ends a build.
ENDINGS: Mapping[str, BuildState] = {
    "OK": BuildState.BUILT,
    "PACKAGEFAIL": BuildState.FAILED,
    "DEPFAIL": BuildState.DEPENDENCY_WAIT,
    "CHROOTFAIL": BuildState.CHROOT_WAIT,
}


class QueueStatus(StrEnum):
    """Where a job is; a build that has ended has none."""

    WAITING = "waiting"
    RUNNING = "running"
    CANCELLING = "cancelling"
    HELD = "held"


class StopReason(StrEnum):
    """Why a job is being aborted."""

    CANCEL = "cancel"
    TOO_LONG = "too-long"
    SILENT = "silent"


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A build that a daemon was given: its row of the queue, and what its build counts."""

    queue_id: int
    build_id: int
    name: str
    status: QueueStatus
    score: int
    processor_id: int
    queued_at: datetime
    claimed_at: datetime
    started_at: datetime | None = None
    log_tail: str | None = None
    log_moved_at: datetime | None = None
    stop_reason: StopReason | None = None
    abort_sent_at: datetime | None = None
    failure_count: int = 0
    lost_count: int = 0
    build_type: str | None = None

    @property
    def cookie(self) -> str:
        """What the daemon is told to call it; no daemon ever hears the same one twice."""
        return f"{self.build_id}-{self.queue_id}"

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody wants it to end."""
        return self.status is QueueStatus.CANCELLING


@dataclass(frozen=True, kw_only=True, slots=True)
class Daemon:
    """A row of daemons, and its job."""

    id: int
    name: str
    url: str
    tags: frozenset[str] = frozenset()
    enabled: bool = True
    manual: bool = False
    notes: str | None = None
    clean: bool = True
    failure_count: int = 0
    failing_since: datetime | None = None
    counted_at: datetime | None = None
    not_before: datetime | None = None
    aborting_since: datetime | None = None
    abort_sent_at: datetime | None = None
    fetching_until: datetime | None = None
    last_seen_at: datetime | None = None
    last_state: str | None = None
    last_cookie: str | None = None
    last_error: str | None = None
    dialect: Dialect | None = None
    arity: int | None = None
    build_type: str | None = None
    arch_tag: str | None = None
    version: str | None = None
    job: Job | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """What a daemon said, or why nothing that counts.

    `ours`: it is not to blame for that; `unknown`: it is in a state that nobody knows.
    """

    status: Status | None
    error: str = ""
    ours: bool = False
    unknown: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What the database knows of builds and of attempts: queue id → (build, daemon, has ended)."""

    builds: frozenset[int] = frozenset()
    attempts: Mapping[int, tuple[int, int | None, bool]] = field(default_factory=dict)


class Action(StrEnum):
    """What a run does about one daemon."""

    NOTHING = "nothing"
    WAIT = "wait"
    FOLLOW = "follow"
    COLLECT = "collect"
    REQUEUE = "requeue"
    END = "end"
    STOP = "stop"
    ABORT = "abort"
    CLEAN = "clean"
    READY = "ready"
    MISS = "miss"
    DISABLE = "disable"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What to do about a daemon, and why.

    `state` is what the build ends in, for COLLECT and END. `then` is done after the job's fate is
    written: ABORT or CLEAN. `blamed`: the failure counts for daemon and job, and the counts decide.
    `disables`: once its log is collected, the daemon is disabled.
    """

    action: Action
    reason: str
    state: BuildState | None = None
    then: Action | None = None
    blamed: bool = False
    lost: bool = False
    rescued: bool = False
    critical: bool = False
    score: int | None = None
    stop_reason: StopReason | None = None
    log_required: bool = True
    disables: bool = False


class Fate(StrEnum):
    """What becomes of a job."""

    KEPT = "kept"
    REQUEUED = "requeued"
    ENDED = "ended"


@dataclass(frozen=True, kw_only=True, slots=True)
class JobChange:
    """A job's next row, or its end; `state` is its build's from now on."""

    job: Job
    daemon_id: int
    fate: Fate
    state: BuildState
    reason: str | None = None
    not_before: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Next:
    """What follows from a verdict: the rows to write, and what to do after that.

    `disabled` is why the daemon takes nothing more, until somebody enables it.
    """

    daemon: Daemon
    verdict: Verdict
    change: JobChange | None = None
    disabled: str | None = None
    then: Action | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A job that waits and could run now, and what its daemon must have."""

    queue_id: int
    build_id: int
    processor_id: int
    tags: frozenset[str]
    score: int
    queued_at: datetime
    last_daemon_id: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Free:
    """A daemon that takes a job, and what it can build."""

    daemon_id: int
    processors: frozenset[int]
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """What a daemon must have, and be told, to build a job; `inputs` are (file name, source)."""

    chroot: "Source"
    inputs: tuple[tuple[str, "Source"], ...]
    build_type: str | None
    args: Mapping[str, object] = field(repr=False)
