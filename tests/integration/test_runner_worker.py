"""`runner worker` takes a real worker through its life: real master, real slavealloc, real tac."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worker_farms import BUILDER, WorkerFarm, worker_farm
from tests.worker_machine import Life, WorkerMachine, is_there, machine, wait_until

pytestmark = pytest.mark.integration

SUCCESS, RETRY = 0, 5
EXIT, BUSY = 3, 75
SECRET = "wJalrXUtnFEMI"


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerFarm]:
    with worker_farm(tmp_path_factory.mktemp("farm"), ["w1"], build_seconds=1) as made:
        yield made


@pytest.fixture
def w1(farm: WorkerFarm, tmp_path: Path) -> Iterator[WorkerMachine]:
    with machine("w1", tmp_path, farm.allocator.url, ready_within_s=30) as made:
        farm.set_worker("w1", basedir=str(made.basedir))
        yield made
    farm.restore("w1")
    wait_until(lambda: not farm.connected())


def force(farm: WorkerFarm, life: Life) -> int:
    """Have a build, and wait until its command runs."""
    (request,) = farm.master.force(BUILDER)
    life.wait_said("build 1 has begun")
    return request


def settled(farm: WorkerFarm, request: int) -> int | None:
    wait_until(lambda: farm.results(request) is not None)
    return farm.results(request)


def tries(farm: WorkerFarm, request: int) -> list[int | None]:
    builds = farm.master.rest(f"buildrequests/{request}/builds")["builds"]
    return [build["results"] for build in builds]


def test_fetches_starts_verifies_works_and_stops(w1: WorkerMachine) -> None:
    w1.cold = True
    life = w1.start(run_for_s=0.1)
    assert life.wait() == 0, life.said()
    story = r"starting .*twistd.*connected after.*time is over.*by shutdown.stamp.*process is gone"
    assert re.search(story, life.said(), re.DOTALL), life.said()
    assert "connected and stopped (0 builds; task code 0)" in life.said()
    assert not (w1.basedir / "twistd.pid").exists()


def test_stops_after_so_many_builds_and_lets_the_last_finish(
    farm: WorkerFarm, w1: WorkerMachine
) -> None:
    farm.use_hup("w1")
    life = w1.connected(builds=2)
    requests = farm.master.force(BUILDER, 2)
    assert life.wait() == 0, life.said()
    assert [settled(farm, each) for each in requests] == [SUCCESS, SUCCESS]
    assert "by SIGHUP" in life.said()
    assert "connected and stopped (2 builds; task code 0)" in life.said()


def test_asked_to_end_it_lets_the_build_finish_and_waits_in_little_memory(
    farm: WorkerFarm, w1: WorkerMachine
) -> None:
    farm.use_hup("w1")
    w1.cold = True
    life = w1.connected()
    assert resident_mib(life) <= 30
    request = force(farm, life)
    life.ask()
    life.wait_said("by SIGHUP")
    assert resident_mib(life) <= 30
    assert life.wait() == EXIT, life.said()
    assert tries(farm, request) == [SUCCESS]


def resident_mib(life: Life) -> float:
    status = Path(f"/proc/{life.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def test_asked_twice_it_ends_now(farm: WorkerFarm, w1: WorkerMachine) -> None:
    farm.use_hup("w1")
    life = w1.connected()
    request, pid = force(farm, life), w1.pid()
    life.ask()
    life.wait_said("by SIGHUP")
    life.ask()
    assert life.wait() == EXIT, life.said()
    assert not is_there(pid)
    wait_until(lambda: tries(farm, request) == [RETRY])
    farm.master.rest(f"buildrequests/{request}", "cancel")


@pytest.mark.fault(
    "the worker does not stop in time because it builds",
    "the build is not killed and ends; task code 0",
)
def test_a_build_is_not_killed_though_the_time_to_stop_is_over(
    farm: WorkerFarm, w1: WorkerMachine
) -> None:
    farm.use_hup("w1")
    life = w1.connected(builds=1, stop_within_s=0.1, kill_grace_s=0.1)
    request = force(farm, life)
    assert life.wait() == 0, life.said()
    assert tries(farm, request) == [SUCCESS]
    assert "TERM" not in life.said()


def test_a_build_is_killed_when_that_is_told(farm: WorkerFarm, w1: WorkerMachine) -> None:
    farm.use_hup("w1")
    life = w1.connected(builds=1, stop_within_s=0.1, kill_builds=True)
    (request,) = farm.master.force(BUILDER)
    assert life.wait() == 0, life.said()
    assert "killed, as it was told to be" in life.said()
    wait_until(lambda: tries(farm, request) == [RETRY])
    farm.master.rest(f"buildrequests/{request}", "cancel")


@pytest.mark.fault(
    "runner worker is killed (kill -9) during a build",
    "the next one adopts the worker; the build ends well",
)
def test_killed_itself_it_leaves_a_worker_that_the_next_one_adopts(
    farm: WorkerFarm, w1: WorkerMachine
) -> None:
    farm.use_hup("w1")
    first = w1.connected()
    request, pid = force(farm, first), w1.pid()
    first.process.kill()
    first.process.wait()
    second = w1.connected()
    assert f"process {pid} by twistd.pid: adopted" in second.said()
    assert second.said().count("starting ") == 0
    second.ask()
    assert second.wait() == EXIT, second.said()
    assert tries(farm, request) == [SUCCESS]
    assert not is_there(pid)


def test_an_adopted_worker_is_stopped_though_its_stamp_is_newer_than_now(
    farm: WorkerFarm, w1: WorkerMachine
) -> None:
    first = w1.connected()
    first.process.kill()
    first.process.wait()
    os.kill(w1.pid(), signal.SIGTERM)
    wait_until(lambda: not (w1.basedir / "twistd.pid").exists())
    stamp = w1.basedir / "shutdown.stamp"
    stamp.touch()
    whole = int(stamp.stat().st_mtime) + 3600
    os.utime(stamp, (whole, whole))
    twistd = str(Path(sys.executable).with_name("twistd"))
    tac = str(w1.basedir / "buildbot.tac")
    subprocess.run([twistd, "--no_save", "--python", tac], cwd=w1.basedir, check=True)
    wait_until(lambda: farm.connected() == {"w1"})
    second = w1.start(run_for_s=0.5)
    assert second.wait() == 0, second.said()
    assert "adopted" in second.said()
    assert "was touched" in w1.twistd_log()


def test_the_master_learns_the_instance_and_no_secret(farm: WorkerFarm, w1: WorkerMachine) -> None:
    w1.environ = {
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "FARMHAND_INSTANCE_ID": "i-0abc",
        "BUILD_DISPLAY": ":1",
    }
    farm.use_hup("w1")
    w1.cold = True
    life = w1.connected(builds=1)
    info = farm.master.rest("workers")["workers"][0]["workerinfo"]
    environ = Path(f"/proc/{w1.pid()}/environ").read_text()
    request = force(farm, life)
    assert life.wait() == 0, life.said()
    assert settled(farm, request) == SUCCESS
    assert info["host"] == "i-0abc"
    assert "BUILD_DISPLAY" in environ
    assert SECRET not in environ + w1.twistd_log()


def test_beside_it_a_dry_run_would_adopt_and_a_second_one_is_told_that_it_is_busy(
    w1: WorkerMachine,
) -> None:
    before = w1.start(dry_run=True)
    assert before.wait() == 0, before.said()
    assert "would fetch a tac" in before.said()
    life = w1.connected()
    after = w1.start(dry_run=True)
    assert after.wait() == 0, after.said()
    assert f"would adopt the worker of {w1.basedir}, process {w1.pid()}" in after.said()
    second = w1.start()
    assert second.wait() == BUSY, second.said()
    assert life.process.poll() is None
