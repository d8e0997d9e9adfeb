"""`runner` takes a real worker through rounds: real master, real builds, tac from slavealloc."""

import re
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.machine_venv import find_used, make_venv, read_requirements
from tests.runner_machine import RunnerMachine, wait_until
from tests.worker_farms import BUILDER, WorkerFarm, worker_farm
from tests.worker_machine import is_there

pytestmark = pytest.mark.integration
ROUND = ["1-before", "4-buildbot", "9-after"]


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerFarm]:
    with worker_farm(tmp_path_factory.mktemp("farm"), ["w1"], build_seconds=0.5) as made:
        yield made


@pytest.fixture
def machine(farm: WorkerFarm, tmp_path: Path) -> Iterator[RunnerMachine]:
    basedir = tmp_path / "w1"
    farm.set_worker("w1", basedir=str(basedir))
    farm.use_hup("w1")
    made = RunnerMachine(home=tmp_path)
    made.settings["worker"] = {
        "basedir": str(basedir),
        "slavename": "w1",
        "allocator_url": f"{farm.allocator.url}/gettac/SLAVE",
        "ready_within_s": 30,
        "builds": 1,
    }
    made.add_all("1-before", "9-after", "halt.sh")
    made.add("4-buildbot", f"exec {sys.executable} -m runner.cli worker -v")
    yield made
    farm.restore("w1")
    wait_until(lambda: not farm.connected())


def has_begun(machine: RunnerMachine, number: int) -> bool:
    return machine.notes().count("4-buildbot") == number


def is_built(farm: WorkerFarm, request: int) -> bool:
    return farm.results(request) == 0


def test_two_rounds_with_builds(farm: WorkerFarm, machine: RunnerMachine) -> None:
    process = machine.start("-n", "2")
    for number in (1, 2):
        wait_until(partial(has_begun, machine, number))
        (request,) = farm.master.force(BUILDER)
        wait_until(partial(is_built, farm, request))
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert machine.notes() == ROUND * 2
    story = r"round \d: before, then the worker.*buildbot: .*is connected.*after: exit code 0.*"
    assert re.search(story * 2, said, re.DOTALL), said


def test_a_machine_needs_only_what_is_listed_for_machines_and_all_of_it(
    farm: WorkerFarm, machine: RunnerMachine
) -> None:
    machine.python, machine.cold = str(make_venv(machine.home / "venv")), True
    machine.environ |= {"PYTHONPATH": "", "PYTHONPROFILEIMPORTTIME": "1"}
    machine.settings["env"] = {"PYTHONPROFILEIMPORTTIME": "1"}
    machine.settings["worker"]["twistd_cmd"] = str(Path(sys.executable).with_name("twistd"))
    machine.add("4-buildbot", f"exec {machine.python} -m runner.cli worker -v")
    farm.master.force(BUILDER)
    done = machine.rounds(1, "--metrics-textfile", str(machine.home / "runner.prom"))
    assert done.returncode == 0, done.stderr[-5000:]
    assert machine.notes() == ROUND
    assert "connected and stopped (1 builds; task code 0)" in done.stderr
    said = done.stderr + machine.run("status").stderr
    assert "ModuleNotFoundError" not in said
    assert find_used(said) == set(read_requirements())


@pytest.mark.fault(
    "the runner is killed (kill -9) while its worker runs",
    "the next runner adopts the worker and starts no second one",
)
def test_the_next_runner_adopts_the_worker_of_one_that_was_killed(
    farm: WorkerFarm, machine: RunnerMachine
) -> None:
    process = machine.start()
    wait_until(lambda: bool(farm.connected()))
    pid = int((machine.home / "w1/twistd.pid").read_text())
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=20)
    assert is_there(pid)
    farm.master.force(BUILDER)
    done = machine.rounds()
    assert done.returncode == 0, done.stderr
    assert f"process {pid} by twistd.pid: adopted" in done.stderr
    assert machine.notes() == ["1-before", "4-buildbot", *ROUND]
