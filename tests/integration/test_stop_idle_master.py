"""`stop-idle` with a real Buildbot master: pause, look again, terminate, unpause."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests import services
from tests.buildbot_master import BuildbotMaster, running_master
from tests.ec2_control import Ec2Server
from tests.farm import BUILD, Farm
from tests.journal import create, minutes_ago, wait_until
from tests.services import free_port
from tests.stops import (
    add_machine,
    expire,
    fates,
    forwarding,
    rest_server,
    stop_idle,
    verdicts,
    whys,
)

pytestmark = pytest.mark.integration
FIRST = "bld-linux64-001"
WORKERS = [FIRST, "bld-linux64-002"]
BUILD_S = 5.0  # longer than stop-idle takes from the pause to its second look
LOGIN = {"user": "farmhand", "password": "open sesame"}
ONLY_WITH_LOGIN = f"""
c["www"]["auth"] = util.UserPasswordAuth({{"{LOGIN["user"]}": "{LOGIN["password"]}"}})
c["www"]["authz"] = util.Authz(
    allowRules=[util.AnyControlEndpointMatcher(role="admins")],
    roleMatchers=[util.RolesFromUsername(roles=["admins"], usernames=["{LOGIN["user"]}"])],
)
"""


@pytest.fixture(scope="module", params=["mariadb", pytest.param("sqlite", marks=pytest.mark.soak)])
def master(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BuildbotMaster]:
    """A master on a database of its own."""
    url = None
    if request.param == "mariadb":
        server: services.DatabaseServer = request.getfixturevalue("mariadb")
        url = server.create_database("stop_idle_master")
    directory = tmp_path_factory.mktemp("master")
    with running_master(
        directory, builders=[BUILD], db_url=url, workers=WORKERS, build_seconds=BUILD_S
    ) as running:
        yield running


@pytest.fixture
def farm(tmp_path: Path, ec2: Ec2Server, master: BuildbotMaster) -> Farm:
    """A farm whose scheduler is that master."""
    return make_farm(tmp_path, ec2, master)


def make_farm(directory: Path, ec2: Ec2Server, *masters: BuildbotMaster) -> Farm:
    """Make a farm of masters that share one scheduler database."""
    farm = Farm.make(directory, ec2)
    farm.watch["scheduler_db"] = masters[0].db_url
    for master in masters:
        farm.watch.setdefault("masters", {})[name_of(master)] = {"url": f"{master.www_url}/"}
    create(farm.database)
    return farm


def name_of(master: BuildbotMaster) -> str:
    """Say how the scheduler database calls a master."""
    found = [str(each["name"]) for each in master.rest("masters")["masters"]]
    [name] = [each for each in found if each.endswith(f":{master.basedir}")]
    return name


def worker_of(master: BuildbotMaster, name: str = FIRST) -> Any:
    return master.rest(f"workers/{name}")["workers"][0]


def is_paused(master: BuildbotMaster, name: str = FIRST) -> bool:
    return bool(worker_of(master, name)["paused"])


def wait_until_it_builds(master: BuildbotMaster) -> None:
    wait_until(lambda: master.rest("builds?complete=false")["builds"])


def wait_until_built(master: BuildbotMaster) -> None:
    wait_until(lambda: not master.rest("buildrequests?complete=false")["buildrequests"])


def results(master: BuildbotMaster, request: int) -> list[int]:
    """List how the builds of a request ended: 0 is success, 5 a retry."""
    builds = master.rest(f"buildrequests/{request}/builds")["builds"]
    return [build["results"] for build in builds]


def test_an_idle_machine_is_paused_terminated_and_its_name_is_free_again(
    farm: Farm, master: BuildbotMaster
) -> None:
    machine = add_machine(farm, FIRST, launched_at=minutes_ago(60))
    with master.worker(FIRST, host=machine):
        done = stop_idle(farm)
        assert fates(done) == {FIRST: "stopped"}, done.err
        assert farm.names() == []
        assert is_paused(master)
        assert worker_of(master)["pause_reason"].startswith("farmhand test: idle: idle for ")
    wait_until(lambda: not worker_of(master)["connected_to"])
    assert fates(stop_idle(farm)) == {FIRST: "cleared"}
    assert not is_paused(master)
    assert verdicts(stop_idle(farm)) == {}


def test_a_worker_that_takes_a_build_between_looking_and_pausing_survives(
    farm: Farm, master: BuildbotMaster
) -> None:
    machine = add_machine(farm, FIRST, launched_at=minutes_ago(60))
    forced: list[int] = []

    def take_a_build(method: str) -> None:
        if method == "pause":
            forced.extend(master.force(BUILD))
            wait_until_it_builds(master)

    with (
        master.worker(FIRST, host=machine),
        rest_server(forwarding(str(master.www_url), take_a_build)) as proxy,
    ):
        farm.watch["masters"] = {name_of(master): {"url": proxy.url}}
        done = stop_idle(farm)
        assert fates(done) == {FIRST: "released"}, done.out
        assert (farm.names(), is_paused(master)) == ([FIRST], False)
        wait_until_built(master)
        assert results(master, forced[0]) == [0]
        assert [method for _, method in proxy.calls] == ["pause", "unpause"]


def test_one_that_is_too_old_finishes_its_build_takes_no_other_and_stops(
    farm: Farm, master: BuildbotMaster
) -> None:
    machine = add_machine(farm, FIRST, launched_at=minutes_ago(60))
    farm.watch["stop_idle"] = {"max_age_s": {"bld-linux64": 1800}}
    with master.worker(FIRST, host=machine):
        first, second = master.force(BUILD, count=2)
        wait_until_it_builds(master)
        done = stop_idle(farm)
        assert fates(done) == {FIRST: "draining"}, done.out
        assert (farm.names(), is_paused(master)) == ([FIRST], True)
        wait_until(lambda: results(master, first) == [0])
        expire(farm.database)  # builds take longer than anybody thought
        assert fates(stop_idle(farm)) == {FIRST: "released"}  # the job that waits can have it
        wait_until(lambda: results(master, second))
        stop_idle(farm)
        wait_until_built(master)
        assert fates(stop_idle(farm)) == {FIRST: "stopped"}
    assert (results(master, first), results(master, second), farm.names()) == ([0], [0], [])
    stop_idle(farm)


def test_a_worker_that_hangs_is_stopped(farm: Farm, master: BuildbotMaster) -> None:
    machine = add_machine(farm, FIRST, launched_at=minutes_ago(60))
    with master.worker(FIRST, host=machine) as worker:
        worker.process.send_signal(signal.SIGSTOP)
        [request] = master.force(BUILD)
        wait_until(lambda: "pinging" in str(master.rest("builds?complete=false")["builds"]))
        assert verdicts(stop_idle(farm)) == {FIRST: "building"}
        engine = sa.create_engine(master.db_url.replace("mysql:", "mysql+pymysql:"))
        with engine.begin() as connection:
            since = "started_at = started_at - 300 WHERE complete_at IS NULL"
            connection.execute(sa.text(f"UPDATE builds SET {since}"))
        done = stop_idle(farm)
        assert (verdicts(done), fates(done)) == ({FIRST: "hung"}, {FIRST: "stopped"})
        worker.process.kill()
    wait_until(lambda: not worker_of(master)["connected_to"])
    wait_until(lambda: results(master, request) == [5])  # to run again elsewhere
    assert fates(stop_idle(farm)) == {FIRST: "cleared"}
    assert (farm.names(), is_paused(master)) == ([], False)
    master.rest(f"buildrequests/{request}", "cancel", reason="test")
    wait_until_built(master)


def test_a_machine_that_somebody_paused_stays_paused_and_stays(
    farm: Farm, master: BuildbotMaster
) -> None:
    machine = add_machine(farm, FIRST, launched_at=minutes_ago(60))
    with master.worker(FIRST, host=machine):
        wait_until(lambda: master.pause(FIRST, "a disk is full"))
        done = stop_idle(farm)
        assert (verdicts(done), farm.names()) == ({FIRST: "paused"}, [FIRST])
        assert "a disk is full" in whys(done)[FIRST]
        assert is_paused(master)
        master.rest(f"workers/{FIRST}", "unpause")
        wait_until(lambda: not is_paused(master))


# Two masters of one scheduler database


def test_a_worker_on_two_masters_is_paused_on_both_and_a_dead_master_s_workers_are_not_lost(
    tmp_path: Path, ec2: Ec2Server
) -> None:
    with (
        running_master(tmp_path / "one", builders=[BUILD], workers=WORKERS) as one,
        running_master(
            tmp_path / "two", builders=[BUILD], workers=WORKERS, db_url=one.db_url
        ) as two,
    ):
        farm = make_farm(tmp_path, ec2, one, two)
        machine = add_machine(farm, FIRST, launched_at=minutes_ago(60))
        other = add_machine(farm, WORKERS[1], launched_at=minutes_ago(10))
        with (
            one.worker(FIRST, host=machine),
            two.worker(FIRST, host=machine),
            two.worker(WORKERS[1], host=other),
        ):
            assert fates(stop_idle(farm)) == {FIRST: "stopped"}
            assert all(_worker_log(each, FIRST, "wants to pause") for each in (one, two))
            two.process.kill()
            two.process.wait()
        with sa.create_engine(one.db_url).begin() as connection:
            silent = "last_active = last_active - 700 WHERE name != :name"
            connection.execute(sa.text(f"UPDATE masters SET {silent}"), {"name": name_of(one)})
        farm.ec2.poke_instance(other, launch_time=minutes_ago(90).isoformat())
        assert verdicts(stop_idle(farm)) == {WORKERS[1]: "master_away"}


def _worker_log(master: BuildbotMaster, worker: str, words: str) -> bool:
    """Whether a master's log has said this of a worker."""
    text = (master.basedir / "twistd.log").read_text(errors="replace")
    return any(worker in line and words in line for line in text.splitlines())


