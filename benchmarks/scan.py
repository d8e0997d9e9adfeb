"""Two thousand build daemons polled once: ours, and how quick it could be.

`python -m benchmarks.scan` measures it alone. The daemons are in a process of their own, so is
each way to poll them; they take turns, so that a busy moment strikes all alike.
"""

import contextlib
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.scan_peers import DEADLINE_S, METHODS, SAMPLE

COUNT = 2000
REPEATS = {"ours": 3, "asyncio": 3, "epoll": 3, "twisted": 3, "threads": 1, "sequence": 1}
NAMES = {
    "ours": "ours",
    "asyncio": "ours, on asyncio's own loop",
    "epoll": "non-blocking sockets and epoll: the floor",
    "twisted": "Twisted's xmlrpc.Proxy",
    "threads": "ThreadPool(64) with requests",
    "sequence": "xmlrpc.client, one after the other (extrapolated)",
}
HEAD = [
    "client",
    "wall s",
    "99 % of healthy answers s",
    "÷ floor",
    "CPU s",
    "÷ floor",
    "MiB",
    "wrong",
]
GOALS = [
    "goal",
    f"≤ {DEADLINE_S + 0.15}",
    "",
    "≤ 3",
    "≤ Twisted's",
    "≤ 3",
    "≤ 60",
    0,
]


@contextlib.contextmanager
def running_daemons(count: int) -> Iterator[None]:
    """Have the daemons listen."""
    words = [sys.executable, "-m", "benchmarks.scan_daemons", str(count)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise SystemExit(f"the daemons do not listen: {' '.join(words)}")
            yield
        finally:
            process.terminate()


def poll(method: str, count: int) -> dict[str, float]:
    """Poll them once, in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.scan_peers", method, str(count)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def table(count: int = COUNT) -> list[list[object]]:
    """Measure every method."""
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in METHODS}
    with running_daemons(count):
        for turn in range(max(REPEATS.values())):
            for name, repeats in REPEATS.items():
                if turn < repeats:
                    runs[name].append(poll(name, count))
    medians = {
        name: {key: statistics.median(run[key] for run in each) for key in each[0]}
        for name, each in runs.items()
    }
    ratio = count / min(count, SAMPLE)
    for key in ("wall_s", "healthy_s", "cpu_s"):
        medians["sequence"][key] *= ratio
    return [*(_line(name, medians, runs[name]) for name in METHODS), GOALS]


def _line(
    name: str, medians: dict[str, dict[str, float]], runs: list[dict[str, float]]
) -> list[object]:
    own, floor = medians[name], medians["epoll"]
    return [
        NAMES[name],
        f"{own['wall_s']:.2f}",
        f"{own['healthy_s']:.3f}",
        f"{own['healthy_s'] / floor['healthy_s']:.1f}",
        f"{own['cpu_s']:.2f}",
        f"{own['cpu_s'] / floor['cpu_s']:.1f}",
        f"{own['peak_mib']:.0f}",
        sum(int(run["wrong"]) for run in runs),
    ]


if __name__ == "__main__":
    from benchmarks.__main__ import print_markdown

    print_markdown(HEAD, table(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT))
