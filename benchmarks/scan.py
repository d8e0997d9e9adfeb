"""Two thousand build daemons polled once: ours, and how quick it could be.

The daemons are in a process of their own, so is
each way to poll them; they take turns, so that a busy moment strikes all alike.
"""

import contextlib
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.results import Goal, Kind, Part, Row
from benchmarks.scan_peers import DEADLINE_S, METHODS

COUNT = 2000
FEWER = (20, 200)
REPEATS = {"ours": 3, "asyncio": 3, "epoll": 3, "twisted": 3, "threads": 1, "sequence": 1}
NAMES = {
    "ours": "scanner",
    "asyncio": "scanner, on asyncio's own loop",
    "epoll": "non-blocking sockets and epoll: the floor",
    "twisted": "Twisted's xmlrpc.Proxy",
    "threads": "ThreadPool(64) with requests",
    "sequence": "xmlrpc.client, one after the other (extrapolated)",
}
KINDS = {
    "ours": Kind.OURS,
    "asyncio": Kind.PEER,
    "epoll": Kind.FLOOR,
    "twisted": Kind.PEER,
    "threads": Kind.PEER,
    "sequence": Kind.NAIVE,
}
# What is measured → key, unit, and what ours is to reach with all daemons.
MEASURES = {
    "99 % of healthy answers": ("healthy_s", "s", Goal(on="floor", sign="≤", bound=3)),
    "until the last answer": ("wall_s", "s", Goal(on="value", sign="≤", bound=DEADLINE_S + 0.15)),
    "processor time": ("cpu_s", "s", Goal(on="floor", sign="≤", bound=3)),
    "memory": ("peak_mib", "MiB", Goal(on="value", sign="≤", bound=60)),
}

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


def measure_all(quick: bool) -> list[Row]:
    """Measure every method at each size; but for the largest, once, and none in sequence."""
    sizes = (20,) if quick else (*FEWER, COUNT)
    return [
        row for count in sizes for row in _measure(count, most_repeats=3 if count == COUNT else 1)
    ]


def _measure(count: int, most_repeats: int) -> list[Row]:
    runs: dict[str, list[Run]] = {name: [] for name in METHODS}
    with running_daemons(count):
        for turn in range(most_repeats):
            for name, repeats in REPEATS.items():
                if turn < repeats and (name != "sequence" or count == COUNT):
                    runs[name].append(poll(name, count))
    for run in runs["sequence"]:  # asked a part of them
        run |= {key: run[key] * count / run["asked"] for key in ("wall_s", "healthy_s", "cpu_s")}
    return [
        Row(
            case=measure,
            size=count,
            method=NAMES[name],
            kind=KINDS[name],
            value=statistics.median(run[key] for run in of_method),
            unit=unit,
            goals=(goal,) if name == "ours" and count == COUNT else (),
            also={"wrong": sum(int(run["wrong"]) for run in of_method)},
        )
        for measure, (key, unit, goal) in MEASURES.items()
        for name, of_method in runs.items()
        if of_method
    ]


PART = Part(
    name="scan",
    title="Build daemons polled once",
    about="Of twenty daemons sixteen answer, one answers late, one refuses and two hang. `wrong` "
    "counts daemons that were taken for what they are not.",
    sized_by="daemons",
    about_s=270,
    measure=measure_all,
)