# A master with a login, that comes back


def test_a_login_is_needed_and_what_was_paused_before_a_restart_is_unpaused_after_it(
    tmp_path: Path, ec2: Ec2Server
) -> None:
    ports = {"pb_port": free_port(), "www_port": free_port()}
    like_this: dict[str, Any] = {"builders": [BUILD], "workers": WORKERS, **ports}
    like_this["more_cfg"] = ONLY_WITH_LOGIN
    with running_master(tmp_path / "master", **like_this) as master:
        farm = make_farm(tmp_path, ec2, master)
        farm.watch["stop_idle"] = {"idle_s": {"on-demand": 0.001}}
        access = farm.watch["masters"][name_of(master)]
        machine = add_machine(farm, FIRST, launched_at=minutes_ago(60))
        with master.worker(FIRST, host=machine):
            assert "give it a user and a password" in whys(stop_idle(farm))[FIRST]
            access |= {"user": "farmhand", "password": "guessed"}
            done = stop_idle(farm)
            assert "the login of farmhand is refused: 401" in whys(done)[FIRST]
            assert (farm.names(), is_paused(master)) == ([FIRST], False)
            access |= LOGIN
            done = stop_idle(farm, "-vv")
            assert fates(done) == {FIRST: "stopped"}
            assert LOGIN["password"] not in done.err + done.out
    with running_master(tmp_path / "master", **like_this) as master:
        assert is_paused(master)
        assert fates(stop_idle(farm)) == {FIRST: "cleared"}
        assert not is_paused(master)
