"""Machines that never connect: after some in a row, each run starts one, until one connects."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests import scheduler_schemas
from tests.farm import BUILD, REGIONS, TRY, Farm
from tests.journal import add_instance, create, instances, minutes_ago, write

pytestmark = pytest.mark.integration
AMI = "ami-00000001"


@pytest.fixture
def broken(farm: Farm) -> Farm:
    """A farm whose last three builders never connected, which are too many."""
    farm.watch["max_bootstrap_failures"] = 3
    engine = create(farm.database)
    for number in (97, 98, 99):
        name, now = f"bld-linux64-0{number}", minutes_ago(0)
        add_instance(engine, name, seen=now, last_connected_at=None, state="gone", ami=AMI)
    return farm


def cuts_of(done: Any) -> dict[str, str]:
    return {cut["by"]: cut["reason"] for item in done.json["demands"] for cut in item["cuts"]}


@pytest.mark.fault(
    "the last machines of a type never connected",
    "one at a time is started, with the reason in the plan; exit 0",
)
def test_one_machine_starts_at_a_time(broken: Farm) -> None:
    broken.add_pending(BUILD, 3)
    done = broken.run("--json")
    assert (done.code, len(broken.names())) == (0, 1)
    reason = "the last 3 machines of bld-linux64 never connected, so one at a time until one does"
    assert reason in cuts_of(done)["bootstrap"]
    assert reason in done.err
    assert broken.run().code == 0
    assert len(broken.names()) == 1


def test_the_next_one_starts_when_that_one_did_not_connect_either(broken: Farm) -> None:
    broken.add_pending(BUILD, 3)
    broken.run()
    [first] = broken.ec2.instances()
    broken.ec2.poke_instance(first["id"], launch_time=minutes_ago(21).isoformat())
    broken.run()
    assert len(broken.names()) == 2


def test_all_start_when_one_has_connected(broken: Farm) -> None:
    broken.add_pending(BUILD, 3)
    broken.run()
    [name] = broken.names()
    broken.run()  # sees its instance
    scheduler_schemas.add_worker(broken.scheduler, "C", name, building=True)
    broken.run()  # sees it connected
    broken.run()
    assert len(broken.names()) == 4


def test_other_types_start_as_ever(broken: Farm) -> None:
    broken.add_pending(TRY, 3)
    broken.run()
    assert len(broken.names()) == 3


@pytest.mark.fault(
    "the machines of one AMI never connect",
    "one at a time is started from it; other AMIs are launched as ever",
)
def test_only_the_ami_that_fails_is_held_back(broken: Farm) -> None:
    good = {"ami": "ami-good", "launched_at": minutes_ago(30), "last_connected_at": minutes_ago(20)}
    add_instance(broken.database, "bld-linux64-096", seen=minutes_ago(0), **good)
    bad = broken.amis[REGIONS[0], "bld-linux64"]
    write(broken.database, instances.update().where(instances.c.ami == AMI).values(ami=bad))
    broken.add_pending(BUILD, 3)
    broken.run()
    assert Counter(item["ami"] for item in broken.ec2.instances()) == {
        bad: 1,
        broken.amis[REGIONS[1], "bld-linux64"]: 2,
    }


def test_a_breaker_that_is_open_is_in_the_metrics(broken: Farm) -> None:
    textfile: Path = broken.directory / "metrics.prom"
    broken.run("--metrics-textfile", str(textfile))
    opened = 'farmhand_watch_pending_breakers_open{instance_type="%s"} %.1f'
    assert opened % ("bld-linux64", 1) in textfile.read_text()
    assert opened % ("try-linux64", 0) in textfile.read_text()
