"""When the next call may start."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watch_pending.pace import BURST, INTERVAL_S, Pace


def start_times(asked: list[float]) -> list[float]:
    """Make calls one after the other, each as early as it may start after it is asked for."""
    pace, started, clock = Pace(), list[float](), 0.0
    for at in asked:
        clock = max(clock, pace.turn("east", max(at, clock)))
        started.append(pace.take("east", clock))
    return started


def test_five_calls_start_at_once() -> None:
    assert start_times([0.0] * 5) == [0.0] * 5


def test_then_two_a_second() -> None:
    assert start_times([0.0] * 9)[5:] == [0.5, 1.0, 1.5, 2.0]


@pytest.mark.parametrize(
    ("pause_s", "at_once"),
    [
        pytest.param(0.0, 0, id="none"),
        pytest.param(0.5, 1, id="one more"),
        pytest.param(1.0, 2, id="two more"),
        pytest.param(2.5, 5, id="the bucket is full again"),
        pytest.param(1e6, 5, id="and holds no more"),
    ],
)
def test_a_pause_fills_the_bucket(pause_s: float, at_once: int) -> None:
    started = start_times([0.0] * 5 + [pause_s] * 10)
    assert sum(at == pause_s for at in started[5:]) == at_once


def test_a_smaller_burst_leaves_calls_in_the_bucket() -> None:
    pace = Pace(burst=2)
    started = [pace.take("east", pace.turn("east", 0.0)) for _ in range(4)]
    assert started == [0.0, 0.0, 0.5, 1.0]


def test_regions_do_not_wait_for_each_other() -> None:
    pace = Pace()
    for _ in range(BURST):
        pace.take("east", 0.0)
    assert (pace.turn("east", 0.0), pace.turn("west", 0.0)) == (INTERVAL_S, 0.0)


@pytest.mark.parametrize(
    ("taken", "at", "tokens"),
    [
        pytest.param(0, 0.0, 5, id="full"),
        pytest.param(3, 0.0, 2, id="three gone"),
        pytest.param(5, 0.0, 0, id="empty"),
        pytest.param(9, 0.0, 0, id="more gone than there were"),
        pytest.param(5, 0.49, 0, id="not yet"),
        pytest.param(5, 0.5, 1, id="one again"),
        pytest.param(5, 99.0, 5, id="full again"),
    ],
)
def test_the_calls_that_may_start_at_once_are_counted(taken: int, at: float, tokens: int) -> None:
    pace = Pace()
    for _ in range(taken):
        pace.take("east", 0.0)
    assert pace.tokens("east", at) == tokens


def test_as_many_as_are_counted_start_at_once() -> None:
    pace, now = Pace(burst=100, interval_s=0.1), 0.0
    for _ in range(137):
        now = pace.take("east", pace.turn("east", now))
    now += 1.23
    for _ in range(pace.tokens("east", now)):
        assert pace.turn("east", now) == now
        pace.take("east", now)
    assert pace.turn("east", now) > now


def test_asking_for_a_turn_takes_none() -> None:
    pace = Pace()
    assert [pace.turn("east", 1.0) for _ in range(10)] == [1.0] * 10


def test_any_clock_will_do() -> None:
    assert Pace().turn("east", -1e9) == -1e9


@given(st.lists(st.integers(0, 40).map(lambda quarter: quarter / 4), max_size=30).map(sorted))
def test_no_stretch_of_time_has_more_calls_than_the_bucket_allows(asked: list[float]) -> None:
    started = start_times(asked)
    assert all(
        last - first + 1 <= BURST + (started[last] - started[first]) / INTERVAL_S
        for first in range(len(started))
        for last in range(first, len(started))
    )
