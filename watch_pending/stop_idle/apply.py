"""Machines on their way out, step by step: pause → look again → terminate → unpause.

Every step is written before it is made, so that a run killed anywhere leaves rows with which the
next one goes on. A worker that took a build between looking and pausing is let go.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from farmhand.command import Run
from farmhand.db import FarmDb
from watch_pending.aws_errors import Meaning
from watch_pending.config import MasterAccess, WatchPending
from watch_pending.ec2 import Aws, Ec2Error
from watch_pending.ec2_stops import terminate_instances
from watch_pending.gather import SchedulerDb
from watch_pending.pending import Shape
from watch_pending.stop_idle import queries
from watch_pending.stop_idle.activity import read_paused, read_workload
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
from watch_pending.stop_idle.rest import Call, Method, Refusal, call_masters, find_access

log = logging.getLogger(__name__)
REST_PATIENCE_S = 60.0
# A master answers before its database changes, and what it was about to do it still does.
CONFIRM_S = 10.0
SETTLE_S = 1.0
STARTING_S = 5.0
POLL_S = 0.2
REGIONS_AT_ONCE = 16

Decided = list[tuple[Stop, Step, str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stopper:
    """What stopping needs of the world. `urls`: slavealloc's masters, host → URLs."""

    run: Run
    farm: str
    config: WatchPending
    database: FarmDb
    scheduler: SchedulerDb
    shape: Shape
    aws: Aws
    hold: queries.Hold
    urls: Mapping[str, Sequence[str]]

    def look(self) -> Workload:
        """Read anew what all workers do."""
        with self.scheduler.connect() as connection:
            return read_workload(connection, self.shape)

    def read_paused(self, worker_ids: Iterable[int]) -> set[int]:
        """Read which of these workers are paused now."""
        with self.scheduler.connect() as connection:
            return read_paused(connection, self.shape, set(worker_ids))

    def advance(self, stops: Iterable[Stop], to: StopState) -> list[Stop]:
        """Move rows on, and return those that are still ours."""
        rows = {stop.id: stop for stop in stops}
        if not rows:
            return []
        with self.database.begin() as connection:
            moved = queries.advance(connection, rows, self.hold.owner, to)
        return [stop for key, stop in rows.items() if key in moved]

    def close(self, decided: Iterable[tuple[Stop, str]]) -> None:
        """Close rows, those of one reason together."""
        by_reason: defaultdict[str, list[int]] = defaultdict(list)
        for stop, why in decided:
            by_reason[why].append(stop.id)
        if by_reason:
            with self.database.begin() as connection:
                for why, ids in by_reason.items():
                    queries.close(connection, ids, self.hold.owner, why)


def work_off(stopper: Stopper, stops: Sequence[Stop], sight: Sight) -> list[StopOutcome]:
    """Take each machine on its way out as far as it can go now."""
    decided: Decided = [(stop, *next_step(stop, sight, stopper.farm)) for stop in stops]
    outcomes, going = [], [stop for stop, step, _ in decided if step is Step.STOP]
    looked, failed = _pause_and_look(stopper, going, sight.workload)
    outcomes += failed
    outcomes += _terminate(stopper, [stop for stop, step, _ in looked if step is Step.STOP])
    draining = [(stop, why) for stop, step, why in looked if step is Step.DRAIN]
    stopper.advance([stop for stop, _ in draining], StopState.PAUSING)  # which renews its expiry
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
    """Pause the workers on their masters, wait until it is so, and look what they do then."""
    if not stops:
        return [], []
    to_pause = [
        stop
        for stop in stops
        if (activity := seen.of(stop.name, stop.instance_id))
        and activity.masters
        and not activity.paused
    ]
    refused = _call(stopper, to_pause, seen, "pause")
    asked = {stop.id: _worker_id(stop, seen) for stop in to_pause if stop.id not in refused}
    if asked:
        _wait_until(lambda: stopper.read_paused(asked.values()) >= set(asked.values()))
        time.sleep(SETTLE_S)
    workload = _look_when_settled(stopper, stops)
    decided: Decided = []
    outcomes = []
    for stop in stops:
        refusal = refused.get(stop.id)
        starting = bool(workload.starting & set(stop.masters))
        activity = workload.of(stop.name, stop.instance_id)
        step, why = decide(stop, activity, stopper.farm, starting=starting)
        if refusal is not None and step in {Step.WAIT, Step.STOP, Step.DRAIN}:
            outcomes.append(StopOutcome(stop=stop, fate=Fate.FAILED, why=refusal.why))
            if not refusal.unanswered:
                stopper.close([(stop, refusal.why)])
        else:
            decided.append((stop, step, why))
    return decided, outcomes


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
    refused: dict[int, Refusal] = {}
    asked: list[tuple[int, str, int]] = []
    for stop in stops:
        worker_id = _worker_id(stop, workload)
        for master in stop.masters:
            access = find_access(master, stopper.config.masters, stopper.urls)
            if isinstance(access, str):
                refused[stop.id] = Refusal(why=f"{master}: {access}")
                continue
            call = Call(worker_id=worker_id, method=method, reason=pause_reason(stopper.farm, stop))
            work.setdefault(master, (access, []))[1].append(call)
            asked.append((stop.id, master, worker_id))
    answers = call_masters(work, min(REST_PATIENCE_S, stopper.run.remaining_s()))
    for stop_id, master, worker_id in asked:
        if (refusal := answers[master, worker_id]) is not None:
            refused[stop_id] = refusal
    return refused


