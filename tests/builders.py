"""Things of watch-pending's world, each in one line, with defaults for what a test does not name.

The default farm `test` has one instance type, `bld`, named `bld-%03d`, in two regions with one
subnet a zone, and buys c7i.xlarge at 0.10 USD/h on the spot market; nothing waits, runs or is
bought on demand. What is decided about it stands in plans.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from watch_pending.config import WatchPending
from watch_pending.config_machines import InstanceType, Market, OnDemand, Place, Spot, SpotRule
from watch_pending.models import (
    Image,
    Instance,
    InventoryWorker,
    OpenLaunch,
    PendingRequests,
    Snapshot,
    SpotPrice,
    Subnet,
    WorkerStatus,
)
from watch_pending.stop_idle.models import (
    Activity,
    Judgement,
    Reason,
    Sight,
    Stop,
    StopState,
    Workload,
)
from watch_pending.userdata import Template

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
EAST, WEST = "us-east-1", "us-west-2"
REGIONS = (EAST, WEST)
ZONES = ("us-east-1a", "us-east-1b", "us-west-2a", "us-west-2b")
EC2_TYPE, AMI = "c7i.xlarge", "ami-bld"
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
MASTER = "bm1.example.com:/builds/bm1"


def region_of(zone: str) -> str:
    """Cut a zone's letter off."""
    return zone[:-1]


# What the scheduler database says


def make_pending(
    builder: str = "Linux build", requests: int = 1, **changes: Any
) -> PendingRequests:
    """Make requests of one builder, a minute old."""
    default = PendingRequests(builder=builder, priority=0, requests=requests, oldest=NOW - MINUTE)
    return replace(default, **changes)


def make_worker(name: str = "bld-001", **changes: Any) -> WorkerStatus:
    """Make an idle worker."""
    return replace(WorkerStatus(name=name, connected=True), **changes)


def make_workers(*workers: WorkerStatus | str) -> dict[str, WorkerStatus]:
    """Make name → worker; a mere name is an idle one."""
    made = [make_worker(item) if isinstance(item, str) else item for item in workers]
    return {worker.name: worker for worker in made}


# What the farm database says


def make_inventory(
    *names: str,
    instance_type: str | None = "bld",
    market: Market | None = Market.SPOT,
    enabled: bool = True,
) -> tuple[InventoryWorker, ...]:
    """Make workers of one market; hardware with `market=None`."""
    return tuple(
        InventoryWorker(name=name, instance_type=instance_type, market=market, enabled=enabled)
        for name in names
    )


def make_open_launch(name: str = "bld-001", **changes: Any) -> OpenLaunch:
    """Make a spot launch whose instance nobody has seen yet."""
    default = OpenLaunch(
        token=f"token-{name}",
        name=name,
        instance_type="bld",
        market=Market.SPOT,
        region=EAST,
        availability_zone="us-east-1a",
        subnet="subnet-us-east-1a",
        ec2_type=EC2_TYPE,
        ami=AMI,
    )
    return replace(default, **changes)


# What EC2 says


def make_instance(
    name: str = "bld-001", *, age: timedelta = HOUR, seen: timedelta | None = None, **changes: Any
) -> Instance:
    """Make a running spot instance: so old, and last seen connected so long ago."""
    default = Instance(
        token=f"token-{name}",
        name=name,
        instance_type="bld",
        market=Market.SPOT,
        region=EAST,
        availability_zone="us-east-1a",
        subnet="subnet-us-east-1a",
        ec2_type=EC2_TYPE,
        ami=AMI,
        instance_id=f"i-{name}",
        state="running",
        launched_at=NOW - age,
        farm="test",
        last_connected_at=None if seen is None else NOW - seen,
        connected_recently=seen is not None and seen < 10 * MINUTE,
    )
    return replace(default, **changes)


def make_instances(count: int, **changes: Any) -> tuple[Instance, ...]:
    """Make so many alike, bld-001 and on."""
    return tuple(make_instance(f"bld-{number:03d}", **changes) for number in range(1, count + 1))


def make_price(usd_per_hour: float = 0.1, zone: str = "us-east-1a", **changes: Any) -> SpotPrice:
    """Make the price of c7i.xlarge in a zone."""
    default = SpotPrice(
        region=region_of(zone),
        availability_zone=zone,
        ec2_type=EC2_TYPE,
        product="Linux/UNIX",
        usd_per_hour=usd_per_hour,
    )
    return replace(default, **changes)


def make_subnet(zone: str = "us-east-1a", free: int = 100, subnet_id: str = "") -> Subnet:
    """Make a zone's subnet."""
    return Subnet(
        subnet_id=subnet_id or f"subnet-{zone}",
        region=region_of(zone),
        availability_zone=zone,
        free_addresses=free,
    )


def make_image(ami: str = AMI, region: str = EAST, **changes: Any) -> Image:
    """Make an AMI of `bld`, an hour old, with an EBS root."""
    default = Image(
        ami=ami,
        region=region,
        root_device="/dev/sda1",
        created=NOW - HOUR,
        instance_type="bld",
    )
    return replace(default, **changes)


