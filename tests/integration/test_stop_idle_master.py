"""`stop-idle` with a real Buildbot master: pause, look again, terminate, unpause."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import services
from tests.buildbot_master import BuildbotMaster, running_master
from tests.ec2_control import Ec2Server
from tests.farm import BUILD, Farm
from tests.journal import create, minutes_ago, wait_until
from tests.stops import add_machine, fates, stop_idle, verdicts

pytestmark = pytest.mark.integration
WORKERS = [f"bld-linux64-{number:03d}" for number in range(1, 4)]
FIRST = WORKERS[0]


@pytest.fixture(scope="module", params=["sqlite", "mariadb"])
def master(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BuildbotMaster]:
    """A master on a database of its own."""
    url = None
    if request.param == "mariadb":
        server: services.DatabaseServer = request.getfixturevalue("mariadb")
        url = server.create_database("stop_idle_master")
    with running_master(
        tmp_path_factory.mktemp("master"),
        builders=[BUILD],
        db_url=url,
        workers=WORKERS,
        build_seconds=0.5,
    ) as running:
        yield running


@pytest.fixture
def farm(tmp_path: Path, ec2: Ec2Server, master: BuildbotMaster) -> Farm:
    """A farm whose scheduler is that master."""
    farm = Farm.make(tmp_path, ec2)
    farm.watch["scheduler_db"] = master.db_url
    name = master.rest("masters")["masters"][0]["name"]
    farm.watch["masters"] = {name: {"url": f"{master.www_url}/"}}
    create(farm.database)
    return farm


def is_paused(master: BuildbotMaster, name: str = FIRST) -> bool:
    return bool(master.rest(f"workers/{name}")["workers"][0]["paused"])


def test_an_idle_machine_is_paused_terminated_and_its_name_is_free_again(
    farm: Farm, master: BuildbotMaster
) -> None:
    machine = add_machine(farm, FIRST, launched_at=minutes_ago(60))
    with master.worker(FIRST, host=machine):
        done = stop_idle(farm)
        assert fates(done) == {FIRST: "stopped"}, done.err
        assert farm.names() == []
        assert is_paused(master)
    wait_until(lambda: not master.rest(f"workers/{FIRST}")["workers"][0]["connected_to"])
    assert fates(stop_idle(farm)) == {FIRST: "cleared"}
    assert not is_paused(master)
    assert verdicts(stop_idle(farm)) == {}
