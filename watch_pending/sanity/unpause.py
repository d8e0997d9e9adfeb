"""Names that stop-idle has paused and nothing bears: unpaused by a master that knows them."""

import time
from collections.abc import Collection, Sequence

from farmhand.errors import Unavailable
from watch_pending.config_stops import MasterAccess
from watch_pending.pending import detect_shape
from watch_pending.sanity.fixer import Fixer
from watch_pending.sanity.models import Fate, FixOutcome, Remedy
from watch_pending.sanity.remedy import why_still_paused
from watch_pending.stop_idle.activity import read_paused
from watch_pending.stop_idle.models import Workload
from watch_pending.stop_idle.queries import read_master_urls
from watch_pending.stop_idle.rest import Answers, Call, Refusal, call_masters, find_access

REST_PATIENCE_S = 60.0
# A master answers before its database changes.
CONFIRM_S = 10.0
POLL_S = 0.2
REASON = "farmhand: no machine bears this name"


def unpause(fixer: Fixer, remedies: Sequence[Remedy]) -> list[FixOutcome]:
    """Unpause names; the database says whether it has come to pass, not a master's answer."""
    if not remedies:
        return []
    try:
        return _unpause(fixer, remedies)
    except Unavailable as err:
        return [FixOutcome(remedy=each, fate=Fate.FAILED, why=str(err)) for each in remedies]


def _unpause(fixer: Fixer, remedies: Sequence[Remedy]) -> list[FixOutcome]:
    workload = fixer.look_at_workers()
    workers = workload.workers or {}
    kept = {
        each.finding.name: why
        for each in remedies
        if (why := why_still_paused(each.finding.name, workload, fixer.sight))
    }
    ids = {
        each.finding.name: workers[each.finding.name].worker_id
        for each in remedies
        if each.finding.name not in kept
    }
    answers = _call_all(fixer, workload, list(ids.values()))
    taken = {worker for (_, worker), refusal in answers.items() if refusal is None}
    left = _wait_until_unpaused(fixer, ids.values(), taken)
    outcomes = []
    for each in remedies:
        name = each.finding.name
        if name in kept:
            outcomes.append(FixOutcome(remedy=each, fate=Fate.LEFT, why=kept[name]))
        elif ids[name] in left:
            why = _why_refused(answers, ids[name])
            outcomes.append(FixOutcome(remedy=each, fate=Fate.FAILED, why=why))
        else:
            outcomes.append(FixOutcome(remedy=each, fate=Fate.FIXED, why="unpaused"))
    return outcomes


def _call_all(fixer: Fixer, workload: Workload, ids: Sequence[int]) -> Answers:
    """Ask every master that lives: the database does not say which of them knows a worker."""
    with fixer.database.begin() as connection:
        urls = read_master_urls(connection)
    alive = workload.masters_alive
    work: dict[str, tuple[MasterAccess, list[Call]]] = {}
    answers: Answers = {}
    for master in sorted(alive):
        access = find_access(master, fixer.settings.watch.masters, urls, alive)
        if isinstance(access, str):
            answers |= {(master, each): Refusal(why=f"{master}: {access}") for each in ids}
        elif ids:
            calls = [Call(worker_id=each, method="unpause", reason=REASON) for each in ids]
            work[master] = (access, calls)
    return answers | call_masters(work, min(REST_PATIENCE_S, fixer.run.remaining_s()))


def _wait_until_unpaused(fixer: Fixer, ids: Collection[int], taken: Collection[int]) -> set[int]:
    """Wait for the masters to do what they have taken; returns those that are paused still."""
    until = time.monotonic() + CONFIRM_S
    while True:
        with fixer.look.scheduler.connect() as connection:
            left = read_paused(connection, detect_shape(connection), ids)
        if not left & set(taken) or time.monotonic() > until:
            return left
        time.sleep(POLL_S)


def _why_refused(answers: Answers, worker_id: int) -> str:
    said = [each for (_, key), each in answers.items() if key == worker_id]
    refusals = [each.why for each in said if each]
    return refusals[0] if refusals else "no master has done it yet" if said else "no master lives"
