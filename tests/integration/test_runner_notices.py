"""EC2 takes a machine away: real master and builds, metadata of the strict stand-in."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.metadata import ENDPOINT, Metadata, NoMetadata
from runner.stops import Stops, listening
from runner.worker.config import WorkerSettings
from runner.worker.notices import REBALANCING, Watcher
from tests.forks import BUILDBOT, forks_of
from tests.machine_metadata import MetadataServer, running_metadata
from tests.runner_machine import RunnerMachine, wait_until
from tests.worker_farms import BUILDER, WorkerFarm, worker_farm

pytestmark = pytest.mark.integration
ROUND = ["1-before", "4-buildbot", "9-after"]
INSTANCE = "i-0123456789"
SUCCESS, RETRY = 0, 5


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerFarm]:
    directory = tmp_path_factory.mktemp("farm")
    with worker_farm(directory, ["w1"], build_seconds=1.5) as made:
        yield made


@pytest.fixture
def metadata() -> Iterator[MetadataServer]:
    with running_metadata() as made:
        made.said[INSTANCE] = {}
        yield made


@pytest.fixture
def machine(farm: WorkerFarm, metadata: MetadataServer, tmp_path: Path) -> Iterator[RunnerMachine]:
    basedir = tmp_path / "w1"
    farm.set_worker("w1", basedir=str(basedir))
    farm.use_hup("w1")
    made = RunnerMachine(home=tmp_path, environ={ENDPOINT: metadata.url_of(INSTANCE)})
    made.settings["worker"] = {
        "basedir": str(basedir),
        "slavename": "w1",
        "allocator_url": f"{farm.allocator.url}/gettac/SLAVE",
        "twistd_cmd": str(forks_of(BUILDBOT).folder / "twistd"),
        "ready_within_s": 30,
        "notice_poll_s": 0.1,
        "notice_margin_s": 30,
    }
    made.add_all("1-before", "9-after", "halt.sh")
    made.add("4-buildbot", f"exec {sys.executable} -m runner.cli worker -v")
    yield made
    farm.restore("w1")
    wait_until(lambda: not farm.connected())


def asked_of(metadata: MetadataServer) -> list[tuple[str, int]]:
    """What the machine has asked so far."""
    return metadata.asked.get(INSTANCE, [])


def build(farm: WorkerFarm, machine: RunnerMachine) -> int:
    """Have a build, and wait until its command runs."""
    (request,) = farm.master.force(BUILDER)
    log = machine.home / "w1/twistd.log"
    wait_until(lambda: log.exists() and "startCommand" in log.read_text())
    return request


def results(farm: WorkerFarm, request: int) -> list[int | None]:
    builds = farm.master.rest(f"buildrequests/{request}/builds")["builds"]
    return [each["results"] for each in builds]


@pytest.mark.fault(
    "EC2 announces the end of a spot machine",
    "the worker leaves gracefully, the build ends, post-flight runs, the machine halts; "
    "reason spot-terminate; exit 3",
)
def test_a_build_ends_in_time_then_post_flight_runs_and_the_machine_halts(
    farm: WorkerFarm, machine: RunnerMachine, metadata: MetadataServer
) -> None:
    path = machine.home / "runner.prom"
    process = machine.start("--metrics-textfile", str(path))
    wait_until(lambda: bool(farm.connected()))
    request = build(farm, machine)
    metadata.announce(INSTANCE, "terminate", 120)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 3, said
    assert machine.notes() == [*ROUND, "halt.sh"]
    assert results(farm, request) == [SUCCESS]
    assert "EC2 is to terminate this machine at" in said
    assert json.loads((machine.state / "halt-wish.json").read_text())["action"] == "terminate"
    assert "asking the worker to leave, by SIGHUP" in said
    (ended,) = machine.status()["rounds"]
    assert (ended["result"], ended["cause"]) == ("halt", "spot-terminate")
    assert ended["connected_s"] > 0
    metrics = path.read_text()
    assert 'farmhand_runner_halts{reason="spot-terminate"} 1.0' in metrics
    assert "farmhand_runner_last_connect_seconds" in metrics


@pytest.mark.fault(
    "a build would outlast the spot notice",
    "it is cut short in time and its master retries it; post-flight runs; reason spot-stop",
)
def test_a_build_that_takes_too_long_is_cut_short_in_time_and_retried(
    farm: WorkerFarm, machine: RunnerMachine, metadata: MetadataServer
) -> None:
    machine.settings["worker"]["notice_margin_s"] = 119.5
    process = machine.start()
    wait_until(lambda: bool(farm.connected()))
    request = build(farm, machine)
    # The notice does not stay: what was announced once holds.
    metadata.announce(INSTANCE, "stop", 120)
    wait_until(lambda: ("meta-data/spot/instance-action", 200) in asked_of(metadata))
    metadata.said[INSTANCE].clear()
    _, said = process.communicate(timeout=120)
    assert process.returncode == 3, said
    assert machine.notes() == [*ROUND, "halt.sh"]
    wait_until(lambda: results(farm, request)[:1] == [RETRY])
    farm.master.rest(f"buildrequests/{request}", "cancel")
    assert "then its master retries it" in said
    assert machine.status()["rounds"][0]["cause"] == "spot-stop"


@pytest.mark.fault(
    "EC2 recommends to rebalance", "the build ends however long it takes; reason spot-rebalance"
)
def test_a_recommendation_lets_the_build_end_however_long_it_takes(
    farm: WorkerFarm, machine: RunnerMachine, metadata: MetadataServer
) -> None:
    machine.settings["worker"]["notice_margin_s"] = 1000
    process = machine.start()
    wait_until(lambda: bool(farm.connected()))
    request = build(farm, machine)
    metadata.recommend(INSTANCE)
    _, said = process.communicate(timeout=120)
    assert results(farm, request) == [SUCCESS], said
    assert machine.status()["rounds"][0]["cause"] == "spot-rebalance"


@pytest.mark.fault(
    "the metadata service fails and hangs",
    "one warning: no notices; the build ends and the round goes on; exit 0",
)
def test_a_service_that_fails_and_hangs_costs_one_warning_and_no_build(
    farm: WorkerFarm, machine: RunnerMachine, metadata: MetadataServer
) -> None:
    machine.settings["worker"]["builds"] = 1
    metadata.failing = 503
    process = machine.start("-n", "1")
    wait_until(lambda: bool(farm.connected()) and len(asked_of(metadata)) > 2)
    metadata.hanging.clear()
    request = build(farm, machine)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert results(farm, request) == [SUCCESS]
    assert said.count("no notices: ") == 1
    assert machine.notes() == ROUND


# How it is asked


@pytest.fixture
def watcher(metadata: MetadataServer) -> Iterator[Watcher]:
    with listening() as asked:
        yield make_watcher(metadata, asked)


def make_watcher(metadata: MetadataServer, asked: Stops) -> Watcher:
    service = Metadata(url=metadata.url_of(INSTANCE), timeout_s=0.2)
    return Watcher(service, WorkerSettings(notice_poll_s=0.01), asked)


def test_one_token_serves_until_it_is_refused(metadata: MetadataServer, watcher: Watcher) -> None:
    assert [watcher.ask() for _ in range(3)] == [None] * 3
    assert len(metadata.tokens) == 1
    metadata.tokens.clear()
    metadata.recommend(INSTANCE)
    assert watcher.ask() == REBALANCING
    paths = [path for path, _ in asked_of(metadata)]
    assert paths.count("api/token") == 2


def test_a_recommendation_is_not_asked_for_where_nobody_heeds_it(
    metadata: MetadataServer, watcher: Watcher
) -> None:
    watcher.settings = WorkerSettings(heed_rebalance=False)
    metadata.recommend(INSTANCE)
    assert watcher.ask() is None
    assert not any("rebalance" in path for path, _ in asked_of(metadata))


@pytest.mark.fault("the metadata service {trouble}", "that is no notice: nothing is stopped for it")
@pytest.mark.parametrize("trouble", ["fails", "hangs", "says nonsense"])
def test_trouble_is_no_notice(metadata: MetadataServer, watcher: Watcher, trouble: str) -> None:
    metadata.failing = 500 if trouble == "fails" else None
    if trouble == "hangs":
        metadata.hanging.clear()
    if trouble == "says nonsense":
        metadata.said[INSTANCE]["spot/instance-action"] = json.dumps({"action": "?"})
    with pytest.raises(NoMetadata):
        watcher.ask()


def test_a_notice_after_a_recommendation_sets_a_time(
    metadata: MetadataServer, watcher: Watcher
) -> None:
    metadata.recommend(INSTANCE)
    found = watcher.ask()
    assert found is not None
    watcher.tell(found)
    metadata.announce(INSTANCE, "terminate", 10)
    found = watcher.ask()
    assert found is not None
    watcher.tell(found)
    assert watcher.asked.now
    assert watcher.notice is not None
    assert watcher.notice.name == "spot-terminate"


def test_after_the_worker_s_life_nothing_is_told(
    metadata: MetadataServer, watcher: Watcher
) -> None:
    watcher.close()
    watcher.tell(REBALANCING)
    assert (watcher.notice, watcher.asked.asked) == (None, False)
