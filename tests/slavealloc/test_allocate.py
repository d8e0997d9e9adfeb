"""Placing workers: what is promised of every choice, and properties over random farms."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from slavealloc.allocate import place_workers
from slavealloc.models import Loads, Master, Placement, Reason, Refusal, Worker

LINUX = (1, 1, None, None, None, None, None, None)
WINDOWS = (1, 2, None, None, None, None, None, None)


def make_master(master_id: int, *, pool_id: int = 1, enabled: bool = True) -> Master:
    return Master(
        id=master_id,
        nickname=f"bm{master_id}",
        fqdn=f"bm{master_id}.example.com",
        pb_port=9000 + master_id,
        pool_id=pool_id,
        enabled=enabled,
        notes="",
    )


def make_worker(worker_id: int, **more: object) -> Worker:
    worker = Worker(
        id=worker_id,
        name=f"w{worker_id}",
        enabled=True,
        notes="",
        silo=LINUX,
        basedir="/builds/slave",
        counted=False,
        password="secret",
        template="",
        locked_master_id=None,
        current_master_id=None,
    )
    return worker._replace(**more)  # type: ignore[arg-type]


def place(worker: Worker, masters: Sequence[Master], loads: Loads | None = None) -> str:
    """Where one worker goes: the master's nickname, the reason it gets none, or `disabled`."""
    (answer,) = place_workers([worker], {each.id: each for each in masters}, loads or {})
    if isinstance(answer, Refusal):
        return answer.why
    return answer.master.nickname if answer.master else str(answer.reason)


THREE = [make_master(1), make_master(2), make_master(3)]


def test_the_master_with_fewest_peers_wins() -> None:
    assert place(make_worker(1), THREE, {LINUX: {1: 2, 2: 1, 3: 2}}) == "bm2"


def test_a_tie_goes_to_the_lowest_id() -> None:
    assert place(make_worker(1), THREE[::-1], {LINUX: {1: 2, 2: 1, 3: 1}}) == "bm2"


def test_peers_of_another_silo_do_not_count() -> None:
    assert place(make_worker(1), THREE, {WINDOWS: {1: 9}, LINUX: {2: 1, 3: 1}}) == "bm1"


def test_a_worker_is_no_peer_of_itself() -> None:
    worker = make_worker(1, current_master_id=2, counted=True)
    assert place(worker, THREE, {LINUX: {1: 1, 2: 2, 3: 1}}) == "bm2"


def test_a_worker_stays_where_it_is_among_equals() -> None:
    worker = make_worker(1, current_master_id=3, counted=True)
    assert place(worker, THREE, {LINUX: {1: 1, 2: 1, 3: 2}}) == "bm3"


def test_a_worker_leaves_a_master_that_has_more_than_others() -> None:
    worker = make_worker(1, current_master_id=3, counted=True)
    assert place(worker, THREE, {LINUX: {1: 1, 2: 1, 3: 3}}) == "bm1"


def test_a_worker_that_was_away_is_placed_as_if_it_were_new() -> None:
    worker = make_worker(1, current_master_id=3, counted=False)
    assert place(worker, THREE, {LINUX: {1: 1, 2: 0, 3: 1}}) == "bm2"


def test_a_disabled_master_gets_nobody() -> None:
    masters = [make_master(1, enabled=False), make_master(2)]
    worker = make_worker(1, current_master_id=1, counted=True)
    assert place(worker, masters, {LINUX: {1: 1, 2: 9}}) == "bm2"


def test_a_master_of_another_pool_gets_nobody() -> None:
    assert place(make_worker(1), [make_master(1, pool_id=2), make_master(2)]) == "bm2"


def test_a_disabled_worker_gets_nothing() -> None:
    assert place(make_worker(1, enabled=False), THREE) == "disabled"


def test_a_lock_beats_balance_and_pool() -> None:
    masters = [make_master(1), make_master(2, pool_id=2)]
    assert place(make_worker(1, locked_master_id=2), masters, {LINUX: {2: 9}}) == "bm2"


def test_a_lock_to_a_disabled_master_is_refused_with_its_reason() -> None:
    masters = [make_master(1), replace(make_master(2, enabled=False), notes="bug 7")]
    assert place(make_worker(1, locked_master_id=2), masters) == (
        "it is locked to master bm2, which is disabled: bug 7"
    )


def test_without_a_password_there_is_no_place() -> None:
    assert place(make_worker(1, password=None), THREE) == (
        "no password is set for its pool and distro"
    )


def test_without_an_enabled_master_there_is_no_place() -> None:
    assert place(make_worker(1), [make_master(1, enabled=False)]) == (
        "its pool has no enabled master"
    )


def test_without_a_pool_there_is_no_place() -> None:
    worker = make_worker(1, silo=(None,) * 8)
    assert place(worker, THREE) == "its pool has no enabled master"


