"""Show the farm: a table that lives on a terminal, a line for each event elsewhere."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tests.demo.scene import Doing, Scene, Seen

STYLES = {
    Doing.STARTING: "yellow",
    Doing.BOOTING: "yellow",
    Doing.BUILDING: "bold green",
    Doing.IDLE: "cyan",
    Doing.LEAVING: "magenta",
    Doing.BETWEEN: "magenta",
    Doing.DRAINING: "red",
    Doing.STOPPED: "dim",
}
FEWEST_EVENTS = 5


class Screen(Protocol):
    """What the story is told to."""

    def tell(self, line: str) -> None:
        """Tell one event."""

    def show(self, scene: Scene) -> None:
        """Show how the farm is now."""


class Lines:
    """One line an event, with the seconds since the beginning."""

    def __init__(self, began: float) -> None:
        self.began = began

    def tell(self, line: str) -> None:
        """Print the event."""
        say(f"{time.monotonic() - self.began:6.1f} s  {line}")

    def show(self, scene: Scene) -> None:
        """Say nothing: events are enough."""


class LiveTable:
    """The farm as it is now, redrawn in place; the last events stand below."""

    def __init__(self, began: float, console: Console, live: Live) -> None:
        self.began = began
        self.console = console
        self.live = live
        self.events: list[tuple[float, str]] = []

    def tell(self, line: str) -> None:
        """Add an event; it is drawn with what comes next."""
        self.events.append((time.monotonic() - self.began, line))

    def show(self, scene: Scene) -> None:
        """Draw it anew."""
        passed = time.monotonic() - self.began
        rows = len({job.builder for job in scene.jobs}) + len(scene.machines) + 9
        room = max(FEWEST_EVENTS, self.console.height - rows)
        events = [
            Text(f"{at:6.1f} s  {line}", no_wrap=True, overflow="ellipsis")
            for at, line in self.events[-room:]
        ]
        title = f"After {passed:.0f} s: {summarize(scene)}"
        self.live.update(
            Group(
                Text(title, style="bold"), draw_jobs(scene), draw_machines(scene), Text(), *events
            ),
            refresh=True,
        )


@contextmanager
def screen(began: float) -> Iterator[Screen]:
    """Choose what suits stdout."""
    console = Console(highlight=False)
    if not console.is_terminal:
        yield Lines(began)
        return
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        yield LiveTable(began, console, live)


def summarize(scene: Scene) -> str:
    """Say in a few words how far it is."""
    cost = sum(machine.usd_per_hour * machine.seconds / 3600 for machine in scene.machines)
    return (
        f"{scene.waiting()} jobs wait, {scene.running()} run, {scene.built()} are built; "
        f"{scene.up()} machines; {cost:.4f} USD"
    )


def draw_jobs(scene: Scene) -> RenderableType:
    """Draw the jobs, a row for each builder."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("builder", min_width=44)
    for title in ("waiting", "running", "built"):
        table.add_column(title, justify="right")
    counts: dict[str, Counter[str]] = {}
    for job in scene.jobs:
        state = "built" if job.built else "running" if job.runs else "waiting"
        counts.setdefault(job.builder, Counter())[state] += 1
    for builder, count in counts.items():
        cells = [str(count[state] or "·") for state in ("waiting", "running", "built")]
        table.add_row(builder, *cells)
    return Group(Text(), table)


def draw_machines(scene: Scene) -> RenderableType:
    """Draw the machines, those that are gone too."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("machine", "EC2 type", "zone", "up", "round", "does"):
        table.add_column(title, justify="right" if title in {"up", "round"} else "left")
    jobs = {job.worker: job for job in scene.jobs if job.runs}
    for machine in scene.machines:
        job = jobs.get(machine.name)
        builds = machine.doing is Doing.BUILDING and job is not None
        more = f" job {job.number}" if builds and job else ""
        table.add_row(
            machine.name,
            machine.ec2_type,
            machine.zone,
            f"{machine.seconds:.0f} s",
            str(machine.round or ""),
            Text(f"{describe(machine)}{more}", style=STYLES[machine.doing]),
        )
    return Group(Text(), table)


def describe(machine: Seen) -> str:
    """Say what a machine does."""
    if machine.doing is Doing.STOPPED:
        return f"stopped: {machine.why}"
    if machine.doing is Doing.BETWEEN and machine.task not in {"", "buildbot"}:
        return f"{machine.doing}: {machine.task}"
    return str(machine.doing)


def say(text: str) -> None:
    """Print at once, so that it stands before what a command prints."""
    print(text, flush=True)  # noqa: T201 - the demo's purpose
