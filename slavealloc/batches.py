"""Let requests that wait together be decided together, in one transaction.

A transaction's cost, its fsync and its lock, is then shared by all who wait for it; that is what
carries a thousand machines that boot at once.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from farmhand.errors import Unavailable

Answer = TypeVar("Answer")
MOST = 256
GATHER_S = 0.01
PATIENCE_S = 30.0


@dataclass(kw_only=True, slots=True)
class Asker(Generic[Answer]):
    """Who waits for an answer; `since` on the loop's clock."""

    name: str
    answer: "asyncio.Future[Answer]"
    since: float


class Batches(Generic[Answer]):
    """Gives each asker its answer out of `decide`, which runs in one thread, a batch at a time."""

    def __init__(
        self,
        decide: Callable[[Sequence[str]], Mapping[str, Answer]],
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._decide = decide
        self._patience_s = patience_s
        self._waiting: list[Asker[Answer]] = []
        self._batch: list[Asker[Answer]] = []
        self._wanted = 1
        self._enough = asyncio.Event()

    async def ask(self, name: str) -> Answer:
        """Wait for the batch that has this name; raises Unavailable, and what deciding raised."""
        loop = asyncio.get_running_loop()
        # Not Asker[Answer](…): what that does in vain takes longer than all else here.
        asker: Asker[Answer] = Asker(name=name, answer=loop.create_future(), since=loop.time())
        self._waiting.append(asker)
        if len(self._waiting) >= self._wanted:
            self._enough.set()
        return await asker.answer

    async def run(self) -> None:
        """Decide batch after batch until cancelled."""
        loop = asyncio.get_running_loop()
        watching = loop.create_task(self._watch())
        try:
            with ThreadPoolExecutor(max_workers=1, thread_name_prefix="places") as thread:
                while True:
                    await self._gather()
                    # Who hung up meanwhile needs no place.
                    self._batch = [each for each in self._waiting[:MOST] if not each.answer.done()]
                    del self._waiting[:MOST]
                    names = list({each.name for each in self._batch})
                    try:
                        answers = await loop.run_in_executor(thread, self._decide, names)
                    except Exception as err:  # noqa: BLE001 - each asker gets it, and logs it
                        _fail(self._batch, err)
                    else:
                        _answer(self._batch, answers)
        finally:
            watching.cancel()

    async def _gather(self) -> None:
        """Wait for somebody; a crowd that was just answered asks again, so let it arrive."""
        await self._wait_for(1)
        if len(self._batch) > 1:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GATHER_S):
                    await self._wait_for(min(len(self._batch), MOST))

    async def _wait_for(self, number: int) -> None:
        self._wanted = number
        if len(self._waiting) < number:
            self._enough.clear()
            await self._enough.wait()

    async def _watch(self) -> None:
        """Let nobody wait for ever; a timer for each asker would cost more than all else here."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(1)
            latest = loop.time() - self._patience_s
            late = [each for each in (*self._batch, *self._waiting) if each.since < latest]
            _fail(late, Unavailable(f"no answer within {self._patience_s:.0f} s"))


def _answer(batch: Iterable[Asker[Answer]], answers: Mapping[str, Answer]) -> None:
    for each in batch:
        if not each.answer.done():
            each.answer.set_result(answers[each.name])


def _fail(batch: Iterable[Asker[Answer]], err: Exception) -> None:
    for each in batch:
        if not each.answer.done():
            each.answer.set_exception(err)