def _terminate(stopper: Stopper, stops: Sequence[Stop]) -> list[StopOutcome]:
    """Terminate machines, one call a region; a row says so before."""
    by_region: defaultdict[str, list[Stop]] = defaultdict(list)
    for stop in stopper.advance(stops, StopState.TERMINATING):
        by_region[stop.region].append(stop)
    if not by_region:
        return []
    with ThreadPoolExecutor(REGIONS_AT_ONCE) as pool:
        ends = pool.map(lambda item: _terminate_in(stopper, *item), by_region.items())
        errors = {key: err for each in ends for key, err in each.items()}
    done = [stop for group in by_region.values() for stop in group]
    stopper.advance([stop for stop in done if errors[stop.id] is None], StopState.STOPPED)
    protected = [
        (stop, Step.RELEASE, str(err))
        for stop in done
        if (err := errors[stop.id]) is not None and err.meaning is Meaning.BAD_SETTINGS
    ]
    _let_go(stopper, protected)
    return [
        StopOutcome(stop=stop, fate=Fate.STOPPED, why=stop.detail)
        if (err := errors[stop.id]) is None
        else StopOutcome(stop=stop, fate=Fate.FAILED, why=str(err))
        for stop in done
    ]


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
    still = _unpause(stopper, [stop for stop, step, _ in decided if step is not Step.CLOSE])
    stopper.close([(stop, why) for stop, _, why in decided if stop.id not in still])
    outcomes = []
    for stop, step, why in decided:
        released = step is Step.RELEASE or stop.state is StopState.RELEASING
        fate = Fate.RELEASED if released else Fate.CLEARED
        if stop.id in still:
            fate, why = Fate.FAILED, f"{why}, but its name is paused still: {still[stop.id]}"
        outcomes.append(StopOutcome(stop=stop, fate=fate, why=why))
    return outcomes


def _unpause(stopper: Stopper, stops: Iterable[Stop]) -> dict[int, str]:
    """Unpause the workers that we have paused; returns stop id → why one is paused still."""
    workload = stopper.look()
    still, asked = {}, []
    for stop in stops:
        activity = workload.of(stop.name, stop.instance_id)
        if not activity or not activity.paused or not is_ours(activity, stopper.farm):
            continue
        alive = tuple(master for master in stop.masters if master in workload.masters_alive)
        if alive:
            asked.append(replace(stop, masters=alive))
        else:
            still[stop.id] = "its master shows no life"
    still |= {
        key: refusal.why for key, refusal in _call(stopper, asked, workload, "unpause").items()
    }
    ids = {stop.id: _worker_id(stop, workload) for stop in asked if stop.id not in still}
    if ids:
        _wait_until(lambda: not stopper.read_paused(ids.values()))
        left = stopper.read_paused(ids.values())
        still |= {
            key: "its master has not done it yet" for key, each in ids.items() if each in left
        }
    return still
