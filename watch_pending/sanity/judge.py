"""What was seen → what is wrong with it; pure.

Other farms' things are never found. What a region or a database that did not answer would have said
is neither found nor forgotten.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from farmhand.wording import format_span
from watch_pending.config import WatchPending
from watch_pending.config_sanity import RUNNING_S
from watch_pending.demand import boots, own_instances
from watch_pending.models import UP_STATES, Instance, Machine
from watch_pending.prices import paid_usd_per_hour
from watch_pending.sanity.limits import find_exceeded
from watch_pending.sanity.models import READY, Finding, Key, Kind, Sight
from watch_pending.sanity.names import find_names_twice, find_paused, is_named

HOURS_PER_MONTH = 730
KNOWN_STATES = (READY, "pending")
DISABLED = "disabled"
OF_MACHINES = frozenset(
    {
        Kind.UNKNOWN_TYPE,
        Kind.UNKNOWN_STATE,
        Kind.LONG_STOPPED,
        Kind.LONG_RUNNING,
        Kind.LOANED,
        Kind.NO_JOURNAL,
        Kind.NO_INSTANCE,
    }
)
# Whose subjects begin with their region.
REGIONAL = OF_MACHINES | {Kind.ORPHAN, Kind.IMPAIRED, Kind.UNATTACHED_VOLUME}


def judge_all(sight: Sight, config: WatchPending) -> tuple[Finding, ...]:
    """Find all that is wrong, by kind; also what is only suspected so far."""
    found: list[Finding] = []
    for instance in own_instances(sight.snapshot):
        if instance.instance_id in sight.shown:
            found += _judge_machine(instance, sight, config)
            found += _judge_name(instance, sight, config)
    found += find_names_twice(sight)
    found += find_exceeded(sight, config)
    found += find_paused(sight, config)
    found += _find_missing(sight)
    found += _find_volumes(sight, config)
    found += _find_rows(sight)
    order = list(Kind)
    found.sort(key=lambda each: (order.index(each.kind), each.subject))
    return tuple(
        each if each.age_s is not None else replace(each, age_s=sight.memory.get(each.key, 0.0))
        for each in found
    )


def _judge_machine(instance: Instance, sight: Sight, config: WatchPending) -> Iterator[Finding]:
    """Say what is wrong with one machine by itself."""
    up_s = (sight.now - instance.launched_at).total_seconds()
    up_for = f"up for {format_span(up_s)}"
    cost = _machine_cost(instance, sight, config)
    is_up = instance.state in UP_STATES

    def find(kind: Kind, why: str, **more: Any) -> Finding:
        return _of_machine(kind, instance, why, usd_per_month=cost, **more)

    if instance.instance_type not in config.instance_types:
        said = f'"{instance.instance_type}"' if instance.instance_type else "missing"
        yield find(
            Kind.UNKNOWN_TYPE, f"its moz-type is {said}: no instance type of ours", age_s=up_s
        )
    state = instance.moz_state
    if state not in KNOWN_STATES and not state.startswith(DISABLED):
        said = f'"{state}"' if state else "missing"
        yield find(Kind.UNKNOWN_STATE, f"its moz-state is {said}", age_s=up_s)
    if instance.loaned_to:
        yield find(Kind.LOANED, f"to {instance.loaned_to}; {up_for}")
    elif is_up and up_s > _most_running_s(instance.instance_type, config):
        limit = format_span(_most_running_s(instance.instance_type, config))
        yield find(Kind.LONG_RUNNING, f"{up_for}, the limit is {limit}", age_s=up_s)
    if instance.state == "stopped" and not instance.loaned_to:
        yield _long_stopped(instance, sight, config, cost)
    if instance.instance_id in sight.impaired and is_up:
        yield find(Kind.IMPAIRED, f"it fails EC2's {sight.impaired[instance.instance_id]}")
    on_record = sight.journal & {instance.token, instance.instance_id}
    if not on_record and up_s < sight.journal_s:
        yield find(Kind.NO_JOURNAL, f"no launch of ours is on record for it; {up_for}", age_s=up_s)


def _most_running_s(instance_type: str, config: WatchPending) -> float:
    """Say how long a machine may run; where nothing is set, not less than stop-idle lets it."""
    lets = config.stop_idle.max_age_s.get(instance_type, 0.0)
    return config.sanity.running_s.get(instance_type, max(RUNNING_S, lets))


def _long_stopped(
    instance: Instance, sight: Sight, config: WatchPending, cost: float | None
) -> Finding:
    """Say since when it is stopped, if not by EC2 then by when it was first found so."""
    finding = _of_machine(Kind.LONG_STOPPED, instance, "", usd_per_month=cost)
    if instance.stopped_at:
        age_s, least = (sight.now - instance.stopped_at).total_seconds(), ""
    else:
        age_s, least = sight.memory.get(finding.key, 0.0), " at least"
    limit_s = config.sanity.stopped_s
    why = f"stopped for {format_span(age_s)}{least}, the limit is {format_span(limit_s)}"
    return replace(finding, age_s=age_s, why=why, confirmed=age_s > limit_s)


def _machine_cost(instance: Instance, sight: Sight, config: WatchPending) -> float | None:
    """Say what a machine costs a month: while it is up by the hour, else only its volumes."""
    if instance.state in UP_STATES:
        usd_per_hour = paid_usd_per_hour(instance, sight.paid, config)
        return None if usd_per_hour is None else usd_per_hour * HOURS_PER_MONTH
    if instance.region not in sight.measured:
        return None
    sizes = [v.size_gib for v in sight.volumes if instance.instance_id in v.instance_ids]
    return sum(sizes) * config.sanity.volume_usd_per_gib_month


def _judge_name(instance: Instance, sight: Sight, config: WatchPending) -> Iterator[Finding]:
    """Say whether nobody knows a machine: neither inventory, nor a name pattern, nor Buildbot.

    One that boots is given time, and so is one that is found so for the first time: whoever starts
    a machine by hand may yet enter it somewhere.
    """
    workers = sight.workload.workers if sight.workload else None
    if workers is None or sight.snapshot.sources.inventory_unknown:
        return
    if instance.name in workers or any(
        worker.name == instance.name for worker in sight.snapshot.inventory
    ):
        return
    if is_named(instance.name, config) or boots(instance.launched_at, config, sight.now):
        return
    name = f'the name "{instance.name}"' if instance.name else "a machine without a name"
    finding = _of_machine(
        Kind.ORPHAN,
        instance,
        f"neither the inventory, nor a name pattern, nor Buildbot knows {name}",
        age_s=(sight.now - instance.launched_at).total_seconds(),
        usd_per_month=_machine_cost(instance, sight, config),
    )
    found_s = sight.memory.get(finding.key, 0.0)
    yield replace(finding, confirmed=found_s >= config.sanity.orphan_s)


def _find_missing(sight: Sight) -> Iterator[Finding]:
    """Find what the journal has and EC2 has not."""
    for machine in sight.missing:
        if isinstance(machine, Instance):
            age_s: float | None = (sight.now - machine.launched_at).total_seconds()
            why = f"launched {format_span(age_s)} ago; EC2 does not show it any more"
        else:
            begun = machine.begun_at
            age_s = (sight.now - begun).total_seconds() if begun else None
            why = "a launch that EC2 has never shown"
        yield _of_machine(Kind.NO_INSTANCE, machine, why, age_s=age_s)


def _of_machine(kind: Kind, machine: Machine, why: str, **more: Any) -> Finding:
    instance_id = machine.instance_id if isinstance(machine, Instance) else ""
    return Finding(
        kind=kind,
        subject=f"{machine.region}/{instance_id or machine.name}",
        region=machine.region,
        id=instance_id,
        name=machine.name,
        instance_type=machine.instance_type,
        why=why,
        **more,
    )


def _find_volumes(sight: Sight, config: WatchPending) -> Iterator[Finding]:
    for volume in sight.volumes:
        if volume.farm == sight.snapshot.farm and volume.state == "available":
            yield Finding(
                kind=Kind.UNATTACHED_VOLUME,
                subject=f"{volume.region}/{volume.volume_id}",
                region=volume.region,
                id=volume.volume_id,
                name=volume.name,
                usd_per_month=volume.size_gib * config.sanity.volume_usd_per_gib_month,
                why=f"{volume.size_gib} GiB, attached to nothing",
            )


def _find_rows(sight: Sight) -> Iterator[Finding]:
    """Find what does not get on by itself."""
    for stop in sight.stuck:
        yield Finding(
            kind=Kind.STUCK_STOP,
            subject=f"{stop.region}/{stop.instance_id}",
            region=stop.region,
            id=stop.instance_id,
            name=stop.name,
            instance_type=stop.instance_type,
            age_s=(sight.now - stop.began_at).total_seconds(),
            why=f"{stop.state}: {stop.detail}",
        )
    for each in sight.bad_settings:
        yield Finding(
            kind=Kind.BAD_SETTINGS,
            subject=each.scope,
            region=each.region,
            instance_type=each.instance_type or "",
            age_s=(sight.now - each.began_at).total_seconds(),
            why=each.reason,
        )


def was_decided(key: Key, sight: Sight) -> bool:
    """Whether enough was seen to say that something is no longer wrong."""
    kind, subject = key
    region = subject.partition("/")[0]
    workers = sight.workload is not None and sight.workload.workers is not None
    match kind:
        case Kind.UNATTACHED_VOLUME:
            return region in sight.measured
        case Kind.IMPAIRED:
            return region in sight.listed & sight.checked
        case Kind.NAME_TWICE | Kind.LIMIT_EXCEEDED:
            return sight.is_whole
        case Kind.ORPHAN:
            return workers and region in sight.listed
        case Kind.PAUSED:
            return workers
        case Kind.PAUSED_NAME:
            return workers and sight.is_whole
        case Kind.STUCK_STOP | Kind.BAD_SETTINGS:
            return True
        case _:
            return kind in OF_MACHINES and region in sight.listed