def make_snapshot(*pending: PendingRequests, **changes: Any) -> Snapshot:
    """Make a snapshot: both regions at the same price, 100 addresses a zone, nothing running."""
    default = Snapshot(
        farm="test",
        generation=1,
        pending=pending,
        workers={},
        spot_prices=tuple(make_price(zone=zone) for zone in ZONES),
        subnets=tuple(make_subnet(zone) for zone in ZONES),
        images=tuple(make_image(region=region) for region in REGIONS),
    )
    return replace(default, **changes)


# What stop-idle sees


def make_activity(name: str = "bld-001", **changes: Any) -> Activity:
    """Make an idle worker of one master, whose last build ended an hour ago."""
    default = Activity(
        name=name,
        worker_id=1,
        connected=True,
        masters=(MASTER,),
        last_build_ended_at=NOW - HOUR,
    )
    return replace(default, **changes)


def make_workload(*activities: Activity, **changes: Any) -> Workload:
    """Make what these workers do, on a master that is alive."""
    workers = {activity.name: activity for activity in activities}
    default = Workload(clock=NOW, workers=workers, masters_alive=frozenset({MASTER}))
    return replace(default, **changes)


def make_sight(*instances: Instance, workload: Workload | None = None, **changes: Any) -> Sight:
    """Make the sight of these instances, which an earlier run has seen too; all workers idle."""
    ids = frozenset(instance.instance_id for instance in instances)
    idle = (make_activity(instance.name) for instance in instances)
    default = Sight(
        snapshot=make_snapshot(instances=instances),
        workload=workload or make_workload(*idle),
        now=NOW,
        listed=frozenset(REGIONS),
        shown=ids,
        known=ids,
    )
    return replace(default, **changes)


def make_judgement(name: str = "bld-001", **changes: Any) -> Judgement:
    """Make the judgement that a machine stops, which was idle for an hour."""
    default = Judgement(
        instance=make_instance(name),
        verdict=Reason.IDLE,
        why="idle for 60 min",
        masters=(MASTER,),
        idle_s=3600,
    )
    return replace(default, **changes)


def make_stop(name: str = "bld-001", **changes: Any) -> Stop:
    """Make the row of an idle machine that a run has just begun to stop."""
    default = Stop(
        id=1,
        state=StopState.PAUSING,
        reason=Reason.IDLE,
        detail="idle for 60 min",
        instance_id=f"i-{name}",
        name=name,
        instance_type="bld",
        region=EAST,
        masters=(MASTER,),
        began_at=NOW,
    )
    return replace(default, **changes)


# What farmhand.yml says


def make_place(region: str = EAST, **changes: Any) -> Place:
    """Make a region's settings: a subnet in each of its two zones, c7i.xlarge on demand."""
    subnets = tuple(f"subnet-{zone}" for zone in ZONES if region_of(zone) == region)
    return replace(Place(subnets=subnets, ec2_type=EC2_TYPE), **changes)


def make_instance_type(
    names: str | Mapping[Market, str] = "bld-%03d", regions: Iterable[str] = REGIONS, **changes: Any
) -> InstanceType:
    """Make an instance type's settings in these regions."""
    default = InstanceType(names=names, regions={region: make_place(region) for region in regions})
    return replace(default, **changes)


def make_rule(max_usd: float = 0.5, **changes: Any) -> SpotRule:
    """Make a spot rule for c7i.xlarge."""
    return replace(SpotRule(ec2_type=EC2_TYPE, max_price_usd_per_hour=max_usd), **changes)


def make_spot(limit: int = 100, rules: tuple[SpotRule, ...] = (), **regions: int) -> Spot:
    """Make the spot market of `bld`; `us_east_1=3` sets a region's limit apart from the global."""
    limits = {"global": limit, **dict.fromkeys(REGIONS, limit)}
    limits |= {region.replace("_", "-"): each for region, each in regions.items()}
    return Spot(
        rules={"bld": rules or (make_rule(),)},
        limits={scope: {"bld": each} for scope, each in limits.items()},
    )


def make_on_demand(limit: int = 100, **regions: int) -> OnDemand:
    """Make the on-demand market of `bld`; no region has a limit of its own but those named."""
    limits = {"global": limit}
    limits |= {region.replace("_", "-"): each for region, each in regions.items()}
    return OnDemand(limits={scope: {"bld": each} for scope, each in limits.items()})


def make_config(**changes: Any) -> WatchPending:
    """Make the section `watch_pending`."""
    default = WatchPending(
        scheduler_db=SecretStr("sqlite://"),
        buildermap={"Linux": "bld"},
        instance_types={"bld": make_instance_type()},
        region_priorities={EAST: 2, WEST: 1},
        spot=make_spot(),
    )
    return replace(default, **changes)


def make_template(text: str, path: str = "bld.user-data") -> Template:
    """Make a template; one whose path ends in `.j2` is Jinja's."""
    return Template(path=Path(path), text=text)
