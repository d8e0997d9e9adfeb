"""What watch-pending sees, decides and reports, as frozen data; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from watch_pending.backoff_models import Backoff, Failures
from watch_pending.backoff_models import Exhausted as Exhausted  # found here too
from watch_pending.config_machines import Market
from watch_pending.source_models import InventoryWorker as InventoryWorker  # found here too
from watch_pending.source_models import Sources

# States in which EC2 may still run, charge for, or bring back a machine.
LIVE_STATES = frozenset({"pending", "running", "stopping", "stopped"})
UP_STATES = frozenset({"pending", "running"})


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingRequests:
    """Build requests of one builder that wait. Source: the scheduler database.

    `priority` is their highest, `oldest` when the first of them was submitted.
    """

    builder: str
    priority: int
    requests: int
    oldest: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerStatus:
    """How Buildbot sees a worker."""

    name: str
    connected: bool = False
    building: bool = False
    paused: bool = False
    graceful: bool = False

    @property
    def draining(self) -> bool:
        """Whether it will be given no further build."""
        return self.paused or self.graceful


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What an instance and a launch that is not seen yet have in common."""

    token: str | None
    name: str
    instance_type: str
    market: Market
    region: str
    availability_zone: str
    subnet: str
    ec2_type: str
    ami: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance(Machine):
    """An EC2 instance, whoever owns it. Source: DescribeInstances.

    `moz_state` and `loaned_to` are its tags `moz-state` and `moz-loaned-to`; `lacks` those that its
    group's list of names says it bears, and it does not. `virtualization` and `root_device` are
    empty where only the farm database knows it. `stopped_at` is when somebody stopped or terminated
    it, where EC2 says so. What it says of its connection is the farm database's; its own clock says
    what "recently" is: within `round_gap_s`.
    """

    instance_id: str
    state: str
    launched_at: datetime
    farm: str | None
    moz_state: str = "ready"
    loaned_to: str = ""
    virtualization: str = ""
    root_device: str = ""
    lacks: tuple[tuple[str, str], ...] = ()
    last_connected_at: datetime | None = None
    connected_since: datetime | None = None
    connected_recently: bool = False
    stopped_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenLaunch(Machine):
    """A launch in the journal whose instance DescribeInstances has not shown yet.

    `begun_at` is the last that is known of it; None within the run that launched it.
    """

    begun_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SpotPrice:
    """An EC2 type's newest price in a zone. Source: DescribeSpotPriceHistory."""

    region: str
    availability_zone: str
    ec2_type: str
    product: str
    usd_per_hour: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Subnet:
    """Where an instance gets its address. Source: DescribeSubnets."""

    subnet_id: str
    region: str
    availability_zone: str
    free_addresses: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """An AMI, and the `resolve:ssm:…` that stand for it. Source: DescribeImages, GetParameters."""

    ami: str
    region: str
    root_device: str
    created: datetime
    instance_type: str | None = None
    ebs_root: bool = True
    virtualization: str = "hvm"
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Cloud:
    """What EC2 says. `lost` are regions of which not all is known: region → why.

    `listed` are the regions whose instances are known, `unresolved` is as in a Snapshot.
    """

    instances: tuple[Instance, ...] = ()
    listed: frozenset[str] = frozenset()
    spot_prices: tuple[SpotPrice, ...] = ()
    subnets: tuple[Subnet, ...] = ()
    images: tuple[Image, ...] = ()
    lost: Mapping[str, str] = field(default_factory=dict)
    unresolved: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """All that a decision rests on, read once.

    `workers` is None where the scheduler database does not know who is connected (before 0.9).
    `generation` was read before everything else; a plan is void once it has moved. `stopping` are
    machines on their way out: instance id → name; `unresolved`, (region, `resolve:ssm:…`) → why.
    `backoffs` are earlier runs' refusals, `bootstraps` how many machines in a row never connected.
    """

    farm: str
    generation: int
    pending: tuple[PendingRequests, ...]
    workers: Mapping[str, WorkerStatus] | None = None
    inventory: tuple[InventoryWorker, ...] = ()
    instances: tuple[Instance, ...] = ()
    open_launches: tuple[OpenLaunch, ...] = ()
    spot_prices: tuple[SpotPrice, ...] = ()
    subnets: tuple[Subnet, ...] = ()
    images: tuple[Image, ...] = ()
    lost_regions: Mapping[str, str] = field(default_factory=dict)
    unresolved: Mapping[tuple[str, str], str] = field(default_factory=dict)
    exhausted: tuple[Exhausted, ...] = ()
    backoffs: tuple[Backoff, ...] = ()
    bootstraps: tuple[Failures, ...] = ()
    launched_this_run: int = 0
    stopping: Mapping[str, str] = field(default_factory=dict)
    sources: Sources = field(default_factory=Sources)


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """Requests that the same machines can serve: one instance type, one set of workers.

    `workers` is None for jobs without a jacuzzi, which run on any worker that is in none. `held`
    says why nobody can tell the workers; then nothing is launched.
    """

    instance_type: str
    workers: frozenset[str] | None
    pending: int
    priority: int
    oldest: datetime
    builders: tuple[str, ...]
    held: str = ""

    @property
    def key(self) -> tuple[str, frozenset[str] | None]:
        """What tells demands apart."""
        return (self.instance_type, self.workers)


@dataclass(frozen=True, kw_only=True, slots=True)
class Capacity:
    """Machines that will take a waiting job without being launched for it."""

    idle: int = 0
    in_flight: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """One place to launch in: a choice among (region, availability zone, EC2 type)."""

    market: Market
    region: str
    availability_zone: str
    ec2_type: str
    ami: str
    price_usd_per_hour: float | None
    max_price_usd_per_hour: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Launch:
    """One machine to start."""

    instance_type: str
    name: str
    subnet: str
    offer: Offer


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """Why fewer machines than wanted; `by` names the limit as the configuration does."""

    by: str
    before: int
    after: int
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DemandPlan:
    """What one demand gets, and why not more. Rejected offers are in words, best known first."""

    demand: Demand
    capacity: Capacity
    need: int
    cuts: tuple[Cut, ...] = ()
    launches: tuple[Launch, ...] = ()
    rejected: tuple[str, ...] = ()

    @property
    def unmet(self) -> int:
        """Machines needed that nothing will start."""
        return self.need - len(self.launches)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a run would do; `unmatched` counts the requests of builders that no pattern matches."""

    demands: tuple[DemandPlan, ...] = ()
    unmatched: Mapping[str, int] = field(default_factory=dict)

    @property
    def launches(self) -> tuple[Launch, ...]:
        """Every machine to start, in order of demand."""
        return tuple(launch for demand in self.demands for launch in demand.launches)


class Status(StrEnum):
    """How a launch ended."""

    LAUNCHED = "launched"
    NO_CAPACITY = "no_capacity"
    FAILED = "failed"
    UNKNOWN = "unknown"
    NOT_TRIED = "not_tried"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one launch. UNKNOWN: no answer came, so the instance may exist."""

    launch: Launch
    status: Status
    token: str = ""
    instance_id: str | None = None
    reason: str = ""
    exhausted: Exhausted | None = None
    lacks: tuple[tuple[str, str], ...] = ()
