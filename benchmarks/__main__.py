"""`make bench`: every measurement, as Markdown tables."""

import platform
import sys
from collections.abc import Sequence

from benchmarks import (
    gettac,
    launch,
    pages,
    pending,
    runner,
    scan,
    startup,
    stop_idle,
    whole_farm,
)


def main() -> None:
    """Measure, and print; `quick` takes a tenth of the rows."""
    rows = pending.ROWS // 10 if "quick" in sys.argv else pending.ROWS
    print(f"# farmhand, measured on {platform.machine()}, Python {platform.python_version()}\n")
    print(f"## {rows:,} pending requests → machines needed (`python -m benchmarks.pending`)\n")
    head = ["database", "schema", "method", "ms", "× faster than naive", "÷ bare query", "MiB"]
    print_markdown(head, pending.table(rows))
    count = gettac.WORKERS // 10 if "quick" in sys.argv else gettac.WORKERS
    print(f"## {count:,} workers ask for their tac (`python -m benchmarks.gettac`)\n")
    print_markdown(gettac.HEAD.split("|"), gettac.table(count))
    print(f"## A list of {pages.WORKERS:,} workers in Chromium (`python -m benchmarks.pages`)\n")
    print_markdown(pages.HEAD, pages.table())
    print("## Launching, two regions, 100 ms a call (`benchmarks/launch.py`)\n")
    print_markdown(launch.HEAD, launch.table(quick="quick" in sys.argv))
    print("## stop-idle, one run, two regions (`benchmarks/stop_idle.py`)\n")
    print_markdown(stop_idle.HEAD, stop_idle.table(100 if "quick" in sys.argv else 1000))
    print("## From ten requests to the last machine terminated (`benchmarks/whole_farm.py`)\n")
    found = whole_farm.measure(1 if "quick" in sys.argv else whole_farm.REPEATS)
    print_markdown(whole_farm.HEAD, whole_farm.table(found))
    print_markdown(*whole_farm.actions(found))
    polled, repeats = (scan.COUNT // 10, 1) if "quick" in sys.argv else (scan.COUNT, 3)
    print(f"## {polled:,} build daemons polled once (`python -m benchmarks.scan`)\n")
    print_markdown(scan.HEAD, scan.table(polled, repeats))
    print("## The runner: tasks that do nothing (`benchmarks/runner.py`)\n")
    print_markdown(runner.HEAD, runner.table())
    print_markdown(["measure", "value"], runner.memory_and_latency())
    print("## Start-up, median of a whole process (`benchmarks/startup.py`)\n")
    head = ["command", "ms", "÷ bare interpreter", "× faster than aws --version"]
    print_markdown(head, startup.table())


def print_markdown(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print one table."""
    for row in (head, ["---"] * len(head), *rows):
        print("| " + " | ".join(map(str, row)) + " |")
    print()


if __name__ == "__main__":
    main()
