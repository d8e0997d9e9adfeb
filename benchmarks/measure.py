"""Take medians and peak memory of things that run in processes of their own."""

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """Median seconds of the repeats, peak memory above the imports, and what was computed."""

    seconds: float
    memory_mib: float
    answer: object = None


def in_process(module: str, *args: str) -> Measured:
    """Run `python -m module args` and read the Measured that its `answer` printed."""
    words = [sys.executable, "-m", module, *args]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return Measured(**json.loads(done.stdout))


def answer(work: Callable[[], object], repeats: int) -> None:
    """Do the work, and print a Measured for `in_process`; imports are done by now."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = []
    result: object = None
    for _ in range(repeats):
        started = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    memory_mib = (peak - before) / 1024
    print(
        json.dumps(
            {"seconds": statistics.median(times), "memory_mib": memory_mib, "answer": result}
        )
    )


def commands(named: Mapping[str, Sequence[str]], repeats: int, **environ: str) -> dict[str, float]:
    """Time whole commands in turn, so that a busy moment strikes all alike: median seconds."""
    times: dict[str, list[float]] = {name: [] for name in named}
    for _ in range(repeats):
        for name, words in named.items():
            started = time.perf_counter()
            subprocess.run(words, capture_output=True, check=False, env=environ or None)
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in times.items()}
