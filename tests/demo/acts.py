"""The acts of the demo, one after the other."""

import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import closing
from pathlib import Path

from tests.demo.blows import Blows
from tests.demo.cron import Cron, CronJob, JobFailed
from tests.demo.farm import BUILD, FIRST, LATER
from tests.demo.look import looking
from tests.demo.scene import Doing, Scene
from tests.demo.screen import say, screen
from tests.demo.story import tell
from tests.whole_farm import WholeFarm
from tests.whole_farm_plan import market

UNKNOWN = "WINNT 6.1 x86-64 mozilla-central build"
LOOK_S = 0.4
CRON_S = 5.0
LIMIT_S = 400.0
LOG_BYTES = 3000


class Stuck(Exception):
    """The story did not come to its end in time."""


def introduce(farm: WholeFarm) -> None:
    """Let jobs wait, and ask what would be done for them."""
    queue(farm, FIRST)
    say(f"\n── Jobs wait in Buildbot ({farm.master.now.www_url}), with nobody to build them:")
    for builder, count in sorted(farm.master.now.pending().items()):
        say(f"  {count:3}  {builder}")
    # The best offer has no capacity, so that the next best is seen to be taken, in the same run.
    farm.ec2.add_fault(
        action="RunInstances",
        match={"InstanceType": "c7i.xlarge", "@az": "us-west-2b"},
        code="InsufficientInstanceCapacity",
        message="We currently do not have sufficient c7i.xlarge capacity in us-west-2b.",
    )
    show(farm, "check", title="Is the configuration sound?")
    show(farm, "--dry-run", title="What would a run do?")
    show(farm, "explain", BUILD, UNKNOWN, title="Why, or why not?")


def queue(farm: WholeFarm, jobs: Mapping[str, int]) -> None:
    """Ask Buildbot for builds."""
    for builder, count in jobs.items():
        farm.master.now.force(builder, count)


def show(farm: WholeFarm, *args: str, title: str) -> None:
    """Show a command and what it prints; raises JobFailed where it fails."""
    words = " ".join(f'"{word}"' if " " in word else word for word in args)
    say(f"\n── {title}\n$ watch-pending {words}")
    with farm.log.open("a") as stderr:
        done = subprocess.run(
            [sys.executable, "-m", "watch_pending.cli", *args],
            env=farm.environ,
            cwd=farm.plan.directory,
            stderr=stderr,
            check=False,
        )
    if done.returncode != 0:
        raise JobFailed(f"watch-pending {words} exited {done.returncode}:\n{tail(farm.log)}")


def watch(farm: WholeFarm) -> Scene:
    """Let cron run, and tell what happens until all is built and all machines are gone."""
    say(f"\n── From here on cron runs both lines, every {CRON_S:.0f} s instead of every minute:")
    say("$ watch-pending run -q; watch-pending stop-idle -q\n")
    began, later = time.monotonic(), False
    blows = Blows(farm=farm)
    with closing(tell_all(farm, blows)) as scenes:
        for scene in scenes:
            if not later and is_ready_for_more(scene):
                later = True
                queue(farm, LATER)
            blows.strike(scene, later=later)
            if is_over(scene):
                return scene
            if time.monotonic() - began > LIMIT_S:
                raise Stuck(describe(farm, scene))
    raise AssertionError("cron never ends")


def tell_all(farm: WholeFarm, blows: Blows) -> Generator[Scene, None, None]:
    """Let cron run and tell all that happens, for ever; yields each look."""
    cron = Cron(jobs=[CronJob(farm=farm, verb=verb, every_s=CRON_S) for verb in VERBS])
    before = Scene()
    since = int(time.time())
    with looking(farm, market(), since=since) as look, screen(time.monotonic()) as shown:
        try:
            while True:
                now = look.now()
                for line in [*cron.tick(), *blows.told(), *tell(before, now)]:
                    shown.tell(line)
                shown.show(now)
                farm.host.check()
                yield now
                before = now
                time.sleep(LOOK_S)
        except GeneratorExit:
            cron.settle()
            raise
        except JobFailed as err:
            raise JobFailed(f"{err}:\n{tail(farm.log)}") from err
        finally:
            cron.end()


VERBS = ("run", "stop-idle")


def is_ready_for_more(scene: Scene) -> bool:
    """Whether the first jobs are built, and somebody is idle."""
    idle = any(machine.doing is Doing.IDLE for machine in scene.machines)
    return bool(scene.jobs) and scene.built() == len(scene.jobs) and idle


def is_over(scene: Scene) -> bool:
    """Whether all is built, nothing runs, and every name may be used again."""
    built = scene.built() == len(scene.jobs) == sum(FIRST.values()) + sum(LATER.values())
    return built and not scene.up() and not scene.paused()


def describe(farm: WholeFarm, scene: Scene) -> str:
    """Say what is not done, and what the machines said last."""
    logs = [f"{each.name} ({each.power}):\n{each.log[-LOG_BYTES:]}" for each in farm.host.up()]
    jobs = [str(job) for job in scene.jobs if not job.built]
    return "\n".join([*jobs, *logs, tail(farm.log)])


def tail(log: Path) -> str:
    """Return the end of a log."""
    return log.read_text(errors="replace")[-LOG_BYTES:]


def leave_up(farm: WholeFarm) -> None:
    """Let cron go on until Ctrl-C, and tell what happens."""
    master = farm.master.now.www_url
    say(f"\nIt stays up: force a build at {master}/#/builders and see a machine come for it.")
    say(f"Logs and machines are in {farm.plan.directory}; slavealloc is {farm.plan.allocator_url}.")
    say("Ctrl-C ends all of it.\n")
    for _ in tell_all(farm, Blows(farm=farm)):
        pass
