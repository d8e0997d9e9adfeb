from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from slavealloc.models import Master, Placement, Reason, Refusal, Worker
from slavealloc.tac import Stamp
from slavealloc.ui.explain import MASK, Explanation, explain_place

STAMP = Stamp(now=datetime(2026, 11, 21, tzinfo=UTC), host="manager1")
BM1 = Master(
    id=1,
    nickname="bm1",
    fqdn="bm1.example.com",
    pb_port=9001,
    pool_id=1,
    enabled=True,
    notes="",
)
MASTERS = {
    1: BM1,
    2: replace(BM1, id=2, nickname="bm2", enabled=False),
    3: replace(BM1, id=3, nickname="bm3", pool_id=2),
}
W1 = Worker(
    id=5,
    name="w1",
    enabled=True,
    notes="",
    silo=(1, 2),
    basedir="/builds",
    counted=True,
    password="secret-pw",
    template="passwd = {{ passwd }}\n",
    locked_master_id=None,
    current_master_id=1,
)


def explain(answer: Placement | Refusal) -> Explanation:
    return explain_place(answer, MASTERS, {(1, 2): {1: 5, 2: 7}}, STAMP)


def place(reason: Reason = Reason.KEPT, **changes: Any) -> Placement:
    return replace(Placement(worker=W1, master=BM1, reason=reason), **changes)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (place(), "it would stay on bm1"),
        (place(Reason.CHOSEN), "it would be sent to bm1"),
        (place(Reason.LOCKED), "It is locked to bm1"),
        (place(Reason.DISABLED, master=None), "It is disabled"),
        (Refusal(worker=W1, why="no password is set"), "get nothing: no password is set"),
    ],
    ids=["kept", "chosen", "locked", "disabled", "refused"],
)
def test_the_verdict_is_what_the_allocator_says(answer: Placement | Refusal, said: str) -> None:
    found = explain(answer)
    assert said in found.verdict
    assert found.is_refused == isinstance(answer, Refusal)


def test_candidates_are_the_pool_s_masters_enabled_ones_first() -> None:
    found = explain(place())
    assert [(each.nickname, each.enabled, each.chosen) for each in found.candidates] == [
        ("bm1", True, True),
        ("bm2", False, False),
    ]


def test_a_worker_is_not_counted_among_the_others() -> None:
    assert [each.others for each in explain(place()).candidates] == [4, 7]
    silent = place(worker=W1._replace(counted=False))
    assert [each.others for each in explain(silent).candidates] == [5, 7]


def test_a_lock_to_another_pool_s_master_is_shown_too() -> None:
    found = explain(place(Reason.LOCKED, master=MASTERS[3]))
    assert [each.nickname for each in found.candidates if each.chosen] == ["bm3"]


def test_the_tac_has_no_password() -> None:
    found = explain(place())
    assert found.tac.text.endswith(f"passwd = '{MASK}'\n")
    assert "secret-pw" not in repr(found)
