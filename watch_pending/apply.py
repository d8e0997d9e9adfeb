"""Plan → outcomes: journals, calls. Every step may be the last; the next run goes on.

The journal is written before the first call, and each call is claimed in it, so that a run killed
anywhere leaves rows that say what may have been launched.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from sqlalchemy.engine import Connection

from farmhand.command import Run
from farmhand.db import FarmDb
from farmhand.errors import Locked
from watch_pending import backoff_queries, queries
from watch_pending.aws import Aws, Ec2Error
from watch_pending.aws_errors import Meaning, learn
from watch_pending.backoff_models import Kind
from watch_pending.backoffs import remember
from watch_pending.ec2_launches import launch_instances
from watch_pending.groups import group_launches
from watch_pending.models import Exhausted, Offer, Outcome, Plan, Snapshot, Status
from watch_pending.pace import Pace
from watch_pending.prepare import Renderer, find_free_tags, prepare
from watch_pending.request import PreparedCall, PreparedLaunch
from watch_pending.settings_digest import Digests
from watch_pending.spot import rules_out

log = logging.getLogger(__name__)
MAX_CALLS_AT_ONCE = 32
RENEW_S = 5.0  # well before queries.RENEWED_S
Ids = dict[int, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Launcher:
    """What launching needs of the world: a deadline, the journal, EC2."""

    run: Run
    renderer: Renderer
    database: FarmDb
    run_id: int
    aws: Aws
    digests: Digests


def launch_all(launcher: Launcher, plan: Plan, snapshot: Snapshot, pace: Pace) -> list[Outcome]:
    """Journal a plan and make its calls, regions in parallel, within EC2's documented rate.

    Raises Locked when another run planned since the snapshot was taken; nothing is launched then.
    """
    now = time.monotonic()
    regions = {launch.offer.region for launch in plan.launches}
    tokens = {region: pace.tokens(region, now) for region in regions}
    calls = group_launches(plan.launches, tokens, find_free_tags(launcher.renderer))
    prepared, outcomes = prepare(launcher.renderer, calls, snapshot)
    launches = [launch for call in prepared for launch in call.launches]
    with launcher.database.begin() as connection:
        won = queries.write_plan(
            connection, launches, generation=snapshot.generation, run_id=launcher.run_id
        )
    if not won:
        raise Locked("another run planned at the same time; this one launches nothing")
    outcomes.extend(_make_calls(launcher, prepared, pace))
    _log_outcomes(outcomes)
    return outcomes


def _make_calls(
    launcher: Launcher, prepared: Sequence[PreparedCall], pace: Pace
) -> Iterator[Outcome]:
    """Start each call when its region's turn comes; the journal is written by this thread alone."""
    waiting: dict[str, deque[PreparedCall]] = {}
    for call in prepared:
        waiting.setdefault(call.launch.offer.region, deque()).append(call)
    clients = {region: launcher.aws.launcher(region) for region in waiting}
    learned: list[Exhausted] = []
    running: dict[Future[Ids], PreparedCall] = {}
    renewed = time.monotonic()
    stop = threading.Event()
    with ThreadPoolExecutor(max_workers=MAX_CALLS_AT_ONCE) as pool, ExitStack() as at_end:
        at_end.callback(stop.set)  # when we are told to end, no call waits for its next try
        while waiting or running:
            for outcome in _collect(launcher, running, _pause_s(launcher, running, waiting, pace)):
                learned.extend(filter(None, [outcome.exhausted]))
                yield outcome
            if waiting and time.monotonic() - renewed >= RENEW_S:
                _renew(launcher, waiting)
                renewed = time.monotonic()
            for region, queue in list(waiting.items()):
                yield from _give_up(launcher, queue, learned)
                if not queue:
                    del waiting[region]
                elif _may_call(running, pace.turn(region, now := time.monotonic()), now):
                    call = queue.popleft()
                    if _claim(launcher, call):
                        pace.take(region, now)
                        patience_s = min(launcher.run.remaining_s(), queries.CALL_MOST_S)
                        launch = partial(launch_instances, clients[region], call.request)
                        running[pool.submit(launch, patience_s=patience_s, stop=stop)] = call
                    else:
                        yield from _drop(launcher, call, Status.FAILED, "its turn came too late")


def _renew(launcher: Launcher, waiting: Mapping[str, Iterable[PreparedCall]]) -> None:
    """Tell other hosts that this run still means to make its calls."""
    calls = [call for queue in waiting.values() for call in queue]
    with launcher.database.begin() as connection:
        queries.renew(connection, [item.token for call in calls for item in call.launches])


def _may_call(running: Mapping[Future[Ids], PreparedCall], turn: float, now: float) -> bool:
    """Whether a call can go out at once: what is claimed must not wait, for its row expires."""
    return turn <= now and len(running) < MAX_CALLS_AT_ONCE


def _pause_s(
    launcher: Launcher,
    running: Mapping[Future[Ids], PreparedCall],
    waiting: Mapping[str, deque[PreparedCall]],
    pace: Pace,
) -> float | None:
    """Seconds until something is to be started; None when nothing is left to start."""
    if not waiting:
        return None
    left_s = launcher.run.remaining_s()
    if len(running) == MAX_CALLS_AT_ONCE:
        return min(left_s, RENEW_S)
    now = time.monotonic()
    return min([left_s, RENEW_S, *(pace.turn(region, now) - now for region in waiting)])


def _collect(
    launcher: Launcher, running: dict[Future[Ids], PreparedCall], timeout_s: float | None
) -> Iterator[Outcome]:
    """Wait for calls to end, at most so long, and write down how they did."""
    if not running:
        time.sleep(timeout_s or 0)
        return
    done, _ = wait(running, timeout=timeout_s, return_when=FIRST_COMPLETED)
    for future in done:
        yield from _close(launcher, running.pop(future), future)


