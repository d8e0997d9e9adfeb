"""Machines on their way out, step by step: pause → look again → terminate → unpause.

Every step is written before it is made, so that a run killed anywhere leaves rows with which the
next one goes on. A worker that took a build between looking and pausing is let go.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from multiprocessing import TimeoutError as NotReady
from multiprocessing.pool import ThreadPool

from watch_pending.aws import Ec2Error
from watch_pending.aws_errors import Meaning
from watch_pending.config_stops import MasterAccess
from watch_pending.ec2_stops import terminate_instances
from watch_pending.stop_idle.models import (
    Fate,
    Sight,
    Step,
    Stop,
    StopOutcome,
    StopState,
    Workload,
)
from watch_pending.stop_idle.plan import decide, is_ours, next_step, pause_reason
from watch_pending.stop_idle.rest import (
    Answers,
    Call,
    Method,
    Refusal,
    call_masters,
    find_access,
    join_answers,
)
from watch_pending.stop_idle.stopper import Stopper

REST_PATIENCE_S = 60.0
EC2_PATIENCE_S = 60.0
# A master answers before its database changes, and what it was about to do it still does.
CONFIRM_S = 10.0
STARTING_S = 5.0
POLL_S = 0.2
REGIONS_AT_ONCE = 16

Decided = list[tuple[Stop, Step, str]]


def work_off(stopper: Stopper, stops: Sequence[Stop], sight: Sight) -> list[StopOutcome]:
    """Take each machine on its way out as far as it can go now."""
    decided: Decided = [(stop, *next_step(stop, sight, stopper.farm)) for stop in stops]
    outcomes, going = [], [stop for stop, step, _ in decided if step is Step.STOP]
    looked, failed = _pause_and_look(stopper, going, sight.workload)
    outcomes += failed
    outcomes += _terminate(stopper, [stop for stop, step, _ in looked if step is Step.STOP])
    draining = [(stop, why) for stop, step, why in looked if step is Step.DRAIN]
    stopper.renew([stop for stop, _ in draining])
    outcomes += [StopOutcome(stop=s, fate=Fate.DRAINING, why=why) for s, why in draining]
    rest = [item for item in (*decided, *looked) if item[1] not in {Step.STOP, Step.DRAIN}]
    outcomes += [
        StopOutcome(stop=stop, fate=Fate.WAITING, why=why)
        for stop, step, why in rest
        if step is Step.WAIT
    ]
    return outcomes + _let_go(stopper, [item for item in rest if item[1] is not Step.WAIT])


def _pause_and_look(
    stopper: Stopper, stops: Sequence[Stop], seen: Workload
) -> tuple[Decided, list[StopOutcome]]:
    """Pause the workers on their masters, wait until it is so, and look what they do then.

    One that is paused and has several masters is paused again: the database does not say on which
    of them it is.
    """
    if not stops:
        return [], []
    to_pause = [
        stop
        for stop in stops
        if (activity := seen.of(stop.name, stop.instance_id))
        and len(activity.masters) > activity.paused
    ]
    refused = _call(stopper, to_pause, seen, "pause")
    asked = {stop.id: _worker_id(stop, seen) for stop in to_pause if stop.id not in refused}
    if asked:
        _wait_until(lambda: stopper.read_paused(asked.values()) >= set(asked.values()))
        time.sleep(stopper.config.stop_idle.settle_s)
    workload = _look_when_settled(stopper, stops)
    decided: Decided = []
    failed: list[tuple[Stop, str]] = []
    untouched: list[tuple[Stop, str]] = []
    for stop in stops:
        refusal = refused.get(stop.id)
        starting = bool(workload.starting & set(stop.masters))
        activity = workload.of(stop.name, stop.instance_id)
        step, why = decide(stop, activity, stopper.farm, starting=starting)
        if refusal is None or step in {Step.RELEASE, Step.CLOSE}:
            decided.append((stop, step, why))
            continue
        failed.append((stop, refusal.why))
        if not (refusal.taken or refusal.unanswered or (activity and activity.paused)):
            untouched.append((stop, refusal.why))
    stopper.close(untouched)
    return decided, [StopOutcome(stop=s, fate=Fate.FAILED, why=why) for s, why in failed]


def _worker_id(stop: Stop, workload: Workload) -> int:
    activity = workload.of(stop.name, stop.instance_id)
    return activity.worker_id if activity else 0


def _look_when_settled(stopper: Stopper, stops: Sequence[Stop]) -> Workload:
    """Look when no master is about to start a build any more, as far as that comes to pass."""
    masters = {master for stop in stops for master in stop.masters}
    looks = [stopper.look()]

    def is_settled() -> bool:
        if not looks[-1].starting & masters:
            return True
        looks.append(stopper.look())
        return False

    _wait_until(is_settled, STARTING_S)
    return looks[-1]


def _wait_until(happened: Callable[[], bool], patience_s: float = CONFIRM_S) -> None:
    until = time.monotonic() + patience_s
    while not happened() and time.monotonic() < until:
        time.sleep(POLL_S)


def _call(
    stopper: Stopper, stops: Iterable[Stop], workload: Workload, method: Method
) -> dict[int, Refusal]:
    """Call each stop's masters; returns stop id → why one of them did not take it."""
    work: dict[str, tuple[MasterAccess, list[Call]]] = {}
    answers: Answers = {}
    asked: dict[int, list[tuple[str, int]]] = {}
    for stop in stops:
        worker_id = _worker_id(stop, workload)
        for master in stop.masters:
            asked.setdefault(stop.id, []).append((master, worker_id))
            access = find_access(
                master, stopper.config.masters, stopper.urls, workload.masters_alive
            )
            if isinstance(access, str):
                answers[master, worker_id] = Refusal(why=f"{master}: {access}")
                continue
            call = Call(worker_id=worker_id, method=method, reason=pause_reason(stopper.farm, stop))
            work.setdefault(master, (access, []))[1].append(call)
    answers |= call_masters(work, min(REST_PATIENCE_S, stopper.run.remaining_s()))
    return {
        stop_id: refusal
        for stop_id, keys in asked.items()
        if (refusal := join_answers([answers[key] for key in keys])) is not None
    }


