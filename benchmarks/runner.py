"""What the runner adds to a task: against run-parts, and against the original's one-second poll."""

import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from runner.attempts import Scene
from runner.cgroups import Cgroup, own_cgroup
from runner.execute import Job, execute
from runner.processes import adopt_orphans
from runner.record import Record, open_record
from runner.rounds import run_round
from runner.settings import RunnerSettings
from runner.stops import Stops, listening
from runner.tasks import read_round

TASKS = 20
REPEATS = 60
POLLED = 3  # tasks: each takes the original a second
SLEEP_S = 0.3
SLEEPS = 15
RUN_PARTS = shutil.which("run-parts") or "run-parts"
HEAD = ["method", "ms a task", "÷ run-parts", "× faster than the original's poll"]
Methods = Mapping[str, Callable[[], object]]


def table() -> list[list[object]]:
    """Measure twenty tasks that do nothing."""
    with tempfile.TemporaryDirectory(prefix="farmhand-bench-") as folder:
        directory = make_tasks(Path(folder) / "tasks", TASKS, "exit 0")
        polled = original(directory) / POLLED
        measured = {"the original: a look each second": polled}
        for name, seconds in ask("tasks", directory).items():
            measured[name] = seconds / TASKS
        parts = measured["run-parts, whole command"]
        return [
            [name, f"{took * 1000:.2f}", f"{took / parts:.2f}", f"{polled / took:.0f}"]
            for name, took in measured.items()
        ]


def memory_and_latency() -> list[list[object]]:
    """Measure what the runner holds while a worker runs, and how soon it sees a task's end."""
    with tempfile.TemporaryDirectory(prefix="farmhand-bench-") as folder:
        home = Path(folder)
        seen = make_tasks(home / "memory", 1, "grep VmRSS /proc/$PPID/status >&2")
        said = subprocess.run(command(seen, "-v"), capture_output=True, text=True, check=True)
        found = re.search(r"VmRSS:\D*(\d+) kB", said.stderr)
        assert found is not None
        rows: list[list[object]] = [
            ["resident while a task runs, MiB", f"{int(found[1]) / 1024:.1f}"]
        ]
        for name, seconds in ask("sleep", home).items():
            late = f"a task of {SLEEP_S * 1000:.0f} ms takes longer by, ms: {name}"
            rows.append([late, f"{(seconds - SLEEP_S) * 1000:.1f}"])
        return rows


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


def run(*words: str) -> None:
    """Run a command to its end."""
    subprocess.run(words, capture_output=True, check=True)


def original(directory: Path) -> float:
    """Run some tasks as the original's loop does: start one, and look each second."""
    began = time.perf_counter()
    for path in sorted(directory.iterdir())[:POLLED]:
        process = subprocess.Popen([str(path)], stdin=subprocess.DEVNULL)
        while process.poll() is None:
            time.sleep(1)
    return time.perf_counter() - began


def ask(what: str, directory: Path) -> dict[str, float]:
    """Measure in a process that is a runner; method → median seconds."""
    words = [sys.executable, "-m", "benchmarks.runner", what, str(directory)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def in_turn(methods: Methods, repeats: int) -> dict[str, float]:
    """Time each method in turn, so that a busy moment strikes all alike: median seconds."""
    times: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(repeats):
        for name, method in methods.items():
            began = time.perf_counter()
            method()
            times[name].append(time.perf_counter() - began)
    return {name: statistics.median(each) for name, each in times.items()}


def main(what: str, directory: Path) -> None:
    """Be a runner, and print what `ask` asks."""
    with ExitStack() as stack:
        state = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        adopt_orphans()
        stops = stack.enter_context(listening())
        cgroup = stack.enter_context(own_cgroup(state, grace_s=1))
        if what == "tasks":
            measured = time_tasks(directory, stops, cgroup, open_record(state, directory))
        else:
            measured = time_sleep(stops, cgroup)
    print(json.dumps(measured))


def time_tasks(
    directory: Path, stops: Stops, cgroup: Cgroup | None, record: Record
) -> dict[str, float]:
    """Time a directory's tasks, by method."""
    settings = RunnerSettings()

    def go_round() -> object:
        scene = Scene(
            directory=directory,
            settings=settings,
            environ={"PATH": "/usr/bin:/bin"},
            stops=stops,
            record=record,
            cgroup=cgroup,
        )
        return run_round(scene, read_round(directory, settings)[0])

    quick = {
        "run-parts, whole command": lambda: run(RUN_PARTS, str(directory)),
        "runner, one round of a runner that lives": go_round,
    }
    whole = {"runner, whole command": lambda: run(*command(directory))}
    return in_turn(quick, REPEATS) | in_turn(whole, REPEATS // 6)


def time_sleep(stops: Stops, cgroup: Cgroup | None) -> dict[str, float]:
    """Time one task that sleeps, by method."""
    sleep = ("/bin/sleep", str(SLEEP_S))
    job = Job(name="sleep", argv=sleep, environ={}, max_time_s=60)
    methods: Methods = {
        "the runner": lambda: execute(job, stops, cgroup),
        "wait(), which has no deadline": lambda: subprocess.Popen(sleep).wait(),
        "wait(timeout)": lambda: subprocess.Popen(sleep).wait(60),
    }
    return in_turn(methods, SLEEPS)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
