"""Names after the launch of groups: CreateTags for each machine, within EC2's documented rate.

Nothing depends on it: a machine finds its own name, and every run reads it from the list in the
tags. What is not done in time, the next run that looks at EC2 does.
"""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from functools import partial
from multiprocessing import TimeoutError as NotReady
from multiprocessing.pool import AsyncResult, ThreadPool

from farmhand.command import Run
from watch_pending.aws import Aws, Ec2Error
from watch_pending.ec2_launches import write_tags
from watch_pending.groups import Naming, plan_naming
from watch_pending.models import Outcome, Snapshot
from watch_pending.pace import TAGS_BURST, TAGS_INTERVAL_S, Pace

log = logging.getLogger(__name__)
MAX_CALLS_AT_ONCE = 32
# What is refused for so long is left to the next run.
PATIENCE_S = 20.0
# Left in the bucket, for calls that arrive later than they started.
SPARE = 10


def write_names(run: Run, aws: Aws, snapshot: Snapshot, outcomes: Iterable[Outcome]) -> int:
    """Name the machines of groups, none past the deadline; return how many are left without."""
    namings = plan_naming(snapshot, outcomes)
    if not namings:
        return 0
    stop = threading.Event()
    begun = _begin(run, aws, namings, stop)
    failed: Counter[str] = Counter()
    if missed := len(namings) - len(begun):
        failed["the deadline came first"] = missed
    for end in begun:
        try:
            end.get(run.remaining_s())
        except Ec2Error as err:
            failed[str(err)] += 1
        except NotReady:
            failed["no answer by the deadline"] += 1
    stop.set()
    for reason, count in failed.items():
        log.warning(
            "%d machines run without the tags Name and FQDN; the next run that looks at EC2 writes "
            "them: %s",
            count,
            reason,
        )
    return failed.total()


def _begin(
    run: Run, aws: Aws, namings: Sequence[Naming], stop: threading.Event
) -> list["AsyncResult[None]"]:
    """Start each call when its region's turn comes, until the deadline."""
    waiting: dict[str, deque[Naming]] = {}
    for naming in namings:
        waiting.setdefault(naming.region, deque()).append(naming)
    clients = {region: aws.launcher(region) for region in waiting}
    pace = Pace(burst=TAGS_BURST - SPARE, interval_s=TAGS_INTERVAL_S)
    # Its threads are daemons: what still hangs after the deadline must not keep the process.
    pool = ThreadPool(min(MAX_CALLS_AT_ONCE, len(namings)))
    free = threading.Semaphore(MAX_CALLS_AT_ONCE)
    begun: list[AsyncResult[None]] = []
    while waiting and (left_s := run.remaining_s()) > 0:
        now = time.monotonic()
        turn, region = min((pace.turn(region, now), region) for region in waiting)
        if turn > now:
            time.sleep(min(turn - now, left_s))
        elif free.acquire(timeout=left_s):
            naming = waiting[region].popleft()
            pace.take(region, time.monotonic())
            call = partial(write_tags, clients[region], naming.instance_id, naming.tags)
            patience_s = min(left_s, PATIENCE_S)
            begun.append(
                pool.apply_async(
                    call,
                    kwds={"patience_s": patience_s, "stop": stop},
                    callback=lambda _: free.release(),
                    error_callback=lambda _: free.release(),
                )
            )
            if not waiting[region]:
                del waiting[region]
    pool.close()
    return begun
