"""One machine → whether it is of use, and why; pure."""

from datetime import timedelta

from watch_pending.config import WatchPending
from watch_pending.config_stops import IDLE_S, MIN_AGE_S
from watch_pending.demand import boots, own_instances
from watch_pending.models import UP_STATES, Instance
from watch_pending.stop_idle.models import Activity, Judgement, Kept, Reason, Sight

Verdict = tuple[Reason | Kept, str]


def judge_all(sight: Sight, config: WatchPending) -> tuple[Judgement, ...]:
    """Judge this farm's instances that are up; all others are another's business."""
    return tuple(
        judge(instance, sight, config)
        for instance in own_instances(sight.snapshot)
        if instance.state in UP_STATES and instance.instance_id in sight.shown
    )


def judge(instance: Instance, sight: Sight, config: WatchPending) -> Judgement:
    """Judge one machine by itself: what others leave it to do comes later."""
    activity = sight.workload.of(instance.name, instance.instance_id)
    age = sight.now - instance.launched_at
    limit_s = config.stop_idle.max_age_s.get(instance.instance_type)
    too_old = limit_s is not None and age > timedelta(seconds=limit_s)
    verdict, why = (
        _stopping(instance, sight)
        or spoken_for(instance, sight)
        or _building(activity, too_old=too_old, age=age)
        or _broken(instance, activity, sight, config)
        or _of_no_use(instance, activity, sight, config, too_old=too_old)
    )
    return Judgement(
        instance=instance,
        verdict=verdict,
        why=why,
        masters=activity.masters if activity else (),
        idle_s=idle_time(instance, activity, sight).total_seconds() if activity else None,
    )


def _stopping(instance: Instance, sight: Sight) -> Verdict | None:
    if instance.instance_id in sight.snapshot.stopping:
        return Kept.STOPPING, "it is on its way out"
    return None


def spoken_for(instance: Instance, sight: Sight) -> Verdict | None:
    """Say whether somebody has a hand on it: then it never stops, however useless it is."""
    if instance.farm != sight.snapshot.farm:
        return Kept.UNTAGGED, "it does not bear this farm's name"
    if instance.loaned_to:
        return Kept.LOANED, f"it is loaned to {instance.loaned_to}"
    if not instance.name or not instance.instance_type:
        return Kept.UNTAGGED, "it has no Name or no moz-type"
    if instance.moz_state != "ready":
        return Kept.DISABLED, f'its moz-state is "{instance.moz_state}"'
    if sight.snapshot.sources.inventory_unknown:
        return Kept.DISABLED, "nobody can tell whether its worker is disabled"
    if instance.name in sight.disabled:
        return Kept.DISABLED, "its worker is disabled in slavealloc"
    return None


def _building(activity: Activity | None, *, too_old: bool, age: timedelta) -> Verdict | None:
    if activity is None or not activity.building:
        return None
    if activity.hung and not activity.paused:
        return Reason.HUNG, "the worker does not answer the build that it was given"
    if too_old and activity.masters and not activity.paused:
        return Reason.TOO_OLD, f"it is {in_words(age)} old; it stops when its build is done"
    return Kept.BUILDING, "it is building"


def _broken(
    instance: Instance, activity: Activity | None, sight: Sight, config: WatchPending
) -> Verdict | None:
    """Say whether it will do no further work, as far as can be seen."""
    booting = boots(instance.launched_at, config, sight.now)
    if activity and activity.is_paused_by(sight.snapshot.farm):
        return Reason.ABANDONED, "we have paused its worker, and no row says what for"
    if activity and activity.paused:
        said = f": {activity.pause_reason}" if activity.pause_reason else ""
        return Kept.PAUSED, f"somebody paused its worker{said}"
    if activity and activity.away and not activity.connected:  # what it builds, nobody knows
        return Kept.MASTER_AWAY, f"its master {activity.away[0]} shows no life"
    if instance.instance_id in sight.impaired and not booting:
        return Reason.IMPAIRED, f"EC2 says it is impaired: {sight.impaired[instance.instance_id]}"
    if activity and activity.connected:
        return None
    if booting or instance.state == "pending":
        return Kept.BOOTING, "it is booting"
    if instance.connected_recently:
        return None
    return _gone(instance, sight)


def _gone(instance: Instance, sight: Sight) -> Verdict:
    """Say of a machine that is not connected, and should be, whether it will be again."""
    load = sight.workload
    if not load.masters_alive:
        return Kept.MASTER_AWAY, "no master shows life"
    if instance.instance_id not in sight.known:
        return Kept.BETWEEN_ROUNDS, "it is not connected, and was never looked at before"
    if instance.last_connected_at is None:
        age = in_words(sight.now - instance.launched_at)
        return Reason.NEVER_CONNECTED, f"it never connected in {age}"
    if load.masters_away:
        return Kept.MASTER_AWAY, f"master {min(load.masters_away)} shows no life"
    gone = in_words(sight.now - instance.last_connected_at)
    return Reason.LOST, f"it was last seen connected {gone} ago"


def _of_no_use(
    instance: Instance,
    activity: Activity | None,
    sight: Sight,
    config: WatchPending,
    *,
    too_old: bool,
) -> Verdict:
    """Say whether a machine that could work has nothing to do."""
    age = sight.now - instance.launched_at
    connected = activity is not None and activity.connected
    if activity is not None and connected and activity.graceful:
        return Kept.LEAVING, "its worker is shutting down"
    if connected and instance.name in sight.needed:
        return Kept.NEEDED, "a job waits that it can take"
    if too_old:
        return Reason.TOO_OLD, f"it is {in_words(age)} old"
    if not connected:
        return Kept.BETWEEN_ROUNDS, "it is between two rounds"
    market, settings = instance.market, config.stop_idle
    idle = idle_time(instance, activity, sight)
    if idle < timedelta(seconds=settings.idle_s.get(market, IDLE_S[market])):
        return Kept.IDLE_TOO_SHORT, f"idle for {in_words(idle)}"
    if age < timedelta(seconds=settings.min_age_s.get(market, MIN_AGE_S[market])):
        return Kept.TOO_YOUNG, f"idle for {in_words(idle)}, but only {in_words(age)} old"
    return Reason.IDLE, f"idle for {in_words(idle)}"


def idle_time(instance: Instance, activity: Activity | None, sight: Sight) -> timedelta:
    """Say since when it could have built and did not: its last build, or when it came."""
    if activity and activity.building:
        return timedelta(0)
    since = instance.connected_since or instance.launched_at
    if activity and activity.last_build_ended_at:
        since = max(since, activity.last_build_ended_at)
    return max(timedelta(0), sight.now - since)


def in_words(time: timedelta) -> str:
    """Format a time as people say it.

    >>> in_words(timedelta(seconds=50)), in_words(timedelta(minutes=12)), in_words(timedelta(1.5))
    ('50 s', '12 min', '36 h')
    """
    seconds = int(time.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
