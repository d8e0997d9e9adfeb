"""Runs that ask servers for jacuzzis and worker names: what they launch, say, keep and survive."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from farmhand.tables.farm import jacuzzis, workers
from tests.allocators import Allocator, add_workers, make_places_database, running_allocator
from tests.farm import BUILD, TRY, Farm
from tests.journal import create
from tests.json_server import BROKEN, HANGS, HTML, JsonServer, machines, running_json_server, says
from tests.stops import add_idle_machine, stop_idle, verdicts

pytestmark = pytest.mark.integration

ALL = "/v1/allocated/all"
OF_BUILD = "/v1/builders/Linux%20x86-64%20mozilla-central%20build"
FIRST, SECOND, THIRD = (f"bld-linux64-{number:03d}" for number in (1, 2, 3))
ROUTES = {OF_BUILD: machines(FIRST, THIRD), ALL: machines(FIRST, THIRD)}


@pytest.fixture
def server(farm: Farm) -> Iterator[JsonServer]:
    """The farm's jacuzzi allocator; it gives one of two to BUILD."""
    with running_json_server(ROUTES) as server:
        farm.watch["jacuzzis_from"] = {"url": server.url, "timeout_s": 2}
        yield server


def launched(document: Any) -> dict[str, list[str]]:
    """Names by the jacuzzi, or the instance type, that they were launched for."""
    return {
        ",".join(demand["workers"] or [demand["instance_type"]]): [
            name for launch in demand["launches"] for name in launch["names"]
        ]
        for demand in document["demands"]
    }


def add_workers_of_build(engine: sa.Engine, table: sa.Table, *names: str) -> None:
    """Give BUILD these workers in a farm database."""
    with engine.begin() as connection:
        for name in names:
            found = connection.scalar(sa.select(workers.c.id).where(workers.c.name == name))
            connection.execute(table.insert().values(builder=BUILD, worker_id=found))


# 1. Jacuzzis


def test_jacuzzis_of_a_server_are_kept_to(farm: Farm, server: JsonServer) -> None:
    farm.add_pending(BUILD, 3)
    farm.add_pending("Linux other build", 2)
    done = farm.run("--json")
    assert done.code == 0
    assert launched(done.json) == {
        f"{FIRST},{THIRD}": [FIRST, THIRD],
        "bld-linux64": [SECOND, "bld-linux64-004"],
    }
    assert sorted(server.asked) == [
        ALL,
        "/v1/builders/Linux%20other%20build",
        OF_BUILD,
    ]


@pytest.mark.fault(
    "the jacuzzi server's answer for one builder: {id}",
    "that builder waits, with the reason and one warning; the others launch; exit 3",
)
@pytest.mark.parametrize("bad", [HANGS, HTML], ids=["hangs", "HTML"])
def test_a_builder_whose_jacuzzi_is_unknown_waits_and_the_others_go_on(
    farm: Farm, server: JsonServer, bad: Any
) -> None:
    server.routes[OF_BUILD] = bad
    farm.add_pending(BUILD, 3)
    farm.add_pending("Linux other build")
    done = farm.run("--json")
    assert (done.code, farm.names()) == (3, [SECOND])
    other, held = done.json["demands"]
    assert (other["unmet"], held["unmet"], held["workers"]) == (0, 3, None)
    [cut] = held["cuts"]
    assert (cut["by"], cut["from"], cut["to"]) == ("jacuzzis", 3, 0)
    assert f"{server.url}{OF_BUILD}: " in cut["reason"]
    warnings = [line for line in done.err.splitlines() if "WARNING" in line]
    assert len(warnings) == 1
    assert f"{server.url}{OF_BUILD}: " in warnings[0]
    [row] = farm.rows("SELECT summary FROM runs")
    why_not = json.loads(row["summary"])["why_not"]
    assert any(why.startswith("jacuzzis: 1 of 3 questions") for why in why_not)


@pytest.mark.fault(
    "the jacuzzi server does not tell all allocated names",
    "only builders with a known jacuzzi launch; exit 3",
)
def test_while_nobody_tells_who_is_in_a_jacuzzi_only_known_ones_go_on(
    farm: Farm, server: JsonServer
) -> None:
    server.routes[ALL] = HTML
    farm.add_pending(BUILD)
    farm.add_pending(TRY)
    assert farm.run().code == 3
    assert farm.names() == [FIRST]


