"""What follows from a try, as tables and as properties."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.policy import GROWTH, Move, Retry, Step, halt_wait_s, next_step, worse
from runner.protocol import Verdict, read_code
from runner.settings import RunnerSettings, find_rules

RULES = find_rules(RunnerSettings(max_tries=3, sleep_time=10, retry_jitter=20), "any")


def decide(code: int | None, tries: int = 1, *, stopping: bool = False) -> Step | Retry:
    return next_step(read_code(code), tries, RULES, chance=0.5, stopping=stopping)


def move(code: int | None, tries: int = 1, *, stopping: bool = False) -> Move:
    step = decide(code, tries, stopping=stopping)
    assert isinstance(step, Step)
    return step.move


@pytest.mark.parametrize(
    ("code", "expected"), [(0, Move.GO_ON), (2, Move.HALT), (3, Move.EXIT)], ids=str
)
@pytest.mark.parametrize("tries", [1, 3])
def test_codes_with_a_meaning_are_decided_at_once(code: int, expected: Move, tries: int) -> None:
    assert move(code, tries) is expected


@pytest.mark.parametrize("code", [1, 4, 255, -9, -15, None])
def test_every_other_end_is_tried_again_until_the_last_try(code: int | None) -> None:
    assert isinstance(decide(code, 2), Retry)
    assert move(code, 3) is Move.HALT


@pytest.mark.parametrize(("code", "expected"), [(1, Move.STOP), (0, Move.GO_ON), (2, Move.HALT)])
def test_nothing_is_tried_again_while_stopping(code: int, expected: Move) -> None:
    assert move(code, stopping=True) is expected


def test_pauses_grow_and_differ() -> None:
    step = decide(1, 2)
    assert isinstance(step, Retry)
    assert math.isclose(step.after_s, GROWTH**2 * 20)


@given(
    tries=st.integers(1, 20),
    chance=st.floats(0, 1, exclude_max=True),
    sleep_s=st.floats(0, 1e6),
    jitter_s=st.floats(0, 1e6),
)
def test_a_pause_is_between_its_bounds(
    tries: int, chance: float, sleep_s: float, jitter_s: float
) -> None:
    rules = find_rules(
        RunnerSettings(max_tries=99, sleep_time=sleep_s, retry_jitter=jitter_s), "any"
    )
    step = next_step(Verdict.RETRY, tries, rules, chance=chance, stopping=False)
    assert isinstance(step, Retry)
    least, most = GROWTH**tries * sleep_s, GROWTH**tries * (sleep_s + jitter_s)
    assert least * 0.999 <= step.after_s <= most * 1.001


def test_of_two_parts_of_a_round_the_worse_holds_and_the_first_of_equals() -> None:
    first, second = Step(move=Move.HALT, why="first"), Step(move=Move.HALT, why="second")
    exits = Step(move=Move.EXIT)
    assert worse(first, second) is first
    assert worse(exits, second) is second
    assert worse(first, exits) is first


@given(since=st.none() | st.floats(-1e9, 1e9), interval=st.floats(0, 1e6))
def test_a_halt_waits_no_longer_than_its_interval_whatever_the_clock_says(
    since: float | None, interval: float
) -> None:
    assert 0 <= halt_wait_s(since, interval) <= interval
