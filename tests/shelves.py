"""AMIs, snapshots and what needs them, each in one line; and shelves of them to draw from."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from tests.builders import EAST, NOW, REGIONS
from tests.worlds import any_of, some
from watch_pending.amis.models import MarkedSnapshot, OwnImage, Shelf, Use
from watch_pending.amis.prune_plan import plan_prune

SNAPSHOTS = tuple(f"snap-{number}" for number in range(6))


def make_own_image(ami: str = "ami-1", days: float = 1, **changes: Any) -> OwnImage:
    """Make an AMI of `bld` and of farm `test`, so many days old, with one snapshot."""
    default = OwnImage(
        ami=ami,
        region=EAST,
        name=f"spot-{ami}",
        instance_type="bld",
        farm="test",
        state="available",
        root_device_type="ebs",
        created=NOW - timedelta(days=days),
        snapshots=(f"snap-of-{ami}",),
    )
    return replace(default, **changes)


def make_row(count: int, prefix: str = "ami", **changes: Any) -> tuple[OwnImage, ...]:
    """Make so many, ami-1 the newest, each a day older than the one before."""
    return tuple(make_own_image(f"{prefix}-{n}", days=n, **changes) for n in range(1, count + 1))


def make_shelf(*images: OwnImage, **changes: Any) -> Shelf:
    """Make what `amis prune` reads in farm `test`."""
    return replace(Shelf(farm="test", images=images), **changes)


def make_mark(
    snapshot: str = "snap-1", ami: str | None = "ami-gone", **more: Any
) -> MarkedSnapshot:
    """Make a snapshot that a run of farm `test` has marked for an AMI to go."""
    default = MarkedSnapshot(snapshot=snapshot, region=EAST, farm="test", pruned_ami=ami)
    return replace(default, **more)


def make_use(ami: str = "ami-1", why: str = "i-1 runs from it", region: str = EAST) -> Use:
    """Make something that needs an AMI."""
    return Use(ami=ami, region=region, why=why)


def going(shelf: Shelf, keep_last: int = 1) -> list[str]:
    """The AMIs that go."""
    return [each.image.ami for each in plan_prune(shelf, keep_last).prune]


def gone_snapshots(shelf: Shelf, keep_last: int = 1) -> dict[str, tuple[str, ...]]:
    """The snapshots that go with each AMI that does."""
    return {each.image.ami: each.snapshots for each in plan_prune(shelf, keep_last).prune}


IMAGES = any_of(
    lambda number, snapshots, **more: make_own_image(
        f"ami-{number}", days=number, snapshots=snapshots, **more
    ),
    number=range(1, 200),
    region=REGIONS,
    instance_type=("bld", "bld", "try", None),
    farm=("test", "test", "test", "staging", None),
    state=("available", "available", "available", "pending"),
    root_device_type=("ebs", "ebs", "instance-store"),
    snapshots=((), *((each,) for each in SNAPSHOTS), SNAPSHOTS[:2], SNAPSHOTS[1:3]),
)
MARKS = any_of(
    make_mark,
    snapshot=SNAPSHOTS,
    region=REGIONS,
    farm=("test", "test", "staging"),
    ami=(None, "ami-gone", "ami-7"),
)
USES = any_of(make_use, ami=[f"ami-{number}" for number in range(1, 200)], region=REGIONS)


@st.composite
def shelves(draw: st.DrawFn) -> Shelf:
    """Draw what `amis prune` might read."""
    images = draw(some(IMAGES, 0, 30, unique_by=lambda each: (each.region, each.ami)))
    uses = draw(some(USES, 0, 20))
    marked = draw(some(MARKS, 0, 5, unique_by=lambda each: (each.region, each.snapshot)))
    return make_shelf(*images, uses=uses, marked=marked)