@pytest.mark.fault(
    "the jacuzzi server is broken, and if_down is none",
    "the run goes on without jacuzzis and says so; exit 0",
)
def test_if_down_none_goes_on_without_jacuzzis_and_says_so(farm: Farm, server: JsonServer) -> None:
    server.routes = dict.fromkeys(ROUTES, BROKEN)
    farm.watch["jacuzzis_from"]["if_down"] = "none"
    farm.add_pending(BUILD)
    metrics = farm.directory / "run.prom"
    done = farm.run("--metrics-textfile", str(metrics))
    assert (done.code, farm.names()) == (0, [FIRST])
    assert "taken for none" in done.err
    down = re.findall(r'source_down{source="(\w+)"} (\S+)', metrics.read_text())
    assert dict(down) == {"jacuzzis": "1.0", "inventory": "0.0"}


def test_jacuzzis_of_the_farm_database_are_kept_to(farm: Farm) -> None:
    farm.watch["jacuzzis_from"] = "database"
    with create(farm.database).begin() as connection:
        connection.execute(workers.insert(), [{"name": FIRST}, {"name": SECOND}])
    add_workers_of_build(farm.database, jacuzzis, FIRST)
    farm.add_pending(BUILD, 2)
    farm.add_pending("Linux other build")
    with farm.database.begin() as connection:
        connection.execute(workers.update().values(market="spot"))
    assert launched(farm.run("--json").json) == {FIRST: [FIRST], "bld-linux64": [SECOND]}


def test_explain_says_that_nobody_knows(farm: Farm, server: JsonServer) -> None:
    server.routes[OF_BUILD] = HTML
    [answer] = farm.run("explain", "--json", BUILD).json
    assert not answer["would_launch"]
    assert any("jacuzzis: 1 wanted, 0 possible" in reason for reason in answer["reasons"])


@pytest.mark.fault(
    "stop-idle does not know a waiting job's jacuzzi",
    "machines that the job may take are kept as needed; exit 3",
)
@pytest.mark.usefixtures("master")
def test_stop_idle_keeps_what_a_job_of_an_unknown_jacuzzi_may_take(
    farm: Farm, server: JsonServer
) -> None:
    add_idle_machine(farm, FIRST)
    farm.add_pending(BUILD)
    server.routes[OF_BUILD] = machines(SECOND)
    assert verdicts(stop_idle(farm, "--dry-run")) == {FIRST: "idle"}
    server.routes[OF_BUILD] = BROKEN
    done = stop_idle(farm)
    assert (done.code, verdicts(done)) == (3, {FIRST: "needed"})


# 2. The inventory


ROWS = [
    {"name": "b-spot-1", "enabled": True, "bitlength": "64", "purpose": "build"},
    {"name": "b-spot-2", "enabled": False, "bitlength": "64", "purpose": "build"},
    {"name": "b-spot-3", "enabled": True, "bitlength": "32", "purpose": "build"},
    {"name": "b-spot-4", "enabled": True, "bitlength": "64", "purpose": "build"},
]


@contextmanager
def listing(farm: Farm, said: Any) -> Iterator[JsonServer]:
    """Let a server list the names of bld-linux64."""
    with running_json_server({"/api/slaves": said}) as server:
        farm.watch["inventory"] = {
            "url": f"{server.url}/api/slaves",
            "timeout_s": 2,
            "types": {"bld-linux64": {"bitlength": "64", "purpose": "build"}},
        }
        farm.watch["instance_types"]["bld-linux64"]["names"] = "workers"
        yield server


@pytest.fixture
def listed(farm: Farm) -> Iterator[JsonServer]:
    with listing(farm, says(ROWS)) as server:
        yield server


def kept(farm: Farm) -> Path:
    return farm.directory / "state/inventory.json"


def test_names_of_a_server_are_given_and_the_farm_databases_are_not(
    farm: Farm, listed: JsonServer
) -> None:
    with create(farm.database).begin() as connection:
        row = {"name": "b-db", "market": "spot", "instance_type": "bld-linux64"}
        connection.execute(workers.insert().values(row))
    farm.add_pending(BUILD, 5)
    done = farm.run("--json")
    assert (done.code, farm.names()) == (0, ["b-spot-1", "b-spot-4"])
    assert kept(farm).is_file()
    assert listed.asked == ["/api/slaves"]


