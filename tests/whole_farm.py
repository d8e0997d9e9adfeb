"""A whole farm on this machine: Buildbot, slavealloc, EC2 with machines, and what cron runs.

The commands are real processes that share nothing but what they share on a real farm: two
databases, the EC2 endpoint, and HTTP.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from tests.allocators import Allocator, environ, run_slavealloc, running_allocator
from tests.buildbot_master import BuildbotMaster, running_master
from tests.ec2_control import Ec2Server
from tests.machine_host import MachineHost, running_host
from tests.whole_farm_plan import (
    FARM,
    FarmPlan,
    make_image,
    seed_prices,
    write_config,
    write_places,
)

T = TypeVar("T")


class Part(Generic[T]):
    """A part of the farm that may stop and start again."""

    def __init__(self, make: Callable[[], AbstractContextManager[T]]) -> None:
        self._make = make
        self._running: AbstractContextManager[T] | None = None
        self._value: T | None = None

    @property
    def now(self) -> T:
        """What runs now."""
        assert self._value is not None, "it is stopped"
        return self._value

    def start(self) -> None:
        """Start it, and wait until it is there."""
        running = self._make()
        self._value = running.__enter__()
        self._running = running

    def stop(self) -> None:
        """Stop it, if it runs."""
        running, self._running, self._value = self._running, None, None
        if running is not None:
            running.__exit__(None, None, None)


@dataclass(kw_only=True, slots=True)
class WholeFarm:
    """A farm that runs; `environ` is what cron's jobs get."""

    plan: FarmPlan
    ec2: Ec2Server
    environ: dict[str, str]
    master: Part[BuildbotMaster]
    allocator: Part[Allocator]
    host: MachineHost

    @property
    def log(self) -> Path:
        """Where the jobs of cron say what is wrong."""
        return self.plan.directory / "cron.log"

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Start `watch-pending`, and do not wait for it."""
        with self.log.open("a") as stderr:
            return subprocess.Popen(
                [sys.executable, "-m", "watch_pending.cli", *words],
                env=self.environ,
                cwd=self.plan.directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )


@contextmanager
def running_whole_farm(plan: FarmPlan, ec2: Ec2Server) -> Iterator[WholeFarm]:
    """Run all of it but cron's jobs."""
    (plan.directory / "machines").mkdir(parents=True, exist_ok=True)
    seed_prices(ec2)
    write_config(plan, ec2)
    config = plan.directory / "farmhand.yml"
    more = {"FARMHAND_CONFIG": str(config), **ec2.env(key=f"{FARM}.all")}
    with ExitStack() as held:
        master = Part(lambda: make_master(plan))
        held.callback(master.stop)
        master.start()
        fill_allocator(plan, more)
        allocator = Part(lambda: make_allocator(plan, more))
        held.callback(allocator.stop)
        allocator.start()
        machines = plan.directory / "machines"
        host = held.enter_context(running_host(ec2, make_image(plan), machines, boot_s=plan.boot_s))
        yield WholeFarm(
            plan=plan,
            ec2=ec2,
            environ=environ(plan.directory, **more),
            master=master,
            allocator=allocator,
            host=host,
        )


def make_master(plan: FarmPlan) -> AbstractContextManager[BuildbotMaster]:
    """Make the one master, which comes back where it was."""
    return running_master(
        plan.directory,
        builders={name: plan.workers(kind) for name, kind in plan.builders.items()},
        workers=list(plan.all_workers()),
        db_url=plan.scheduler_db,
        build_seconds=plan.build_seconds,
        left_behind=plan.left_behind,
        pb_port=plan.pb_port,
        www_port=plan.www_port,
    )


def fill_allocator(plan: FarmPlan, more: dict[str, str]) -> None:
    """Create the farm's database, and let slavealloc know workers and master."""
    for words in (["dbinit"], ["dbimport", *write_places(plan)]):
        done = run_slavealloc(plan.directory, *words, **more)
        assert done.code == 0, done.err


def make_allocator(plan: FarmPlan, more: dict[str, str]) -> AbstractContextManager[Allocator]:
    """Make the server, which comes back where it was."""
    port = str(plan.allocator_port)
    return running_allocator(None, "--port", port, state=plan.directory, **more)
