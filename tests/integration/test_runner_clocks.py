"""A clock on the wall that jumps by years: no deadline, pause or order moves."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jumps import make_jump
from tests.runner_machine import RunnerMachine
from tests.worker_farms import BUILDER, WorkerFarm, worker_farm
from tests.worker_machine import WorkerMachine, machine, wait_until

pytestmark = pytest.mark.integration


@pytest.fixture
def jumping(tmp_path: Path) -> RunnerMachine:
    made = RunnerMachine(home=tmp_path, environ=make_jump(tmp_path), cold=True)
    made.settings |= {"max_tries": 2, "max_time": 30, "grace": 0.2, "halt_interval": 1}
    made.add("halt.sh")
    return made


def test_the_clock_does_jump(jumping: RunnerMachine) -> None:
    jumping.add("1-a", "echo one; echo two; echo three; echo four")
    lines = jumping.rounds().stderr.splitlines()
    assert len({line[:4] for line in lines}) > 2  # the years of its stamps


@pytest.mark.fault(
    "the clock of a machine jumps by years during rounds",
    "deadlines, pauses and retries are as ever",
)
def test_deadlines_pauses_and_order_do_not_follow_the_wall(jumping: RunnerMachine) -> None:
    jumping.settings |= {"sleep_time": 0.3, "tasks": {"late": {"max_time": 0.6}}}
    jumping.add("1-long", "sleep 0.5")
    jumping.add("2-late", "[ $(($(grep -c 2-late notes) % 2)) = 0 ] || sleep 60")
    jumping.add("4-buildbot", "sleep 0.3")
    jumping.add("5-after")
    began = time.monotonic()
    done = jumping.rounds(2)
    took = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    assert jumping.notes() == ["1-long", "2-late", "2-late", "4-buildbot", "5-after"] * 2
    assert "late: no end within 0.6 s; again in 0.3 s" in done.stderr
    seconds = [each["seconds"] for each in jumping.status()["rounds"]]
    assert all(0.8 < each < took for each in seconds), seconds


@pytest.mark.fault(
    "the clock of a machine jumps between two halts",
    "the second halt waits no longer than its interval",
)
def test_a_second_halt_waits_no_longer_than_its_interval(jumping: RunnerMachine) -> None:
    jumping.add("1-a", "exit 2")
    began = time.monotonic()
    for _ in range(3):
        assert jumping.rounds().returncode == 3
    assert jumping.notes().count("halt.sh") == 3
    assert time.monotonic() - began < 30


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerFarm]:
    directory = tmp_path_factory.mktemp("farm")
    with worker_farm(directory, ["w1"], build_seconds=0.3) as made:
        yield made


@pytest.fixture
def w1(farm: WorkerFarm, tmp_path: Path) -> Iterator[WorkerMachine]:
    with machine("w1", tmp_path, farm.allocator.url, ready_within_s=30) as made:
        farm.set_worker("w1", basedir=str(made.basedir))
        farm.use_hup("w1")
        made.environ, made.cold = make_jump(tmp_path), True
        yield made
    wait_until(lambda: not farm.connected())


@pytest.mark.fault(
    "the clock of a machine jumps by years while its worker runs",
    "the worker ends after its builds as ever",
)
def test_a_worker_s_life_does_not_follow_the_wall(farm: WorkerFarm, w1: WorkerMachine) -> None:
    life = w1.connected(builds=1, run_for_s=600, lost_for_s=600, stop_within_s=600)
    farm.master.force(BUILDER)
    assert life.wait() == 0, life.said()
    assert "connected and stopped (1 builds; task code 0)" in life.said()
    assert len({line[:4] for line in life.said().splitlines()}) > 2
