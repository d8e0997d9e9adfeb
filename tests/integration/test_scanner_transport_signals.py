"""A signal ends what calls daemons, whatever its handler raises and whatever is waited for."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest

from farmhand.errors import DeadlinePassed
from scanner.transport.calls import run_calls

pytestmark = pytest.mark.integration

LONG_S = 20


@pytest.fixture(autouse=True)
def _handler_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)


async def wait() -> None:
    await asyncio.sleep(LONG_S)


async def wait_for_others() -> None:
    await asyncio.wait([asyncio.ensure_future(wait()) for _ in range(3)])


async def wait_stubbornly() -> None:
    try:
        await wait()
    except asyncio.CancelledError:
        """Who swallows that is ended all the same."""


async def compute() -> None:
    began = time.monotonic()
    while time.monotonic() < began + LONG_S:
        pass


@pytest.mark.parametrize("raised", [DeadlinePassed("late"), SystemExit(143)], ids=repr)
@pytest.mark.parametrize("work", [wait, wait_for_others, wait_stubbornly, compute])
def test_what_a_signals_handler_raises_ends_all(
    work: Callable[[], Awaitable[None]], raised: BaseException
) -> None:
    def handle(*_: object) -> None:
        raise raised

    async def run() -> None:
        await work()

    signal.signal(signal.SIGUSR1, handle)
    began = time.monotonic()
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    with pytest.raises(type(raised)) as caught:
        run_calls(run())
    timer.join()
    assert caught.value is raised
    assert time.monotonic() - began < LONG_S / 2


def test_what_is_cancelled_from_inside_is_cancelled() -> None:
    async def give_up() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run_calls(give_up())