def _give_up(
    launcher: Launcher, queue: deque[PreparedCall], learned: Sequence[Exhausted]
) -> Iterator[Outcome]:
    """Close the calls that have become pointless."""
    late = launcher.run.remaining_s() == 0
    for call in list(queue):
        exhausted = next((each for each in learned if rules_out(each, call.launch)), None)
        if not late and exhausted is None:
            continue
        queue.remove(call)
        reason = exhausted.reason if exhausted else "the deadline was reached before its turn came"
        status = Status.NOT_TRIED if exhausted else Status.FAILED
        yield from _drop(launcher, call, status, reason)


def _drop(launcher: Launcher, call: PreparedCall, status: Status, reason: str) -> list[Outcome]:
    """Close what was not called; its names are free again at once."""
    outcomes = [_outcome(item, status, reason) for item in call.launches]
    with launcher.database.begin() as connection:
        _write_ends(connection, outcomes)
    return outcomes


def _claim(launcher: Launcher, call: PreparedCall) -> bool:
    with launcher.database.begin() as connection:
        return queries.claim_call(connection, *(item.token for item in call.launches))


def _close(launcher: Launcher, call: PreparedCall, future: Future[Ids]) -> list[Outcome]:
    """Write how a call ended. One without an answer stays open: its instances may yet appear."""
    try:
        ids = future.result()
    except Ec2Error as err:
        if err.unanswered:
            return [_outcome(item, Status.UNKNOWN, str(err)) for item in call.launches]
        meaning, reason = err.meaning, str(err)
        outcomes = [_refused(item, meaning, reason) for item in call.launches]
    else:
        meaning = Meaning.NO_CAPACITY
        reason = f"EC2 had no capacity for more than {len(ids)} of {len(call.launches)}"
        outcomes = [
            _launched(item, ids[index]) if index in ids else _refused(item, meaning, reason)
            for index, item in enumerate(call.launches)
        ]
    with launcher.database.begin() as connection:
        _write_ends(connection, outcomes)
        _remember(launcher, connection, outcomes, meaning)
    return outcomes


def _write_ends(connection: Connection, outcomes: Sequence[Outcome]) -> None:
    if len(outcomes) > 1:
        queries.take_turn(connection)
    for outcome in outcomes:
        queries.close_launch(
            connection, outcome.token, instance_id=outcome.instance_id, error=outcome.reason
        )


def _remember(
    launcher: Launcher, connection: Connection, outcomes: Sequence[Outcome], meaning: Meaning
) -> None:
    """Write what a call's outcomes mean for runs to come: all of them speak of the same offer."""
    for outcome in outcomes:
        if outcome.status is Status.LAUNCHED:
            backoff_queries.delete_disproved(connection, outcome.launch, outcome.token)
            break
    refused = next((item for item in outcomes if item.status is not Status.LAUNCHED), None)
    if refused is None:
        return
    launch = refused.launch
    said = refused.reason.removeprefix(f"{launch.offer.region}: RunInstances: ")
    if kept := remember(meaning, launch, said):
        stops = kept.kind is Kind.SETTINGS
        digest = launcher.digests[launch.instance_type, launch.offer.region] if stops else None
        times = launcher.renderer.config.backoff
        backoff_queries.write_refusal(connection, kept, times, digest)


def _launched(item: PreparedLaunch, instance_id: str) -> Outcome:
    return Outcome(
        launch=item.launch,
        status=Status.LAUNCHED,
        token=item.token,
        instance_id=instance_id,
        lacks=item.lacks,
    )


def _refused(item: PreparedLaunch, meaning: Meaning, reason: str) -> Outcome:
    spent = {Meaning.NO_CAPACITY, Meaning.SUBNET_FULL, Meaning.QUOTA}
    return Outcome(
        launch=item.launch,
        status=Status.NO_CAPACITY if meaning in spent else Status.FAILED,
        token=item.token,
        reason=reason,
        exhausted=learn(meaning, item.launch, reason),
    )


def _outcome(item: PreparedLaunch, status: Status, reason: str) -> Outcome:
    return Outcome(launch=item.launch, status=status, token=item.token, reason=reason)


def _log_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Log each machine that was launched, and those that failed alike in one line."""
    alike: dict[tuple[Status, Offer, str], list[str]] = {}
    for outcome in outcomes:
        launch = outcome.launch
        if outcome.status is Status.LAUNCHED:
            where = format_offer(launch.offer)
            log.info("launched %s %s as %s", launch.name, where, outcome.instance_id)
        else:
            alike.setdefault((outcome.status, launch.offer, outcome.reason), []).append(launch.name)
    for (status, offer, reason), names in alike.items():
        where, which = format_offer(offer), f"{names[0]} and {len(names) - 1} more"
        which = names[0] if len(names) == 1 else which
        match status:
            case Status.NO_CAPACITY | Status.NOT_TRIED | Status.LAUNCHED:
                log.info("no %s %s: %s", which, where, reason)
            case Status.FAILED:
                log.error("%s %s failed: %s", which, where, reason)
            case Status.UNKNOWN:
                log.error(
                    "%s %s: no answer, so it may exist; runs look for it for 5 minutes: %s",
                    which,
                    where,
                    reason,
                )


def format_offer(offer: Offer) -> str:
    """Say an offer in words: `spot c7i.xlarge in us-east-1a`."""
    return f"{offer.market} {offer.ec2_type} in {offer.availability_zone}"
