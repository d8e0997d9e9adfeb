"""What sanity sees, each in one line, and what it makes of it.

The default fleet is the farm `test` of builders.py, all of it answered: its machines are shown, on
record, and idle.
"""

from dataclasses import replace
from typing import Any

from tests.builders import (
    EAST,
    HOUR,
    NOW,
    REGIONS,
    make_activity,
    make_config,
    make_snapshot,
    make_workload,
)
from watch_pending.config import WatchPending
from watch_pending.models import Instance
from watch_pending.sanity.judge import judge_all
from watch_pending.sanity.models import Finding, Kind, Remedy, Sight, Stuck, Volume
from watch_pending.sanity.remedy import plan_remedy
from watch_pending.stop_idle.models import Activity, Workload

DAY = 24 * HOUR
DAY_S = DAY.total_seconds()


def make_fleet(*instances: Instance, snapshot: dict[str, Any] | None = None, **more: Any) -> Sight:
    """Make the sight of these instances, whose workers are idle."""
    ids = frozenset(instance.instance_id for instance in instances)
    default = Sight(
        snapshot=make_snapshot(instances=instances, **snapshot or {}),
        now=NOW,
        shown=ids,
        listed=frozenset(REGIONS),
        checked=frozenset(REGIONS),
        measured=frozenset(REGIONS),
        workload=make_workload(*(make_activity(i.name) for i in instances if i.name)),
        journal=ids,
        journal_s=90 * DAY_S,
    )
    return replace(default, **more)


def make_paused(name: str = "bld-001", reason: str | None = "", **changes: Any) -> Activity:
    """Make a worker that is paused and connected to nothing."""
    gone = {"connected": False, "masters": (), "paused": True, "pause_reason": reason}
    return make_activity(name, **{**gone, **changes})


def nobody() -> Workload:
    """Make a Buildbot that knows no worker."""
    return make_workload()


def make_volume(volume_id: str = "vol-1", **changes: Any) -> Volume:
    """Make a volume of ours that is attached to nothing."""
    default = Volume(volume_id=volume_id, region=EAST, farm="test", state="available", size_gib=100)
    return replace(default, **changes)


def make_stuck(**changes: Any) -> Stuck:
    """Make a machine that has been on its way out for three hours."""
    default = Stuck(
        name="bld-001",
        instance_id="i-bld-001",
        instance_type="bld",
        region=EAST,
        state="pausing",
        detail="idle for 60 min",
        began_at=NOW - 3 * HOUR,
    )
    return replace(default, **changes)


def remembering(kind: Kind, subject: str, seconds: float) -> dict[tuple[str, str], float]:
    """Make the memory of one finding, so old."""
    return {(kind.value, subject): seconds}


def find(sight: Sight, config: WatchPending | None = None) -> list[Finding]:
    """Judge, and leave out what is only suspected."""
    return [each for each in judge_all(sight, config or make_config()) if each.confirmed]


def kinds(sight: Sight, config: WatchPending | None = None) -> set[Kind]:
    """Say what kinds of things are wrong."""
    return {each.kind for each in find(sight, config)}


def plan(sight: Sight, config: WatchPending | None = None) -> list[Remedy]:
    """Judge, and say what is to be done."""
    return [plan_remedy(each, sight) for each in judge_all(sight, config or make_config())]
