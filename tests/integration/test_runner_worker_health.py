"""A machine on which builds fail too fast, or whose disk fills, halts: real master, real builds."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forks import BUILDBOT, forks_of
from tests.runner_machine import RunnerMachine, wait_until
from tests.small_disk import fill, mounted, needs_root
from tests.worker_farms import BUILDER, WorkerFarm, worker_farm
from tests.worker_machine import machine

pytestmark = pytest.mark.integration
HALT = FAILURE = 2


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerFarm]:
    """A farm of which every build fails at once: `sleep -1`."""
    with worker_farm(tmp_path_factory.mktemp("farm"), ["w1"], build_seconds=-1) as made:
        yield made


@pytest.fixture
def basedir(farm: WorkerFarm, tmp_path: Path) -> Iterator[Path]:
    basedir = tmp_path / "home/w1"
    farm.set_worker("w1", basedir=str(basedir))
    farm.use_hup("w1")
    yield basedir
    farm.restore("w1")
    wait_until(lambda: not farm.connected())


@pytest.mark.fault(
    "builds fail too fast in a row", "post-flight runs and the machine halts with that reason"
)
def test_builds_that_fail_too_fast_in_a_row_halt_the_machine_after_post_flight(
    farm: WorkerFarm, basedir: Path
) -> None:
    basedir.parent.mkdir()
    made = RunnerMachine(home=basedir.parent)
    made.settings["worker"] = {
        "basedir": str(basedir),
        "slavename": "w1",
        "allocator_url": f"{farm.allocator.url}/gettac/SLAVE",
        "twistd_cmd": str(forks_of(BUILDBOT).folder / "twistd"),
        "builds": 1,
        "fast_failures": 2,
    }
    made.add("4-buildbot", f"exec {sys.executable} -m runner.cli worker -v")
    made.add_all("9-after")
    made.add("halt.sh", made.note("$RUNNER_HALT"))
    process = made.start()
    requests = farm.master.force(BUILDER)
    wait_until(lambda: made.notes().count("4-buildbot") == 2, seconds=60)
    requests += farm.master.force(BUILDER)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 3, said
    # The row is counted from one life of the worker to the next.
    assert made.notes()[:-1] == ["4-buildbot", "9-after", "4-buildbot", "9-after", "halt.sh"]
    assert re.search(r"@runner reason too-fast: .*: 2 in a row, each within 60 s", said), said
    assert made.notes()[-1].startswith("buildbot: asks to halt: ")
    assert [farm.results(each) for each in requests] == [FAILURE, FAILURE]


@pytest.mark.fault(
    "a disk fills up while the worker works",
    "the machine halts with that reason, or the round ends, as set",
)
@needs_root
def test_a_disk_that_fills_while_the_worker_works_halts_the_machine_or_ends_the_round(
    farm: WorkerFarm, basedir: Path
) -> None:
    with (
        mounted(basedir.parent, "size=8m") as disk,
        machine("w1", disk, farm.allocator.url) as made,
    ):
        life = made.connected(min_free_gib=0.002)
        fill(disk)
        assert life.wait() == HALT
        assert "its disk is too full: 0.0 GiB free of 0.002 wanted" in life.said()
        assert "the worker's process is gone" in life.said()
        (disk / "filler").unlink()
        life = made.start(min_free_gib=1, when_disk_full="go-on")
        assert life.wait() == 0, life.said()
