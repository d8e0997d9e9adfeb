"""Choose a master for each of the workers that ask together; pure."""

from collections import Counter
from collections.abc import Mapping, Sequence

from slavealloc.models import Loads, Master, Placement, Reason, Refusal, Silo, Worker


def place_workers(
    workers: Sequence[Worker], masters: Mapping[int, Master], loads: Loads
) -> list[Placement | Refusal]:
    """Place workers, one after the other, as if they had asked one after the other.

    `masters` are all masters, by id; `loads` counts live workers, the ones that ask included.

    A locked worker goes to its master; else to the enabled master of its pool that serves fewest
    other live workers of its silo. Among equals it stays where it is, else the lowest id wins. So
    once all of a silo have asked, its counts are at most 1 apart, and asking again moves nobody.
    """
    pools: dict[int, list[int]] = {}
    for master in sorted(masters.values(), key=lambda each: each.id):
        if master.enabled:
            pools.setdefault(master.pool_id, []).append(master.id)
    balance: dict[Silo, dict[int, int]] = {}
    answers: list[Placement | Refusal] = []
    for worker in workers:
        silo = worker.silo
        if silo not in balance:
            balance[silo] = _count(pools.get(silo[0] or 0, ()), loads.get(silo, {}))
        answers.append(_place(worker, masters, balance[silo]))
    return answers


def _count(master_ids: Sequence[int], loads: Mapping[int, int]) -> dict[int, int]:
    return {master_id: loads.get(master_id, 0) for master_id in master_ids}


def _place(
    worker: Worker, masters: Mapping[int, Master], load: dict[int, int]
) -> Placement | Refusal:
    """Place one worker, and change `load` as its move does."""
    answer = _choose(worker, masters, load)
    if isinstance(answer, Refusal):
        return answer
    before = worker.current_master_id
    if worker.counted and before is not None and before in load:
        load[before] -= 1
    if answer.master is not None and answer.master.id in load:
        load[answer.master.id] += 1
    return answer


def _choose(
    worker: Worker, masters: Mapping[int, Master], load: Mapping[int, int]
) -> Placement | Refusal:
    if not worker.enabled:
        return Placement(worker=worker, master=None, reason=Reason.DISABLED)
    if worker.password is None:
        return Refusal(worker=worker, why="no password is set for its pool and distro")
    if worker.locked_master_id is not None:
        return _follow_lock(worker, masters[worker.locked_master_id])
    if not load:
        return Refusal(worker=worker, why="its pool has no enabled master")
    current = worker.current_master_id
    own = 1 if worker.counted else 0
    chosen = min(load, key=load.__getitem__)  # the first of equals, and they are in order of id
    if current is not None and current in load and load[current] - own <= load[chosen]:
        return Placement(worker=worker, master=masters[current], reason=Reason.KEPT)
    return Placement(worker=worker, master=masters[chosen], reason=Reason.CHOSEN)


def _follow_lock(worker: Worker, master: Master) -> Placement | Refusal:
    if master.enabled:
        return Placement(worker=worker, master=master, reason=Reason.LOCKED)
    why = f": {master.notes}" if master.notes else ""
    return Refusal(
        worker=worker, why=f"it is locked to master {master.nickname}, which is disabled{why}"
    )


def count_changes(answers: Sequence[Placement | Refusal]) -> dict[tuple[Silo, int], int]:
    """Say how the numbers of live workers change when these answers are written.

    Who is refused stays where it was, and is live again.
    """
    changes: Counter[tuple[Silo, int]] = Counter()
    for answer in answers:
        worker = answer.worker
        if worker.counted and worker.current_master_id is not None:
            changes[worker.silo, worker.current_master_id] -= 1
        after = worker.current_master_id
        if isinstance(answer, Placement):
            after = answer.master.id if answer.master else None
        if after is not None:
            changes[worker.silo, after] += 1
    return {place: change for place, change in changes.items() if change}