def test_those_who_ask_together_count_each_other() -> None:
    answers = place_workers([make_worker(n) for n in range(1, 8)], by_id(THREE), {})
    assert Counter(where(answers)) == {1: 3, 2: 2, 3: 2}


# Properties


def by_id(masters: Sequence[Master]) -> dict[int, Master]:
    return {master.id: master for master in masters}


def where(answers: Sequence[Placement | Refusal]) -> list[int | None]:
    return [
        answer.master.id if isinstance(answer, Placement) and answer.master else None
        for answer in answers
    ]


def settle(worker: Worker, answer: Placement | Refusal) -> Worker:
    """Change a worker as writing its answer does."""
    if isinstance(answer, Refusal):
        return worker._replace(counted=True)
    return worker._replace(
        counted=True, current_master_id=answer.master.id if answer.master else None
    )


def count(workers: Sequence[Worker]) -> Loads:
    loads: dict[tuple[int | None, ...], Counter[int]] = {}
    for worker in workers:
        if worker.counted and worker.current_master_id is not None:
            loads.setdefault(worker.silo, Counter())[worker.current_master_id] += 1
    return loads


masters_drawn = st.lists(st.booleans(), min_size=1, max_size=6).map(
    lambda enabled: [make_master(n, enabled=on) for n, on in enumerate(enabled, 1)]
)
workers_drawn = st.lists(
    st.tuples(st.sampled_from([LINUX, WINDOWS]), st.integers(0, 6), st.booleans(), st.booleans()),
    max_size=40,
).map(
    lambda drawn: [
        make_worker(
            n,
            silo=silo,
            current_master_id=current or None,
            counted=counted and bool(current),
            enabled=enabled,
        )
        for n, (silo, current, counted, enabled) in enumerate(drawn, 1)
    ]
)


@given(masters_drawn, workers_drawn)
def test_nobody_is_sent_to_a_disabled_master(masters: list[Master], workers: list[Worker]) -> None:
    answers = place_workers(workers, by_id(masters), count(workers))
    disabled = {master.id for master in masters if not master.enabled}
    assert not disabled & set(where(answers))


@given(masters_drawn, workers_drawn, st.integers(1, 7), st.randoms())
def test_when_all_have_asked_each_silo_is_even(
    masters: list[Master], workers: list[Worker], batch: int, chance: random.Random
) -> None:
    """Nobody is disabled: who leaves may leave a gap, until the others ask again."""
    now = {worker.id: worker._replace(enabled=True) for worker in workers}
    order = list(now)
    chance.shuffle(order)
    for start in range(0, len(order), batch):
        asking = [now[each] for each in order[start : start + batch]]
        loads = count(list(now.values()))
        for worker, answer in zip(
            asking, place_workers(asking, by_id(masters), loads), strict=True
        ):
            now[worker.id] = settle(worker, answer)
    for silo in (LINUX, WINDOWS):
        loads = count(list(now.values()))
        even = [loads.get(silo, {}).get(master.id, 0) for master in masters if master.enabled]
        assert not even or max(even) - min(even) <= 1


@given(masters_drawn, workers_drawn)
def test_asking_again_moves_nobody(masters: list[Master], workers: list[Worker]) -> None:
    workers = [worker._replace(enabled=True) for worker in workers]
    first = place_workers(workers, by_id(masters), count(workers))
    settled = [settle(worker, answer) for worker, answer in zip(workers, first, strict=True)]
    again = place_workers(settled, by_id(masters), count(settled))
    assert where(again) == where(first)
    assert not any(isinstance(each, Placement) and each.moved for each in again)


@given(masters_drawn, workers_drawn, st.integers(1, 40))
def test_a_batch_decides_as_one_after_the_other(
    masters: list[Master], workers: list[Worker], cut: int
) -> None:
    whole = place_workers(workers, by_id(masters), count(workers))
    first = place_workers(workers[:cut], by_id(masters), count(workers))
    settled = [settle(worker, answer) for worker, answer in zip(workers, first, strict=False)]
    rest = [*settled, *workers[cut:]]
    second = place_workers(workers[cut:], by_id(masters), count(rest))
    assert where(whole) == where([*first, *second])


def test_every_reason_is_given() -> None:
    workers = [
        make_worker(1),
        make_worker(2, current_master_id=1, counted=True),
        make_worker(3, locked_master_id=3),
        make_worker(4, enabled=False),
    ]
    answers = place_workers(workers, by_id(THREE), {LINUX: {1: 1}})
    assert [each.reason for each in answers if isinstance(each, Placement)] == [
        Reason.CHOSEN,
        Reason.KEPT,
        Reason.LOCKED,
        Reason.DISABLED,
    ]
