"""What `stop-idle` writes, says, and takes: dry runs, options, numbers, JSON, exit codes."""

import json

import pytest

from farmhand.tables.launches import stops
from farmhand.tables.records import runs
from tests import scheduler_schemas
from tests.farm import REGIONS, Farm
from tests.journal import instances, minutes_ago, read
from tests.old_farm import OldFarm
from tests.stops import (
    RestServer,
    add_idle_machine,
    add_machine,
    fates,
    set_connected,
    stop_idle,
    verdicts,
)

pytestmark = pytest.mark.integration
FIRST, SECOND = (f"bld-linux64-{number:03d}" for number in (1, 2))


def test_a_dry_run_writes_nothing(farm: Farm, master: RestServer) -> None:
    farm.forget_database()
    add_idle_machine(farm, FIRST)
    metrics = farm.directory / "stop.prom"
    done = stop_idle(farm, "--dry-run", "--metrics-textfile", str(metrics))
    assert (done.code, verdicts(done), fates(done)) == (0, {FIRST: "idle"}, {})
    assert farm.names() == [FIRST]
    assert master.calls == []
    assert not (farm.directory / "state").exists()


def test_a_dry_run_says_what_is_next_for_those_on_their_way(farm: Farm, master: RestServer) -> None:
    add_idle_machine(farm, FIRST)
    stop_idle(farm)
    before = read(farm.database, stops), read(farm.database, runs), master.calls[:]
    assert fates(stop_idle(farm, "--dry-run")) == {FIRST: "waiting"}
    assert (read(farm.database, stops), read(farm.database, runs), master.calls) == before


@pytest.mark.usefixtures("master")
@pytest.mark.parametrize(
    ("args", "left"),
    [
        (("-t", "try-linux64", "-t", "tst-linux64"), [FIRST, SECOND]),
        (("-r", "us-west-2"), [FIRST, "try-linux64-001"]),
        (("-r", "us-west-2", "-r", "us-east-1"), []),
    ],
    ids=str,
)
def test_only_these_stop(farm: Farm, args: tuple[str, ...], left: list[str]) -> None:
    add_idle_machine(farm, FIRST)
    add_idle_machine(farm, SECOND, region="us-west-2")
    add_idle_machine(farm, "try-linux64-001")
    farm.run()  # which writes down what there is, everywhere
    stop_idle(farm, *args)
    assert farm.names() == left


@pytest.mark.usefixtures("master")
def test_what_is_on_its_way_is_finished_in_regions_that_are_not_asked_for(farm: Farm) -> None:
    add_idle_machine(farm, FIRST)
    stop_idle(farm)
    set_connected(farm, FIRST, connected=False)
    with farm.database.begin() as connection:
        connection.execute(instances.update().values(state="gone"))
    assert fates(stop_idle(farm, "-r", "us-west-2")) == {FIRST: "cleared"}


@pytest.mark.usefixtures("master")
def test_its_numbers_are_metrics(farm: Farm) -> None:
    add_idle_machine(farm, FIRST)
    add_idle_machine(farm, SECOND, building=True)
    metrics = farm.directory / "stop.prom"
    stop_idle(farm, "--metrics-textfile", str(metrics))
    lines = metrics.read_text().splitlines()
    stopped = 'watch_pending_stop_idle_stopped{instance_type="bld-linux64",reason="idle"} 1.0'
    kept = 'watch_pending_stop_idle_kept{instance_type="bld-linux64",verdict="building"} 1.0'
    calls = 'watch_pending_stop_idle_api_calls{action="TerminateInstances"} 1.0'
    assert {f"farmhand_{each}" for each in (stopped, kept, calls)} <= set(lines)


@pytest.mark.usefixtures("master")
def test_its_json_is_a_contract(farm: Farm) -> None:
    machine = add_idle_machine(farm, FIRST)
    said = json.loads(stop_idle(farm).out)
    assert said.keys() == {"farm", "now", "stops", "kept", "outcomes"}
    [stop], [outcome] = said["stops"], said["outcomes"]
    known = {
        "name": FIRST,
        "instance_id": machine,
        "instance_type": "bld-linux64",
        "region": REGIONS[0],
    }
    assert stop == {
        **known,
        "market": "on-demand",
        "launched_at": stop["launched_at"],
        "idle_s": stop["idle_s"],
        "verdict": "idle",
        "why": "idle for 50 min",
        "masters": ["master-1.example.org:/builds/buildbot"],
    }
    assert 50 * 60 <= stop["idle_s"] < 51 * 60
    assert stop["launched_at"].endswith("Z")
    began_at = outcome["began_at"]
    more = {"reason": "idle", "began_at": began_at, "fate": "stopped", "why": "idle for 50 min"}
    assert outcome == {**known, **more}


@pytest.mark.usefixtures("master")
def test_people_get_tables_and_cron_gets_nothing(farm: Farm) -> None:
    add_idle_machine(farm, FIRST)
    add_idle_machine(farm, SECOND, building=True)
    shown = farm.run("stop-idle", "--dry-run").out
    assert all(word in shown for word in ("would stop", FIRST, "idle for 50 min", SECOND))
    done = farm.run("stop-idle")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_without_ec2_nothing_can_be_decided(farm: Farm) -> None:
    add_idle_machine(farm, FIRST)
    farm.ec2.add_fault(action="DescribeInstances", code="UnauthorizedOperation")
    done = stop_idle(farm)
    assert (done.code, "EC2 answered in no region" in done.err) == (4, True)


@pytest.mark.usefixtures("master")
def test_a_region_that_does_not_answer_is_left_out(farm: Farm) -> None:
    add_idle_machine(farm, FIRST)
    add_idle_machine(farm, SECOND, region="us-west-2")
    farm.ec2.add_fault(action="DescribeInstances", code="UnauthorizedOperation", region="us-east-1")
    done = stop_idle(farm)
    assert (done.code, fates(done), farm.names()) == (3, {SECOND: "stopped"}, [FIRST])


def test_without_the_scheduler_database_nothing_can_be_decided(farm: Farm) -> None:
    farm.watch["scheduler_db"] = f"sqlite:///{farm.directory}/not-there.sqlite"
    assert stop_idle(farm).code == 4


def test_a_master_whose_rest_is_unknown_keeps_its_workers(farm: Farm) -> None:
    add_idle_machine(farm, FIRST)
    done = stop_idle(farm)
    assert (done.code, fates(done), farm.names()) == (3, {FIRST: "failed"}, [FIRST])
    assert "watch_pending.masters" in done.err
    assert read(farm.database, stops)[0]["state"] == "closed"


# Configuration of the original's day


def test_the_originals_own_files_work(farm: Farm) -> None:
    scheduler_schemas.add_worker(farm.scheduler, "C", SECOND, building=True)
    add_machine(farm, FIRST, launched_at=minutes_ago(60), **{"farmhand:farm": "default"})
    farm.environ |= farm.ec2.env(key="default.all")  # the farm's name, where nothing names it
    old = OldFarm.make(farm)
    old.write()
    args = ("-k", "scripts/secrets/aws-secrets.json", "-c", "configs/watch_pending.cfg")
    farm.run("stop-idle", *args)  # which sees it for the first time
    done = farm.run("stop-idle", *args, "-r", "us-east-1", "--json")
    assert (done.code, fates(done), farm.names()) == (0, {FIRST: "stopped"}, [])
