"""Who waits together is decided together, and each gets its own answer."""

import asyncio
import threading
from collections.abc import Mapping, Sequence

import pytest

from farmhand.errors import Unavailable
from slavealloc.batches import MOST, Batches


async def ask(batches: Batches[str], names: Sequence[str]) -> list[str | BaseException]:
    """Ask for all names at once, with the batches running."""
    running = asyncio.create_task(batches.run())
    try:
        return await asyncio.gather(*map(batches.ask, names), return_exceptions=True)
    finally:
        running.cancel()


def shout(names: Sequence[str]) -> Mapping[str, str]:
    return {name: name.upper() for name in names}


def test_each_gets_its_own_answer() -> None:
    assert asyncio.run(ask(Batches(shout), ["a", "b", "a"])) == ["A", "B", "A"]


def test_who_waits_together_is_decided_together() -> None:
    seen: list[int] = []

    def decide(names: Sequence[str]) -> Mapping[str, str]:
        seen.append(len(names))
        return shout(names)

    asyncio.run(ask(Batches(decide), [f"w{n}" for n in range(2 * MOST)]))
    assert seen == [MOST, MOST]


def test_a_name_asked_for_twice_is_decided_once() -> None:
    seen: list[Sequence[str]] = []

    def decide(names: Sequence[str]) -> Mapping[str, str]:
        seen.append(names)
        return shout(names)

    asyncio.run(ask(Batches(decide), ["a", "a"]))
    assert seen == [["a"]]


def test_a_batch_that_fails_fails_for_those_in_it_and_the_next_goes_on() -> None:
    def decide(names: Sequence[str]) -> Mapping[str, str]:
        if "w0" in names:
            raise OSError("the database is away")
        return shout(names)

    names = [f"w{n}" for n in range(MOST + 1)]
    *first, last = asyncio.run(ask(Batches(decide), names))
    assert all(isinstance(each, OSError) for each in first)
    assert last == f"W{MOST}"


def test_a_crowd_that_asks_again_is_waited_for() -> None:
    seen: list[int] = []

    def decide(names: Sequence[str]) -> Mapping[str, str]:
        seen.append(len(names))
        return shout(names)

    async def ask_twice(batches: Batches[str], name: str) -> None:
        await batches.ask(name)
        await asyncio.sleep(0 if name == "w0" else 0.001)
        await batches.ask(name)

    async def run() -> None:
        batches = Batches(decide)
        running = asyncio.create_task(batches.run())
        await asyncio.gather(*(ask_twice(batches, f"w{n}") for n in range(9)))
        running.cancel()

    asyncio.run(run())
    assert seen == [9, 9]


def test_nobody_waits_for_ever() -> None:
    stuck = threading.Event()

    def decide(names: Sequence[str]) -> Mapping[str, str]:
        stuck.wait(10)
        return shout(names)

    async def run() -> None:
        batches = Batches(decide, patience_s=0.0)
        running = asyncio.create_task(batches.run())
        with pytest.raises(Unavailable, match="no answer within"):
            await batches.ask("w0")
        stuck.set()
        running.cancel()

    asyncio.run(run())


def test_who_hung_up_does_not_keep_the_others_waiting() -> None:
    async def hang_up() -> str:
        batches = Batches(shout)
        gone = asyncio.create_task(batches.ask("gone"))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        (answer,) = await ask(batches, ["here"])
        assert isinstance(answer, str)
        return answer

    assert asyncio.run(hang_up()) == "HERE"
