"""Names → whose they are, and what is wrong with them; pure."""

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

from farmhand.wording import format_span
from watch_pending.config import WatchPending
from watch_pending.config_machines import Market
from watch_pending.demand import own_instances
from watch_pending.models import LIVE_STATES
from watch_pending.names import MAX_NUMBER
from watch_pending.sanity.models import Finding, Kind, Sight
from watch_pending.stop_idle.models import Activity


def is_named(name: str, config: WatchPending) -> bool:
    """Whether a pattern of the configuration gives this name."""
    return any(
        gives(pattern, name)
        for settings in config.instance_types.values()
        for pattern in {settings.name_pattern(market) for market in Market}
        if pattern is not None
    )


def gives(pattern: str, name: str) -> bool:
    """Whether a name pattern gives a name for one of its numbers.

    >>> gives("w7-%03d", "w7-012"), gives("w7-%03d", "w7-12"), gives("w7-%03d", "w7-10000")
    (True, False, False)
    """
    if not re.search("%[0-9]*d", pattern):
        return any(pattern % number == name for number in range(1, MAX_NUMBER + 1))
    spans = combinations(range(len(name) + 1), 2)
    numbers = {int(name[i:j]) for i, j in spans if name[i:j].isdecimal()}
    return any(1 <= number <= MAX_NUMBER and pattern % number == name for number in numbers)


def find_names_twice(sight: Sight) -> Iterator[Finding]:
    """Find the names that two live instances of ours bear: Buildbot lets one of them in."""
    bearers: defaultdict[str, list[str]] = defaultdict(list)
    for instance in own_instances(sight.snapshot):
        if instance.name and instance.instance_id in sight.shown:
            bearers[instance.name].append(f"{instance.instance_id} ({instance.region})")
    for name, ids in sorted(bearers.items()):
        if len(ids) > 1:
            yield Finding(
                kind=Kind.NAME_TWICE,
                subject=name,
                name=name,
                why=f"borne by {', '.join(sorted(ids))}",
            )


def find_paused(sight: Sight, config: WatchPending) -> Iterator[Finding]:
    """Find our workers that are paused for too long, and names that nothing bears any more.

    Those of machines on their way out are stop-idle's business.
    """
    if sight.workload is None or sight.workload.workers is None:
        return
    snapshot = sight.snapshot
    machines = {worker.name for worker in snapshot.inventory if worker.market}
    hardware = {worker.name for worker in snapshot.inventory if not worker.market}
    ours = {instance.name for instance in own_instances(snapshot)}
    ours |= {launch.name for launch in snapshot.open_launches}
    borne = ours | {i.name for i in snapshot.instances if i.state in LIVE_STATES}
    for activity in sorted(sight.workload.workers.values(), key=lambda each: each.name):
        name = activity.name
        if not activity.paused or name in snapshot.stopping.values():
            continue
        by_us = activity.is_paused_by(snapshot.farm)
        if not (by_us or name in ours | machines | hardware or is_named(name, config)):
            continue
        said = f": {activity.pause_reason}" if activity.pause_reason else ""
        if name in borne or name in hardware or activity.connected or activity.away:
            yield _paused(activity, sight, config, said)
        elif sight.is_whole:
            why = f"no machine bears it, and none will while it is paused{said}"
            yield Finding(kind=Kind.PAUSED_NAME, subject=name, name=name, why=why)


def _paused(activity: Activity, sight: Sight, config: WatchPending, said: str) -> Finding:
    age_s = sight.memory.get((Kind.PAUSED.value, activity.name), 0.0)
    return Finding(
        kind=Kind.PAUSED,
        subject=activity.name,
        name=activity.name,
        age_s=age_s,
        why=f"paused for {format_span(age_s)} at least{said}",
        confirmed=age_s > config.sanity.paused_s,
    )
