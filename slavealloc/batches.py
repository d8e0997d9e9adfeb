"""Let requests that wait together be decided together, in one transaction.

A transaction's cost, its fsync and its lock, is then shared by all who wait for it; that is what
carries a thousand machines that boot at once.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Answer = TypeVar("Answer")
MOST = 256
GATHER_S = 0.003


class Batches(Generic[Answer]):
    """Gives each asker its answer out of `decide`, which runs in one thread, a batch at a time."""

    def __init__(self, decide: Callable[[Sequence[str]], Mapping[str, Answer]]) -> None:
        self._decide = decide
        self._waiting: asyncio.Queue[tuple[str, asyncio.Future[Answer]]] = asyncio.Queue()

    async def ask(self, name: str) -> Answer:
        """Wait for the batch that has this name; raises what deciding it raised."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((name, answer))
        return await answer

    async def run(self) -> None:
        """Decide batch after batch until cancelled."""
        loop = asyncio.get_running_loop()
        batch: list[tuple[str, asyncio.Future[Answer]]] = []
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="places") as thread:
            while True:
                crowd = len(batch) > 1
                batch = [await self._waiting.get()]
                if crowd:  # those who were just answered ask again: let them arrive
                    await asyncio.sleep(GATHER_S)
                while len(batch) < MOST and not self._waiting.empty():
                    batch.append(self._waiting.get_nowait())
                # Who hung up meanwhile needs no place.
                batch = [(name, answer) for name, answer in batch if not answer.cancelled()]
                names = list({name for name, _ in batch})
                try:
                    answers = await loop.run_in_executor(thread, self._decide, names)
                except Exception as err:  # noqa: BLE001 - each asker gets it, and logs it
                    _fail(batch, err)
                else:
                    for name, answer in batch:
                        if not answer.done():
                            answer.set_result(answers[name])


def _fail(batch: Sequence[tuple[str, "asyncio.Future[Answer]"]], err: Exception) -> None:
    for _, answer in batch:
        if not answer.done():
            answer.set_exception(err)