def test_what_only_reads_keeps_nothing(farm: Farm, listed: JsonServer) -> None:
    farm.add_pending(BUILD)
    for words in (("--dry-run",), ("explain", BUILD), ("check",)):
        assert farm.run(*words).code == 0
    assert listed.asked == ["/api/slaves"] * 3
    assert not kept(farm).exists()


@pytest.mark.fault(
    "the inventory server sends HTML, and a list was kept",
    "the kept list is used, with a warning of its age; exit 0",
)
def test_a_kept_list_survives_an_outage_and_names_in_use_are_not_given_again(
    farm: Farm, listed: JsonServer
) -> None:
    farm.watch["inventory"]["cache_s"] = 0.001
    farm.add_pending(BUILD)
    farm.run()
    listed.routes["/api/slaves"] = HTML
    farm.add_pending(BUILD, 3)
    done = farm.run()
    assert (done.code, farm.names()) == (0, ["b-spot-1", "b-spot-4"])
    assert "WARNING" in done.err
    assert "the one of 0 minutes ago is used" in done.err


@pytest.mark.fault(
    "the inventory server hangs, and no list was kept",
    "types named after workers wait with the reason, others launch; exit 3",
)
def test_without_any_list_types_named_after_workers_wait_and_others_go_on(
    farm: Farm, listed: JsonServer
) -> None:
    listed.routes["/api/slaves"] = HANGS
    farm.add_pending(BUILD)
    farm.add_pending(TRY)
    done = farm.run("--json")
    assert (done.code, farm.names()) == (3, ["try-linux64-001"])
    cuts = [cut for demand in done.json["demands"] for cut in demand["cuts"]]
    assert [cut["by"] for cut in cuts] == ["inventory"]
    assert "there is none from before" in cuts[0]["reason"]


@pytest.mark.fault(
    "stop-idle does not know which workers are disabled", "nothing is stopped; exit 3"
)
@pytest.mark.usefixtures("master")
def test_stop_idle_stops_nothing_while_nobody_knows_what_is_disabled(
    farm: Farm, listed: JsonServer
) -> None:
    add_idle_machine(farm, "b-spot-2")
    add_idle_machine(farm, "b-spot-4")
    answer, listed.routes["/api/slaves"] = listed.routes["/api/slaves"], HTML
    done = stop_idle(farm)
    assert (done.code, farm.names()) == (3, ["b-spot-2", "b-spot-4"])
    listed.routes["/api/slaves"] = answer
    known = verdicts(stop_idle(farm))
    assert known["b-spot-2"] == "disabled" != known["b-spot-4"]


# 3. slavealloc is both


@pytest.fixture
def allocator(farm: Farm, tmp_path: Path) -> Iterator[Allocator]:
    engine = make_places_database(f"sqlite:///{tmp_path}/places.sqlite")
    of_ours = {"instance_type": "bld-linux64", "market": "spot"}
    add_workers(engine, ["b-1", "b-2", "b-3"], **of_ours)
    add_workers(engine, ["b-0"], enabled=False, **of_ours)
    add_workers(engine, ["b-spot-9"], bitlength="64", purpose="build")
    add_workers_of_build(engine, jacuzzis, "b-2", "b-spot-9")
    with running_allocator(engine, state=tmp_path) as allocator:
        farm.watch["jacuzzis_from"] = {"url": allocator.url}
        farm.watch["inventory"] = {
            "url": f"{allocator.url}/api/slaves",
            "types": {"bld-linux64": {"bitlength": "64", "purpose": "build"}},
        }
        farm.watch["instance_types"]["bld-linux64"]["names"] = "workers"
        yield allocator


@pytest.mark.usefixtures("allocator")
def test_slavealloc_tells_both_jacuzzis_and_names(farm: Farm) -> None:
    farm.add_pending(BUILD, 5)
    farm.add_pending("Linux other build", 5)
    done = farm.run("--json")
    assert launched(done.json) == {
        "b-2,b-spot-9": ["b-2", "b-spot-9"],
        "bld-linux64": ["b-1", "b-3"],
    }
    assert done.code == 0
