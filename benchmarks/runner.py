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

from benchmarks.results import Kind, Part, Row
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
KINDS = {
    "runner, one round of a runner that lives": Kind.OURS,
    "runner, whole command": Kind.OURS,
    "run-parts, whole command": Kind.PEER,
    "the runner": Kind.OURS,
    "wait(), which has no deadline": Kind.FLOOR,
    "wait(timeout)": Kind.PEER,
}
Methods = Mapping[str, Callable[[], object]]


def measure_all(quick: bool) -> list[Row]:
    """Measure tasks that do nothing, memory, and how soon a task's end is seen."""
    with tempfile.TemporaryDirectory(prefix="farmhand-bench-") as folder:
        home = Path(folder)
        directory = make_tasks(home / "tasks", TASKS, "exit 0")
        rows = _rows("a task that does nothing", ask("tasks", directory, quick), 0, TASKS)
        naive = "the original: a look each second"
        took = original(directory) / POLLED * 1000
        rows.append(Row(case=rows[0].case, method=naive, kind=Kind.NAIVE, value=took, unit="ms"))
        said = f"a task of {SLEEP_S * 1000:.0f} ms takes longer by"
        rows += _rows(said, ask("sleep", home, quick), SLEEP_S, 1)
        held = measure_memory(home)
    case = "resident while a task runs"
    return [*rows, Row(case=case, method="runner", kind=Kind.OURS, value=held, unit="MiB")]


def _rows(case: str, found: Mapping[str, float], less_s: float, tasks: int) -> list[Row]:
    """Make the rows of methods, ours first: milliseconds a task."""
    rows = [
        Row(
            case=case,
            method=name,
            kind=KINDS[name],
            value=(seconds - less_s) / tasks * 1000,
            unit="ms",
        )
        for name, seconds in found.items()
    ]
    return sorted(rows, key=lambda row: (row.kind is not Kind.OURS, "whole" in row.method))


def measure_memory(home: Path) -> float:
    """Measure what the runner holds while a worker runs, MiB."""
    seen = make_tasks(home / "memory", 1, "grep VmRSS /proc/$PPID/status >&2")
    said = subprocess.run(command(seen, "-v"), capture_output=True, text=True, check=True)
    found = re.search(r"VmRSS:\D*(\d+) kB", said.stderr)
    assert found is not None
    return int(found[1]) / 1024


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


def ask(what: str, directory: Path, quick: bool) -> dict[str, float]:
    """Measure in a process that is a runner; method → median seconds."""
    share = "10" if quick else "1"
    words = [sys.executable, "-m", "benchmarks.runner", what, str(directory), share]
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


def main(what: str, directory: Path, share: int) -> None:
    """Be a runner, and print what `ask` asks, with one of so many repeats."""
    with ExitStack() as stack:
        state = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        adopt_orphans()
        stops = stack.enter_context(listening())
        cgroup = stack.enter_context(own_cgroup(state, grace_s=1))
        if what == "tasks":
            record = open_record(state, directory)
            methods = task_methods(directory, stops, cgroup, record)
            whole = {"runner, whole command": lambda: run(*command(directory))}
            measured = in_turn(methods, REPEATS // share)
            measured |= in_turn(whole, max(1, REPEATS // 6 // share))
        else:
            measured = in_turn(sleep_methods(stops, cgroup), max(1, SLEEPS // share))
    print(json.dumps(measured))


def task_methods(directory: Path, stops: Stops, cgroup: Cgroup | None, record: Record) -> Methods:
    """List the quick ways to run a directory's tasks."""
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

    return {
        "run-parts, whole command": lambda: run(RUN_PARTS, str(directory)),
        "runner, one round of a runner that lives": go_round,
    }


def sleep_methods(stops: Stops, cgroup: Cgroup | None) -> Methods:
    """List ways to wait for one task that sleeps."""
    sleep = ("/bin/sleep", str(SLEEP_S))
    job = Job(name="sleep", argv=sleep, environ={}, max_time_s=60)
    return {
        "the runner": lambda: execute(job, stops, cgroup),
        "wait(), which has no deadline": lambda: subprocess.Popen(sleep).wait(),
        "wait(timeout)": lambda: subprocess.Popen(sleep).wait(60),
    }


PART = Part(
    name="runner",
    title="What the runner adds to a task",
    about="Twenty tasks that do nothing, beside run-parts and the original's poll; and how soon "
    "the end of a task is seen.",
    sized_by="tasks",
    about_s=25,
    measure=measure_all,
)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
