"""Plan → outcomes: renders, journals, calls. Every step may be the last; the next run goes on.

The journal is written before the first call, and each call is claimed in it, so that a run killed
anywhere leaves rows that say what may have been launched.
"""

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from farmhand.command import Run
from farmhand.db import FarmDb
from farmhand.errors import BadInput, FarmError, Locked
from watch_pending import queries
from watch_pending.aws_errors import Meaning, learn
from watch_pending.config import WatchPending
from watch_pending.ec2 import Aws, Ec2Error, launch_instance
from watch_pending.models import Exhausted, Launch, Offer, Outcome, Plan, Snapshot, Status
from watch_pending.pace import Pace
from watch_pending.request import PreparedLaunch, Stamp, format_request, fqdn, why_too_large
from watch_pending.spot import rules_out
from watch_pending.userdata import REGION_DNS_ATOMS, Template, render_user_data

log = logging.getLogger(__name__)
MAX_CALLS_AT_ONCE = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Launcher:
    """What launching needs of the world: the journal, EC2, templates, and certificates by host."""

    run: Run
    farm: str
    config: WatchPending
    database: FarmDb
    run_id: int
    aws: Aws
    templates: Mapping[str, Template]
    find_certificate: Callable[[str], str | None]


def prepare(
    launcher: Launcher, plan: Plan, snapshot: Snapshot
) -> tuple[list[PreparedLaunch], list[Outcome]]:
    """Render everything a plan needs before anything starts; what can't be rendered has failed."""
    images = {(image.region, image.ami): image for image in snapshot.images}
    prepared: list[PreparedLaunch] = []
    refused: list[Outcome] = []
    for launch in plan.launches:
        token = uuid.uuid4().hex
        place = launcher.config.instance_types[launch.instance_type].regions[launch.offer.region]
        try:
            user_data = render(launcher, launch, token)
        except FarmError as err:
            refused.append(_refusal(launch, str(err)))
            continue
        request = format_request(
            launch,
            place,
            images[launch.offer.region, launch.offer.ami],
            Stamp(farm=launcher.farm, token=token),
            user_data,
        )
        prepared.append(PreparedLaunch(launch=launch, token=token, request=request))
    return prepared, refused


def render(launcher: Launcher, launch: Launch, token: str) -> str:
    """Render a machine's user data; raises BadInput where it can't be, or is too large for EC2."""
    template = launcher.templates.get(launch.instance_type)
    if template is None:
        return ""
    region = launch.offer.region
    domain = launcher.config.instance_types[launch.instance_type].regions[region].domain
    full_name = fqdn(launch.name, domain)
    user_data = render_user_data(
        template,
        {
            "moz_instance_type": launch.instance_type,
            "hostname": launch.name,
            "domain": domain,
            "fqdn": full_name,
            "region": region,
            "region_dns_atom": REGION_DNS_ATOMS.get(region),
            "market": launch.offer.market.value,
            "farm": launcher.farm,
            "launch_id": token,
            "puppet_cert": launcher.find_certificate(full_name),
            "puppet_server": "",
            "password": "",
        },
    )
    if reason := why_too_large(user_data):
        raise BadInput(f"{template.path}: {reason}")
    return user_data


def _refusal(launch: Launch, reason: str) -> Outcome:
    exhausted = Exhausted(reason=reason, instance_type=launch.instance_type)
    return Outcome(launch=launch, status=Status.FAILED, reason=reason, exhausted=exhausted)


def launch_all(launcher: Launcher, plan: Plan, snapshot: Snapshot, pace: Pace) -> list[Outcome]:
    """Journal a plan and make its calls, regions in parallel, within EC2's documented rate.

    Raises Locked when another run planned since the snapshot was taken; nothing is launched then.
    """
    prepared, outcomes = prepare(launcher, plan, snapshot)
    with launcher.database.begin() as connection:
        won = queries.write_plan(
            connection, prepared, generation=snapshot.generation, run_id=launcher.run_id
        )
    if not won:
        raise Locked("another run planned at the same time; this one launches nothing")
    outcomes.extend(_make_calls(launcher, prepared, pace))
    for outcome in outcomes:
        _log_outcome(outcome)
    return outcomes


