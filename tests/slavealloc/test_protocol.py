"""An answer's head and body leave together, in order, and before the connection closes."""

import asyncio
from typing import Any

from slavealloc.protocol import Joining


class Wire:
    """A transport that notes what is done with it."""

    def __init__(self) -> None:
        self.done: list[object] = []

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def close(self) -> None:
        self.done.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.done


def use(*steps: str) -> list[object]:
    wire = Wire()

    async def run() -> None:
        joining: Any = Joining(wire, asyncio.get_running_loop())  # type: ignore[arg-type]
        for step in steps:
            if step == "turn":
                await asyncio.sleep(0)
            elif step == "close":
                joining.close()
                assert joining.is_closing()
            else:
                joining.write(step.encode())
        await asyncio.sleep(0)

    asyncio.run(run())
    return wire.done


def test_what_is_written_in_one_turn_is_sent_at_once() -> None:
    assert use("head", "body") == [b"headbody"]


def test_what_is_written_later_is_sent_later() -> None:
    assert use("head", "turn", "body") == [b"head", b"body"]


def test_closing_sends_what_was_written_before() -> None:
    assert use("head", "body", "close") == [b"headbody", "closed"]
