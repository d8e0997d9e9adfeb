"""Two thousand build daemons polled once: ours, and how quick it could be.

`python -m benchmarks.scan` measures it alone. The daemons are in a process of their own, so is
each way to poll them; they take turns, so that a busy moment strikes all alike.
"""

import contextlib
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence

from benchmarks.scan_peers import DEADLINE_S, METHODS

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

Run = dict[str, float]


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


def poll(method: str, count: int) -> Run:
    """Poll them once, in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.scan_peers", method, str(count)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    found: Run = json.loads(done.stdout)
    return found


def table(count: int = COUNT, most_repeats: int = 3) -> list[list[object]]:
    """Measure every method."""
    runs: dict[str, list[Run]] = {name: [] for name in METHODS}
    with running_daemons(count):
        for turn in range(most_repeats):
            for name, repeats in REPEATS.items():
                if turn < repeats:
                    runs[name].append(poll(name, count))
    for run in runs["sequence"]:  # asked a part of them
        run |= {key: run[key] * count / run["asked"] for key in ("wall_s", "healthy_s", "cpu_s")}
    return [*(_line(NAMES[name], runs[name], runs["epoll"]) for name in METHODS), GOALS]


def _line(name: str, runs: Sequence[Run], floors: Sequence[Run]) -> list[object]:
    def median(key: str) -> float:
        return statistics.median(run[key] for run in runs)

    def ratio(key: str) -> float:
        pairs = zip(runs, floors, strict=False)
        return statistics.median(run[key] / floor[key] for run, floor in pairs)

    return [
        name,
        f"{median('wall_s'):.2f}",
        f"{median('healthy_s'):.3f}",
        f"{ratio('healthy_s'):.1f}",
        f"{median('cpu_s'):.2f}",
        f"{ratio('cpu_s'):.1f}",
        f"{median('peak_mib'):.0f}",
        sum(int(run["wrong"]) for run in runs),
    ]


if __name__ == "__main__":
    from benchmarks.__main__ import print_markdown

    print_markdown(HEAD, table(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT))
