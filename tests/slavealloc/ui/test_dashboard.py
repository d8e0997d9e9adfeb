from dataclasses import replace
from typing import Any

from slavealloc.models import Master, Worker
from slavealloc.ui.dashboard import (
    Alike,
    MasterLoad,
    find_spreads,
    find_troubles,
    make_bars,
    sum_counts,
)
from slavealloc.ui.silos import PARTS, Count

NAMES = {table: {1: part} for part, table in PARTS.items()}
SILO = (1, 1, None, None, None, None, None, None)


def make_master(id_: int, **changes: Any) -> Master:
    default = Master(
        id=id_,
        nickname=f"bm{id_}",
        fqdn=f"bm{id_}.example.com",
        pb_port=9001,
        pool_id=1,
        enabled=True,
        notes="",
    )
    return replace(default, **changes)


def alike(count: int, name: str = "w1", **changes: Any) -> Alike:
    worker = Worker(
        id=0,
        name=name,
        enabled=True,
        notes="",
        silo=(1, 1),
        basedir=None,
        counted=False,
        password="pw",
        template="tac",
        locked_master_id=None,
        current_master_id=None,
    )
    return Alike(sample=worker._replace(**changes), count=count)


def make_load(name: str, total: int, live: int = 0) -> MasterLoad:
    return MasterLoad(
        nickname=name, pool="prod", enabled=True, notes="", http_url=None, total=total, live=live
    )


def test_who_would_get_a_tac_is_no_trouble() -> None:
    assert find_troubles([alike(3)], {1: make_master(1)}) == []


def test_troubles_are_in_the_allocator_s_words_most_first() -> None:
    masters = {1: make_master(1), 2: make_master(2, enabled=False, notes="disk")}
    groups = [
        alike(2, "a", password=None),
        alike(5, "z", locked_master_id=2),
        alike(1, "b", locked_master_id=2, silo=(1, 2)),
        alike(1, "c", template=None),
    ]
    found = find_troubles(groups, masters)
    assert [(each.count, each.sample) for each in found] == [(6, "b"), (2, "a"), (1, "c")]
    assert found[0].why == "it is locked to master bm2, which is disabled: disk"


def test_a_pool_without_an_enabled_master_is_trouble() -> None:
    (found,) = find_troubles([alike(3)], {1: make_master(1, enabled=False)})
    assert found.count == 3


def test_bars_are_measured_by_the_longest() -> None:
    bars = make_bars([make_load("bm1", 50, 25), make_load("bm2", 200, 200), make_load("bm3", 0)])
    assert [(bar.load.nickname, bar.width, bar.live_width) for bar in bars] == [
        ("bm2", 100, 100),
        ("bm1", 25, 12),
        ("bm3", 0, 0),
    ]


def test_no_workers_make_no_bars() -> None:
    assert [bar.width for bar in make_bars([make_load("bm1", 0)])] == [0]


def test_a_silo_s_spread_is_over_its_pool_s_enabled_masters() -> None:
    masters = {
        1: make_master(1),
        2: make_master(2),
        3: make_master(3, enabled=False),
        4: make_master(4, pool_id=2),
    }
    (spread,) = find_spreads({SILO: {1: 5, 3: 9}}, masters, NAMES)
    assert (spread.fewest, spread.most, spread.masters, spread.workers) == (0, 5, 2, 14)
    assert spread.is_uneven
    assert spread.silo == "pool · distro"


def test_the_most_uneven_silo_comes_first() -> None:
    masters = {1: make_master(1), 2: make_master(2)}
    other = (1, None, None, None, None, None, None, None)
    spreads = find_spreads({SILO: {1: 3, 2: 4}, other: {1: 9}}, masters, NAMES)
    assert [each.is_uneven for each in spreads] == [True, False]


def test_totals_are_of_all_silos() -> None:
    counts = [Count(silo=SILO, live=1, silent=2, disabled=3) for _ in range(2)]
    totals = sum_counts(counts)
    assert (totals.live, totals.silent, totals.disabled, totals.all) == (2, 4, 6, 12)
