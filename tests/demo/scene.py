"""The farm at one moment, as it can be seen from outside; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Doing(StrEnum):
    """What a machine does, in the words of the table."""

    STARTING = "starting"
    BOOTING = "booting"
    BUILDING = "building"
    IDLE = "idle"
    LEAVING = "leaving"
    BETWEEN = "between rounds"
    DRAINING = "draining"
    STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A build request; times in seconds since 1970, as whole as Buildbot has them."""

    number: int
    builder: str
    submitted_at: int
    started_at: int | None = None
    ended_at: int | None = None
    worker: str | None = None
    built: bool = False

    @property
    def runs(self) -> bool:
        """Whether a worker is at it."""
        return self.started_at is not None and self.ended_at is None


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """A machine; `task` is what its runner does just now, `seconds` how long the machine was up."""

    instance_id: str
    name: str
    ec2_type: str
    zone: str
    doing: Doing
    usd_per_hour: float
    seconds: float
    round: int = 0
    task: str = ""
    why: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker:
    """How Buildbot sees a worker."""

    connected: bool
    paused: bool
    graceful: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """Everything at one moment."""

    jobs: Sequence[Job] = ()
    machines: Sequence[Seen] = ()
    workers: Mapping[str, Worker] | None = None

    def waiting(self) -> int:
        """Count the jobs that nobody has begun."""
        return sum(job.started_at is None for job in self.jobs)

    def running(self) -> int:
        """Count the jobs that are under way."""
        return sum(job.runs for job in self.jobs)

    def built(self) -> int:
        """Count the jobs that are done."""
        return sum(job.built for job in self.jobs)

    def up(self) -> int:
        """Count the machines that are there."""
        return sum(machine.doing is not Doing.STOPPED for machine in self.machines)

    def paused(self) -> list[str]:
        """Name the workers that Buildbot keeps paused."""
        return sorted(name for name, worker in (self.workers or {}).items() if worker.paused)


def judge(worker: Worker | None, *, builds: bool, was_connected: bool) -> Doing:
    """Say what a machine that is up does.

    >>> str(judge(None, builds=False, was_connected=False))
    'booting'
    >>> leaves = Worker(connected=True, paused=False, graceful=True)
    >>> str(judge(leaves, builds=False, was_connected=True))
    'leaving'
    """
    if worker is None or not worker.connected:
        return Doing.BETWEEN if was_connected else Doing.BOOTING
    if worker.paused:
        return Doing.DRAINING
    if builds:
        return Doing.BUILDING
    return Doing.LEAVING if worker.graceful else Doing.IDLE
