"""What happens to a whole farm in a test: jobs, cron, faults; and what must hold at its end."""

import itertools
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from farmhand.tables.launches import launches, stops
from tests import processes
from tests.demo.look import Look
from tests.demo.scene import Scene
from tests.machine_host import Machine
from tests.processes import Command
from tests.whole_farm import WholeFarm

PATIENCE_S = 120.0
LOOK_S = 0.1
SOON_S = 0.01
CRON_S = 1.0
TRIES = 4
BUILT, RETRIED = 0, 5  # Buildbot's results
OPEN = ("planned", "called", "launched")
BUILDS = sa.text(
    "SELECT bl.id, bl.buildrequestid AS request, b.name AS builder, w.name AS worker, bl.results,"
    " bl.complete_at FROM builds bl JOIN builders b ON b.id=bl.builderid"
    " JOIN workers w ON w.id=bl.workerid ORDER BY bl.id"
)
RUNNING = sa.text(
    "SELECT bl.id, w.name AS worker FROM builds bl JOIN builders b ON b.id=bl.builderid"
    " JOIN workers w ON w.id=bl.workerid JOIN steps s ON s.buildid=bl.id WHERE b.name=:builder"
    " AND s.name='shell' AND s.started_at IS NOT NULL AND s.complete_at IS NULL"
    " AND bl.complete_at IS NULL ORDER BY bl.id"
)


@dataclass(kw_only=True, slots=True)
class Story:
    """A farm, and what was asked of it: builder → jobs. `database` is the farm's."""

    farm: WholeFarm
    look: Look
    database: sa.Engine
    asked: Counter[str] = field(default_factory=Counter)
    killed: Counter[str] = field(default_factory=Counter)

    def ask(self, jobs: Mapping[str, int]) -> None:
        """Ask Buildbot for builds."""
        for builder, count in jobs.items():
            self.farm.master.now.force(builder, count)
            self.asked[builder] += count

    def start(self, verb: str) -> Command:
        """Start a line of the crontab."""
        directory = self.farm.plan.directory
        words = [verb, "-q", "-l", f"{directory}/{verb}.log"]
        return processes.start(
            "watch_pending.cli", *words, environ=self.farm.environ, directory=directory
        )

    def cron(self, verb: str, *codes: int) -> None:
        """Let cron run a line to its end; it must exit with one of these, or 0."""
        done = self.start(verb).finish(PATIENCE_S)
        assert done.code in {0, *codes}, self.describe(f"{verb} exited {done.code}:\n{done.err}")

    def cron_killed(self, verb: str, measure: Callable[[], int]) -> None:
        """Let cron run a line, and kill it once it has done more of something; that grows old."""
        before = measure()
        command = self.start(verb)
        while command.process.is_alive():
            if measure() > before:
                with suppress(ProcessLookupError):
                    command.send_signal(signal.SIGKILL)
                    self.killed[verb] += 1
                break
            time.sleep(SOON_S)
        command.finish(PATIENCE_S)
        calls = self.farm.ec2.calls
        self.until(lambda _: all(call.status is not None for call in calls()), "end of the calls")
        self.age()

    def count(self, statement: str) -> int:
        """Count rows of the farm's database."""
        with self.database.connect() as connection:
            return int(connection.scalar(sa.text(f"SELECT COUNT(*) FROM {statement}")) or 0)

    def age(self) -> None:
        """Let the times be over that killed runs are waited for."""
        long_ago = datetime.now(UTC) - timedelta(hours=1)
        begun = {"created_at": long_ago, "called_at": long_ago}
        with self.database.begin() as connection:
            connection.execute(launches.update().where(launches.c.state.in_(OPEN)).values(begun))
            held = stops.update().where(stops.c.closed_at.is_(None))
            connection.execute(held.values(owned_until=long_ago))

    def until(self, reached: Callable[[Scene], object], what: str, *verbs: str) -> Scene:
        """Wait for something; cron runs these lines, one after the other, meanwhile."""
        deadline = time.monotonic() + PATIENCE_S
        due = itertools.cycle(verbs)
        due_at = time.monotonic()
        while not reached(scene := self.look.now()):
            self.farm.host.check()
            assert time.monotonic() < deadline, self.describe(f"no {what}")
            if verbs and time.monotonic() >= due_at:
                self.cron(next(due))
                due_at = time.monotonic() + CRON_S
            time.sleep(LOOK_S)
        return scene

    def strike(self, builder: str, blow: Callable[[Machine], None]) -> None:
        """Let a blow fall while a machine builds; at least one must have interrupted its build."""
        for _ in range(TRIES):
            self.ask({builder: 1})
            self.until(lambda _: self.running(builder), f"build of {builder}", "run")
            if not (running := self.running(builder)):
                continue
            build = running[-1]
            blow(self.farm.host.find(build.worker))
            self.until(lambda _, key=build.id: self.has_ended(key), "end of the build")  # type: ignore[misc]
            if next(each.results for each in self.builds() if each.id == build.id) == RETRIED:
                return
        raise AssertionError("each build had ended before the blow fell")

    def builds(self) -> Sequence[sa.Row[tuple[object, ...]]]:
        """Read all builds, oldest first."""
        with self.look.scheduler.connect() as connection:
            return connection.execute(BUILDS).all()

    def running(self, builder: str) -> list[sa.Row[tuple[object, ...]]]:
        """Read the builds whose command runs, the youngest last.

        Where a worker is lost a moment before that, Buildbot 4.3.0 itself fails (`assert
        workerforbuilder.worker is not None`), and the build never ends.
        """
        with self.look.scheduler.connect() as connection:
            rows = connection.execute(RUNNING, {"builder": builder}).all()
        return list(rows)

    def has_ended(self, build_id: int) -> bool:
        """Whether a build is over, however it went."""
        return any(e.complete_at is not None for e in self.builds() if e.id == build_id)

    def crash_master(self, _machine: Machine) -> None:
        """Kill the master, let cron find it so, and start it again."""
        process = self.farm.master.now.process
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.farm.master.stop()
        self.cron("run", 3)
        self.cron("stop-idle", 3)
        self.farm.master.start()

    def describe(self, what: str) -> str:
        """Say what went wrong, and how all was then."""
        scene = self.look.now()
        logs = [f"{each.name} {each.power}\n{each.log[-2000:]}" for each in self.farm.host.up()]
        jobs = [str(job) for job in scene.jobs if not job.built]
        states = [str(machine) for machine in scene.machines]
        directory = self.farm.plan.directory
        more = [path.read_text()[-4000:] for path in directory.glob("*.log")]
        return "\n".join([what, *jobs, *states, *scene.paused(), *logs, *more])
