"""Judgements → which machines stop in this run, and what is next for those on their way; pure.

What a plan promises, whatever was seen:

- for being idle, none stops of which `min_running` that work and `min_idle` idle ones of its type
  would not be left;
- only the machines that have been idle longest stop for being idle;
- of those that are too old, no more than a tenth of their type, and one, go at a time, whatever the
  minimums are;
- planning again while what was planned is on its way stops nothing more.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from watch_pending.config_stops import StopIdle
from watch_pending.stop_idle.judge import spoken_for
from watch_pending.stop_idle.models import (
    Activity,
    Judgement,
    Kept,
    Reason,
    Sight,
    Step,
    Stop,
    StopState,
)

BROKEN = frozenset(Reason) - {Reason.IDLE, Reason.TOO_OLD}
IDLE = frozenset({Reason.IDLE, Kept.IDLE_TOO_SHORT, Kept.TOO_YOUNG, Kept.NEEDED})
NOT_WORKING = BROKEN | {Kept.STOPPING, Kept.UNTAGGED, Kept.LOANED, Kept.DISABLED, Kept.PAUSED}
DRAINED_AT_ONCE = 0.1


def plan_stops(
    judgements: Iterable[Judgement], config: StopIdle, draining: Counter[str]
) -> tuple[Judgement, ...]:
    """Keep what the minimums ask for; `draining` are the too old ones on their way, by type."""
    by_type: defaultdict[str, list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        by_type[judgement.instance.instance_type].append(judgement)
    return tuple(
        judgement
        for instance_type, group in sorted(by_type.items())
        for judgement in _plan_type(instance_type, group, config, draining[instance_type])
    )


def _plan_type(
    instance_type: str, group: Sequence[Judgement], config: StopIdle, draining: int
) -> list[Judgement]:
    working = sum(each.verdict not in NOT_WORKING for each in group)
    idle = sum(each.verdict in IDLE for each in group)
    least_running = config.min_running.get(instance_type, 0)
    least_idle = config.min_idle.get(instance_type, 0)
    drains = max(1, int(DRAINED_AT_ONCE * len(group))) - draining
    planned = []
    for each in sorted(group, key=_longest_idle_first):
        if each.verdict is Reason.TOO_OLD:
            if drains <= 0:
                why = f"{each.why}, but others of its type go first"
                planned.append(replace(each, verdict=Kept.MINIMUM, why=why))
                continue
            drains -= 1
            working -= 1
        elif each.verdict is Reason.IDLE:
            if working <= least_running:
                why = f"{each.why}, but min_running is {least_running}"
                planned.append(replace(each, verdict=Kept.MINIMUM, why=why))
                continue
            if idle <= least_idle:
                why = f"{each.why}, but min_idle is {least_idle}"
                planned.append(replace(each, verdict=Kept.MINIMUM, why=why))
                continue
            working -= 1
            idle -= 1
        planned.append(each)
    return planned


def _longest_idle_first(judgement: Judgement) -> tuple[bool, float, str]:
    """Order those that go in any case before those that the minimums may keep; who builds, last."""
    return (
        judgement.verdict is Reason.IDLE,
        -(judgement.idle_s or 0),
        judgement.instance.instance_id,
    )


def next_step(stop: Stop, sight: Sight, farm: str) -> tuple[Step, str]:
    """Say what is next for a machine on its way out, and why; whoever began it may be dead."""
    instance = next(
        (i for i in sight.snapshot.instances if i.instance_id == stop.instance_id), None
    )
    activity = sight.workload.of(stop.name, stop.instance_id)
    if stop.region not in sight.listed:
        return Step.WAIT, f"nothing is known of {stop.region}"
    if stop.state is StopState.RELEASING or stop.reason is Reason.ABANDONED:
        return Step.RELEASE, "it is let go"
    if instance is None or instance.state == "terminated":
        return _after_the_end(stop, activity, farm)
    if stop.state is StopState.STOPPED and not stop.expired:
        return Step.WAIT, "it is shutting down"
    if taken := spoken_for(instance, sight):
        return Step.RELEASE, taken[1]
    return _on_its_way(stop, activity, farm)


def _on_its_way(stop: Stop, activity: Activity | None, farm: str) -> tuple[Step, str]:
    if activity and activity.paused and not is_ours(activity, farm):
        return Step.CLOSE, "somebody else has paused its worker meanwhile"
    if why := why_not_after_all(stop, activity):
        return Step.RELEASE, why
    if stop.expired and not (activity and activity.building):
        return Step.RELEASE, "it could not be stopped in time; a later run may try again"
    return Step.STOP, stop.detail


def _after_the_end(stop: Stop, activity: Activity | None, farm: str) -> tuple[Step, str]:
    if activity and activity.connected and stop.masters and not stop.expired:
        return Step.WAIT, "its master has not noticed yet that it is gone"
    if activity and activity.paused and is_ours(activity, farm):
        return Step.UNPAUSE, "it is gone"
    return Step.CLOSE, "it is gone"


def why_not_after_all(stop: Stop, activity: Activity | None) -> str | None:
    """Say why a machine that was to stop is of use again, or None.

    Asked before each step that can't be taken back.
    """
    if activity is None:
        return None
    elsewhere = sorted(set(activity.masters) - set(stop.masters))
    if activity.building:
        if stop.reason is Reason.TOO_OLD and not elsewhere:
            return None
        if stop.reason is Reason.HUNG and activity.hung:
            return None
        return "it has taken a build meanwhile"
    if elsewhere:
        return f"its worker has connected to {elsewhere[0]} meanwhile"
    return None


def decide(stop: Stop, activity: Activity | None, farm: str, *, starting: bool) -> tuple[Step, str]:
    """Say, after the second look, what becomes of a machine that was to be paused.

    `starting`: one of its masters is about to give a build to somebody.
    """
    if why := why_not_after_all(stop, activity):
        return Step.RELEASE, why
    if activity and activity.building and stop.reason is Reason.TOO_OLD:
        return Step.DRAIN, f"{stop.detail}; paused, so that it takes no other"
    if activity and activity.masters and not activity.paused:
        return Step.WAIT, "its master has not paused it yet"
    if activity and activity.masters and not is_ours(activity, farm):
        return Step.CLOSE, "somebody else has paused its worker meanwhile"
    if starting:
        return Step.WAIT, "its master is about to start a build"
    return Step.STOP, stop.detail


def pause_reason(farm: str, stop: Stop) -> str:
    """Say on the master whose pause it is."""
    return f"farmhand {farm}: {stop.reason.value}: {stop.detail}"


def is_ours(activity: Activity, farm: str) -> bool:
    """Whether it was us who paused a worker; where no reasons are kept, a row of ours says so."""
    return activity.pause_reason is None or activity.is_paused_by(farm)
