"""A finding → what is to be done about it, by `--fix` or by a person; pure.

What `--fix` does, whatever was seen: it ends only machines, and deletes only volumes, of this farm
that nobody has borrowed; of machines only those that are `ready`, enabled in slavealloc, not known
to be connected, and on nobody's way out.
"""

from collections.abc import Collection

from watch_pending.models import Instance
from watch_pending.sanity.models import READY, Finding, Kind, Remedy, Sight, Step, Volume
from watch_pending.stop_idle.models import Workload

DAY_S = 86400.0

ADVICE = {
    Kind.ORPHAN: "--fix terminates it",
    Kind.NAME_TWICE: "terminate the one that is not connected",
    Kind.LIMIT_EXCEEDED: "raise the limit, or terminate some; nothing is launched until then",
    Kind.BAD_SETTINGS: "correct the settings; nothing of it is launched until they change",
    Kind.STUCK_STOP: "see why stop-idle fails: its log, its cron, the master's REST",
    Kind.IMPAIRED: "stop-idle ends it unless it builds; if it stays, terminate it",
    Kind.UNKNOWN_TYPE: "add the type to instance_types, or terminate it",
    Kind.UNKNOWN_STATE: "set its tag moz-state to ready or disabled, or terminate it",
    Kind.LONG_RUNNING: "set stop_idle.max_age_s of its type, or see what it builds",
    Kind.LONG_STOPPED: "--fix terminates it",
    Kind.NO_JOURNAL: "nobody's launch on record: adopt it, or terminate it",
    Kind.NO_INSTANCE: "--fix closes its row; so does the next stop-idle",
    Kind.UNATTACHED_VOLUME: "--fix deletes it",
    Kind.PAUSED_NAME: "unpause it on its master, if nobody needs it paused",
    Kind.PAUSED: "ask who paused it; unpause it on its master, or terminate the machine",
    Kind.LOANED: "ask for it back when it is no longer needed",
}


def plan_remedy(finding: Finding, sight: Sight) -> Remedy:
    """Say what is to be done about a finding."""
    step: Step | None = None
    advice = ADVICE[finding.kind]
    match finding.kind:
        case Kind.ORPHAN | Kind.LONG_STOPPED:
            instance = find_instance(sight, finding.id)
            if why := why_spared(instance, sight):
                advice = f"{why}: decide, and terminate it by hand"
            else:
                step = Step.TERMINATE
        case Kind.UNATTACHED_VOLUME:
            volume = next((v for v in sight.volumes if v.volume_id == finding.id), None)
            if sight.memory.get(finding.key, 0.0) <= DAY_S:
                advice = "--fix deletes it when it has been found for a day"
            elif why := why_kept(volume, sight.snapshot.farm):
                advice = f"{why}: decide, and delete it by hand"
            else:
                step = Step.DELETE_VOLUME
        case Kind.NO_INSTANCE:
            step = Step.CLOSE_ROW
        case Kind.PAUSED_NAME:
            if why_still_paused(finding.name, sight.workload, sight) is None:
                step, advice = Step.UNPAUSE, "--fix unpauses it: stop-idle had paused it"
        case _:
            pass
    confirmed = step if finding.confirmed else None
    return Remedy(finding=finding, step=confirmed, advice=advice)


def find_instance(sight: Sight, instance_id: str) -> Instance | None:
    """Find an instance that EC2 shows."""
    if instance_id not in sight.shown:
        return None
    return next((i for i in sight.snapshot.instances if i.instance_id == instance_id), None)


def why_spared(instance: Instance | None, sight: Sight) -> str | None:
    """Say why a machine must not be terminated without a person, or None."""
    if instance is None:
        return "EC2 does not show it"
    if instance.farm != sight.snapshot.farm:
        return "it does not bear this farm's name"
    if instance.loaned_to:
        return f"it is loaned to {instance.loaned_to}"
    if instance.moz_state != READY:
        return f'its moz-state is "{instance.moz_state}"'
    if not instance.name:
        return "it has no Name"
    if any(w.name == instance.name and not w.enabled for w in sight.snapshot.inventory):
        return "its worker is disabled in slavealloc"
    if instance.instance_id in sight.snapshot.stopping:
        return "stop-idle is about to end it"
    return why_in_use(instance, sight.workload)


def why_in_use(instance: Instance, workload: Workload | None) -> str | None:
    """Say why a machine may be at work, as far as Buildbot knows, or None."""
    if workload is None or workload.workers is None:
        return "nobody can tell whether it is connected"
    # By name alone: who is connected under it may not say from which machine.
    activity = workload.workers.get(instance.name)
    if activity and (activity.connected or activity.away or activity.building):
        return "its worker is connected to a master"
    return None


def why_kept(volume: Volume | None, farm: str) -> str | None:
    """Say why a volume must not be deleted without a person, or None."""
    if volume is None or volume.state != "available":
        return "it is attached, or gone"
    if volume.farm != farm:
        return "it does not bear this farm's name"
    return f"it is loaned to {volume.loaned_to}" if volume.loaned_to else None


def why_still_paused(name: str, workload: Workload | None, sight: Sight) -> str | None:
    """Say why a name must stay paused, or None: stop-idle has paused it, and nothing bears it.

    Where Buildbot keeps no reasons, stop-idle's rows say whose pause it is.
    """
    activity = workload.workers.get(name) if workload and workload.workers else None
    if activity is None or not activity.paused:
        return "it is not paused any more"
    if activity.connected or activity.away:
        return "its worker is connected to a master"
    if name in sight.snapshot.stopping.values():
        return "stop-idle is about to unpause it"
    ours = activity.is_paused_by(sight.snapshot.farm)
    if not ours and not (activity.pause_reason is None and name in sight.stopped_names):
        return "somebody else has paused it"
    return None


def is_still_so(before: Instance, after: Instance | None) -> bool:
    """Whether a machine is what it was when it was judged."""
    return after is not None and _identity(before) == _identity(after)


def _identity(instance: Instance) -> Collection[str | None]:
    return (
        instance.instance_id,
        instance.farm,
        instance.state,
        instance.name,
        instance.instance_type,
        instance.moz_state,
        instance.loaned_to,
    )
