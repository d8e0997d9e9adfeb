"""Asks daemons for their status in a process of its own, to see what that costs.

`python -m tests.daemon_client one-by-one|at-once DEADLINE_S FILES URL…` prints what each was
answered, in how many seconds, and the most memory that the process has ever had.
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from farmhand.errors import FarmError
from scanner.transport.calls import Limits, Transport, run_calls


async def ask(transport: Transport, url: str) -> tuple[str, str, float]:
    """Ask one; the kind of answer or error, its words, and how long it took."""
    began = time.perf_counter()
    try:
        status = await transport.status(url)
    except FarmError as err:
        return type(err).__name__, str(err), time.perf_counter() - began
    return "Status", status.state, time.perf_counter() - began


async def ask_all(how: str, deadline_s: float, urls: Sequence[str]) -> list[tuple[str, str, float]]:
    """Ask them in turn, or together."""
    transport = Transport(Limits(status_s=deadline_s))
    if how == "at-once":
        return await asyncio.gather(*(ask(transport, url) for url in urls))
    return [await ask(transport, url) for url in urls]


def main(how: str, deadline_s: str, files: str, *urls: str) -> None:
    """Print a JSON object."""
    soft, hard = map(int, files.split(","))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    run = run_calls if how == "at-once" else asyncio.run
    answers = run(ask_all(how, float(deadline_s), urls))
    # Not getrusage(): there, what this process's parent had counts too.
    peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    json.dump({"answers": answers, "peak_mib": peak, "files": limit}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
