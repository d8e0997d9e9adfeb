"""What the runner adds to a task: against run-parts, and against the original's one-second poll."""

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import answer, in_process
from runner.attempts import Scene
from runner.processes import adopt_orphans
from runner.record import open_record
from runner.rounds import run_round
from runner.settings import RunnerSettings
from runner.stops import listening
from runner.tasks import read_round

TASKS = 20
REPEATS = 15
POLLED = 3  # tasks: each takes the original a second
LATENCY_S = 0.3
HEAD = ["method", "ms a task", "÷ run-parts", "× faster than the original's poll"]


def table() -> list[list[object]]:
    """Measure twenty tasks that do nothing; in turn, so that a busy moment strikes all alike."""
    with tempfile.TemporaryDirectory(prefix="farmhand-bench-") as folder:
        directory = make_tasks(Path(folder) / "tasks", TASKS, "exit 0")
        run_parts = shutil.which("run-parts") or "run-parts"
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(5):
            ours.append(in_process("benchmarks.runner", str(directory)).seconds)
            theirs.append(timed([run_parts, str(directory)]))
        whole = timed(command(directory))
        polled = original(directory) / POLLED
        parts = statistics.median(theirs) / TASKS
        named = {
            "the original: a look each second": polled,
            "run-parts, whole command": parts,
            "runner, one round of a runner that lives": statistics.median(ours) / TASKS,
            "runner, whole command": whole / TASKS,
        }
        return [
            [name, f"{took * 1000:.2f}", f"{took / parts:.2f}", f"{polled / took:.0f}"]
            for name, took in named.items()
        ]


def memory_and_latency() -> list[list[object]]:
    """Measure what the runner holds while a worker runs, and how soon it sees a task's end."""
    with tempfile.TemporaryDirectory(prefix="farmhand-bench-") as folder:
        home = Path(folder)
        seen = make_tasks(home / "memory", 1, "grep VmRSS /proc/$PPID/status >&2")
        said = subprocess.run(command(seen, "-v"), capture_output=True, text=True, check=True)
        found = re.search(r"VmRSS:\D*(\d+) kB", said.stderr)
        assert found is not None
        quick = make_tasks(home / "quick", 1, f"exec sleep {LATENCY_S}")
        late = in_process("benchmarks.runner", str(quick)).seconds - LATENCY_S
        return [
            ["resident while a task runs, MiB", f"{int(found[1]) / 1024:.1f}"],
            [
                f"a round with one task of {LATENCY_S * 1000:.0f} ms takes longer by, ms",
                f"{late * 1000:.1f}",
            ],
        ]


def make_tasks(directory: Path, count: int, script: str) -> Path:
    """Write tasks that are all the same."""
    directory.mkdir()
    for number in range(count):
        path = directory / f"{number:02}-task{number:02}"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    return directory


def command(directory: Path, *args: str) -> list[str]:
    """The whole command, its state beside the tasks."""
    state = f"FARMHAND_STATE={directory.parent}/state"
    return ["env", state, sys.executable, "-m", "runner.cli", *args, "-n", "1", str(directory)]


def timed(words: list[str]) -> float:
    """Run a command several times: median seconds."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        subprocess.run(words, capture_output=True, check=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def original(directory: Path) -> float:
    """Run some tasks as the original's loop does: start one, and look each second."""
    began = time.perf_counter()
    for path in sorted(directory.iterdir())[:POLLED]:
        process = subprocess.Popen([str(path)], stdin=subprocess.DEVNULL)
        while process.poll() is None:
            time.sleep(1)
    return time.perf_counter() - began


def make_round(directory: Path) -> Callable[[], object]:
    """Make one round that can be run again and again in this process."""
    state = directory.parent / "state"
    state.mkdir(exist_ok=True)
    settings = RunnerSettings()
    record = open_record(state, directory)

    def work() -> object:
        with listening() as stops:
            scene = Scene(
                directory=directory,
                settings=settings,
                environ={"PATH": "/usr/bin:/bin"},
                stops=stops,
                record=record,
            )
            return run_round(scene, read_round(directory, settings)[0]).move.word

    return work


if __name__ == "__main__":
    adopt_orphans()
    answer(make_round(Path(sys.argv[1])), REPEATS)