def _make_calls(
    launcher: Launcher, prepared: Sequence[PreparedLaunch], pace: Pace
) -> Iterator[Outcome]:
    """Start each call when its region's turn comes; the journal is written by this thread alone."""
    waiting: dict[str, deque[PreparedLaunch]] = {}
    for item in prepared:
        waiting.setdefault(item.launch.offer.region, deque()).append(item)
    clients = {region: launcher.aws.launcher(region) for region in waiting}
    learned: list[Exhausted] = []
    running: dict[Future[str], PreparedLaunch] = {}
    stop = threading.Event()
    with ThreadPoolExecutor(max_workers=MAX_CALLS_AT_ONCE) as pool, ExitStack() as at_end:
        at_end.callback(stop.set)  # when we are told to end, no call waits for its next try
        while waiting or running:
            for outcome in _collect(launcher, running, _pause_s(launcher, waiting, pace)):
                learned.extend(filter(None, [outcome.exhausted]))
                yield outcome
            for region, queue in list(waiting.items()):
                yield from _give_up(launcher, queue, learned)
                if not queue:
                    del waiting[region]
                elif pace.turn(region, now := time.monotonic()) <= now:
                    item = queue.popleft()
                    if _claim(launcher, item):
                        pace.take(region, now)
                        patience_s = min(launcher.run.remaining_s(), queries.CLAIMABLE_S)
                        call = partial(launch_instance, clients[region], item.request)
                        running[pool.submit(call, patience_s=patience_s, stop=stop)] = item
                    else:
                        yield _drop(launcher, item, Status.FAILED, "its turn came too late")


def _pause_s(
    launcher: Launcher, waiting: Mapping[str, deque[PreparedLaunch]], pace: Pace
) -> float | None:
    """Seconds until something is to be started; None when nothing is left to start."""
    now = time.monotonic()
    turns = [pace.turn(region, now) - now for region, queue in waiting.items() if queue]
    return min([*turns, launcher.run.remaining_s()]) if turns else None


def _collect(
    launcher: Launcher, running: dict[Future[str], PreparedLaunch], timeout_s: float | None
) -> Iterator[Outcome]:
    """Wait for calls to end, at most so long, and write down how they did."""
    if not running:
        time.sleep(timeout_s or 0)
        return
    done, _ = wait(running, timeout=timeout_s, return_when=FIRST_COMPLETED)
    for future in done:
        yield _close(launcher, running.pop(future), future)


def _give_up(
    launcher: Launcher, queue: deque[PreparedLaunch], learned: Sequence[Exhausted]
) -> Iterator[Outcome]:
    """Close the launches whose call has become pointless."""
    late = launcher.run.remaining_s() == 0
    for item in list(queue):
        exhausted = next((each for each in learned if rules_out(each, item.launch)), None)
        if not late and exhausted is None:
            continue
        queue.remove(item)
        reason = exhausted.reason if exhausted else "the deadline was reached before its turn came"
        yield _drop(launcher, item, Status.NOT_TRIED if exhausted else Status.FAILED, reason)


def _drop(launcher: Launcher, item: PreparedLaunch, status: Status, reason: str) -> Outcome:
    """Close a launch that was not called; its name is free again at once."""
    with launcher.database.begin() as connection:
        queries.close_launch(connection, item.token, instance_id=None, error=reason)
    return _outcome(item, status, reason)


def _claim(launcher: Launcher, item: PreparedLaunch) -> bool:
    with launcher.database.begin() as connection:
        return queries.claim_call(connection, item.token)


def _close(launcher: Launcher, item: PreparedLaunch, future: Future[str]) -> Outcome:
    """Write how a call ended. One without an answer stays open: its instance may yet appear."""
    try:
        instance_id = future.result()
    except Ec2Error as err:
        if err.unanswered:
            return _outcome(item, Status.UNKNOWN, str(err))
        with launcher.database.begin() as connection:
            queries.close_launch(connection, item.token, instance_id=None, error=str(err))
        spent = {Meaning.NO_CAPACITY, Meaning.SUBNET_FULL, Meaning.QUOTA}
        status = Status.NO_CAPACITY if err.meaning in spent else Status.FAILED
        return Outcome(
            launch=item.launch,
            status=status,
            token=item.token,
            reason=str(err),
            exhausted=learn(err.meaning, item.launch, str(err)),
        )
    with launcher.database.begin() as connection:
        queries.close_launch(connection, item.token, instance_id=instance_id, error=None)
    return Outcome(
        launch=item.launch, status=Status.LAUNCHED, token=item.token, instance_id=instance_id
    )


def _outcome(item: PreparedLaunch, status: Status, reason: str) -> Outcome:
    return Outcome(launch=item.launch, status=status, token=item.token, reason=reason)


def _log_outcome(outcome: Outcome) -> None:
    launch = outcome.launch
    where = format_offer(launch.offer)
    match outcome.status:
        case Status.LAUNCHED:
            log.info("launched %s %s as %s", launch.name, where, outcome.instance_id)
        case Status.NO_CAPACITY | Status.NOT_TRIED:
            log.info("no %s %s: %s", launch.name, where, outcome.reason)
        case Status.FAILED:
            log.error("%s %s failed: %s", launch.name, where, outcome.reason)
        case Status.UNKNOWN:
            log.error(
                "%s %s: no answer, so it may exist; the next runs look for it for 5 minutes: %s",
                launch.name,
                where,
                outcome.reason,
            )


def format_offer(offer: Offer) -> str:
    """Say an offer in words: `spot c7i.xlarge in us-east-1a`."""
    return f"{offer.market} {offer.ec2_type} in {offer.availability_zone}"