def _terminate(stopper: Stopper, stops: Sequence[Stop]) -> list[StopOutcome]:
    """Terminate machines, one call a region; a row says so before."""
    by_region: defaultdict[str, list[Stop]] = defaultdict(list)
    for stop in stopper.advance(stops, StopState.TERMINATING):
        by_region[stop.region].append(stop)
    if not by_region:
        return []
    errors = _call_regions(stopper, by_region)
    done = [stop for group in by_region.values() for stop in group]
    stopper.advance([stop for stop in done if errors[stop.id] is None], StopState.STOPPED)
    refused = [
        (stop, Step.RELEASE, str(err))
        for stop in done
        if (err := errors[stop.id]) is not None and err.meaning is not Meaning.AGAIN
    ]
    _let_go(stopper, refused)
    return [
        StopOutcome(stop=stop, fate=Fate.STOPPED, why=stop.detail)
        if (err := errors[stop.id]) is None
        else StopOutcome(stop=stop, fate=Fate.FAILED, why=str(err))
        for stop in done
    ]


def _call_regions(
    stopper: Stopper, by_region: Mapping[str, Sequence[Stop]]
) -> dict[int, Ec2Error | None]:
    """Terminate in all regions at once; returns stop id → what is against it."""
    # Its threads are daemons: a region that hangs must not keep the process.
    pool = ThreadPool(min(REGIONS_AT_ONCE, len(by_region)))
    until = time.monotonic() + min(EC2_PATIENCE_S, stopper.run.remaining_s())
    running = [
        (region, pool.apply_async(_terminate_in, (stopper, region, stops)))
        for region, stops in by_region.items()
    ]
    pool.close()
    errors: dict[int, Ec2Error | None] = {}
    for region, result in running:
        try:
            errors |= result.get(max(0.0, until - time.monotonic()))
        except NotReady:
            late = Ec2Error(f"{region}: no answer in time", meaning=Meaning.AGAIN, unanswered=True)
            errors |= {stop.id: late for stop in by_region[region]}
    return errors


def _terminate_in(
    stopper: Stopper, region: str, stops: Sequence[Stop]
) -> dict[int, Ec2Error | None]:
    ids = {stop.instance_id: stop.id for stop in stops}
    try:
        answers = terminate_instances(stopper.aws.reader(region), list(ids))
    except Ec2Error as err:
        answers = dict.fromkeys(ids, err)
    return {ids[instance_id]: err for instance_id, err in answers.items()}


def _let_go(stopper: Stopper, decided: Decided) -> list[StopOutcome]:
    """Unpause what we have paused, and close the rows of which nothing is left to do."""
    if not decided:
        return []
    stopper.advance(
        [stop for stop, step, _ in decided if step is Step.RELEASE], StopState.RELEASING
    )
    still = _unpause(stopper, [(stop, step) for stop, step, _ in decided if step is not Step.CLOSE])
    stopper.close([(stop, why) for stop, _, why in decided if stop.id not in still])
    outcomes = []
    for stop, step, why in decided:
        fate = Fate.RELEASED if step is Step.RELEASE else Fate.CLEARED
        if stop.id in still:
            fate, why = Fate.FAILED, f"{why}, but its name is paused still: {still[stop.id]}"
        outcomes.append(StopOutcome(stop=stop, fate=fate, why=why))
    return outcomes


def _unpause(stopper: Stopper, stops: Iterable[tuple[Stop, Step]]) -> dict[int, str]:
    """Unpause the workers that we have paused; returns stop id → why one is paused still.

    One that is released is unpaused also where it does not look paused: its master may be about to
    do what we have asked it before.
    """
    workload = stopper.look()
    asked = []
    for stop, step in stops:
        activity = workload.of(stop.name, stop.instance_id)
        if activity is None or not (activity.paused or step is Step.RELEASE):
            continue
        masters = workload.masters_alive & set(stop.masters)
        if activity.paused and not masters:  # any that has the worker configured will do
            masters = workload.masters_alive
        if not activity.paused or is_ours(activity, stopper.farm):
            asked.append(replace(stop, masters=tuple(sorted(masters))))
    if not asked:
        return {}
    refused = _call(stopper, asked, workload, "unpause")
    ids = {stop.id: _worker_id(stop, workload) for stop in asked}
    taken = {worker_id for key, worker_id in ids.items() if key not in refused}
    _wait_until(lambda: not stopper.read_paused(taken))
    left = stopper.read_paused(ids.values())
    return {
        key: refused[key].why if key in refused else "no master has done it yet"
        for key, worker_id in ids.items()
        if worker_id in left
        or (key in refused and refused[key].unanswered and not refused[key].taken)
    }
