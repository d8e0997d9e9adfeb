"""One farm on one machine, from waiting jobs to stopped machines, with faults in the middle."""

import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from farmhand.tables.launches import launches, stops
from tests.demo.look import looking
from tests.demo.scene import Doing, Scene
from tests.ec2_control import Ec2Server
from tests.services import DatabaseServer
from tests.whole_farm import WholeFarm, running_whole_farm
from tests.whole_farm_plan import FarmPlan
from tests.whole_farm_story import BUILT, RETRIED, Story

pytestmark = pytest.mark.integration
BUILD = "Linux x86-64 mozilla-central build"
TRY = "Linux x86-64 try build"
LIMITS = {"bld-linux64": 2, "try-linux64": 1}
RUNNER = {
    "sleep_time": 0.5,
    "retry_jitter": 0.5,
    "grace": 2,
    "round_interval": 0,
    "worker": {"builds": 3, "ready_within_s": 60},
}
STOP_IDLE = {"idle_s": {"spot": 1}, "min_age_s": {"spot": 1}}


# `make demo` is this on SQLite.
@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.soak), "mariadb"])
def databases(request: pytest.FixtureRequest) -> Iterator[tuple[str | None, str | None]]:
    """The scheduler's database and the farm's; None is SQLite as it comes."""
    if request.param == "sqlite":
        yield None, None
        return
    server: DatabaseServer = request.getfixturevalue(request.param)
    names = [f"test_{uuid.uuid4().hex[:12]}" for _ in range(2)]
    scheduler, farm = [server.create_database(name) for name in names]
    yield scheduler, farm
    for name in names:
        server.drop_database(name)


@pytest.fixture
def story(
    databases: tuple[str | None, str | None], ec2: Ec2Server, tmp_path: Path
) -> Iterator[Story]:
    scheduler_db, farm_db = databases
    plan = FarmPlan(
        directory=tmp_path,
        builders={BUILD: "bld-linux64", TRY: "try-linux64"},
        limits=LIMITS,
        watch={"stop_idle": STOP_IDLE},
        runner=RUNNER,
        tasks={"4-buildbot": "exec runner worker -v\n"},
        scheduler_db=scheduler_db,
        farm_db=farm_db,
        build_seconds=2.0,
        names=4,
    )
    with running_whole_farm(plan, ec2) as farm, looking(farm, {}) as look:
        database = sa.create_engine(plan.farm_url)
        yield Story(farm=farm, look=look, database=database)
        database.dispose()


def test_all_jobs_are_built_and_all_machines_go_whatever_fails(story: Story) -> None:
    story.ask({BUILD: 4, TRY: 2})
    story.farm.allocator.stop()
    kill_runs(story)
    story.until(lambda scene: have_asked_in_vain(story.farm, scene), "machines that ask", "run")
    story.farm.allocator.start()
    story.strike(BUILD, story.farm.host.take_away)
    story.strike(TRY, story.crash_master)
    story.until(lambda scene: scene.built() == len(scene.jobs), "end of all jobs", "run")
    kill_stops(story)
    story.until(is_over, "end of all machines", "stop-idle", "run")
    check_jobs(story)
    check_machines(story)


def kill_runs(story: Story) -> None:
    """Kill runs that have planned launches, and that launch."""
    ec2 = story.farm.ec2
    ec2.settings(latency_s=0.1)
    story.cron_killed("run", lambda: story.count("launches"))
    story.cron_killed("run", lambda: len(ec2.calls("RunInstances")))
    ec2.settings(latency_s=0)
    assert story.killed["run"] > 0


def kill_stops(story: Story) -> None:
    """Kill runs that have begun to stop machines, that have paused some, that have ended some."""
    ec2 = story.farm.ec2
    story.until(lambda scene: count_idle(scene) == sum(LIMITS.values()), "idle machines", "run")
    story.cron_killed("stop-idle", lambda: story.count("stops"))
    story.cron_killed("stop-idle", lambda: len(story.look.now().paused()))
    story.cron_killed("stop-idle", lambda: len(ec2.calls("TerminateInstances")))
    assert story.killed["stop-idle"] > 0


def count_idle(scene: Scene) -> int:
    return sum(machine.doing is Doing.IDLE for machine in scene.machines)


def have_asked_in_vain(farm: WholeFarm, scene: Scene) -> bool:
    """Whether all machines that there may be are up, and none has found slavealloc."""
    up = [machine for machine in farm.host.up() if "asking again" in machine.log]
    return len(up) == sum(LIMITS.values()) == scene.up()


def is_over(scene: Scene) -> bool:
    return not scene.up() and not scene.paused() and scene.built() == len(scene.jobs)


def check_jobs(story: Story) -> None:
    """Each was built with success, on a machine of its type, and nothing runs any more.

    A build that had just ended when the master crashed may have been built once more: Buildbot
    writes the end of a build before that of its request.
    """
    scene = story.look.now()
    assert Counter(job.builder for job in scene.jobs if job.built) == story.asked
    builds = story.builds()
    assert all(build.complete_at for build in builds)
    assert {build.results for build in builds} == {BUILT, RETRIED}
    types, wanted = story.farm.plan.all_workers(), story.farm.plan.builders
    assert all(types[str(b.worker)] == wanted[str(b.builder)] for b in builds)


def check_machines(story: Story) -> None:
    """None is left, none was one too many, and all of them are in the journal, once."""
    machines = story.farm.host.all()
    assert story.farm.host.twice == []
    assert {each.doing for each in story.look.now().machines} == {Doing.STOPPED}
    for machine in machines:
        beside = [
            each.name
            for each in machines
            if each.instance_type == machine.instance_type
            and each.seen_at <= machine.seen_at < (each.ended_at or 0)
        ]
        assert len(beside) <= LIMITS[machine.instance_type], beside
    with story.database.connect() as connection:
        known = connection.scalars(
            sa.select(launches.c.token).where(launches.c.instance_id.is_not(None))
        ).all()
        left = sa.select(stops).where(stops.c.closed_at.is_(None))
        assert connection.execute(left).all() == []
    assert sorted(known) == sorted(machine.client_token for machine in machines)
