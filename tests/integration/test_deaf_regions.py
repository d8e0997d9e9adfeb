"""A region that does not answer, a queue of calls, a run cut short: nothing is lost or doubled."""

import signal
import time

import pytest

from farmhand.tables.launches import launches
from farmhand.tables.records import runs
from tests.farm import BUILD, Farm
from tests.journal import age_launches, finish, kill, numbered, read, wait_until

pytestmark = pytest.mark.integration
EAST = "us-east-1"


def deafen(farm: Farm, region: str = EAST) -> None:
    """Let DescribeInstances fail in a region, as in an outage of its API."""
    farm.ec2.add_fault(
        action="DescribeInstances", region=region, code="UnauthorizedOperation", message="outage"
    )


def launch_in_the_east(farm: Farm, count: int) -> None:
    farm.add_pending(BUILD, count)
    farm.watch["spot"]["limits"]["global"]["bld-linux64"] = count
    assert farm.run("-r", EAST).code == 0


@pytest.mark.fault(
    "the region of a launch does not answer for minutes",
    "the launch stays open and is not made again; exit 3",
)
def test_a_launch_in_a_deaf_region_is_not_made_again(farm: Farm) -> None:
    launch_in_the_east(farm, 3)
    deafen(farm)
    age_launches(farm.database, 6)
    assert farm.run().code == 3
    assert farm.names() == numbered(3)


def test_a_launch_in_a_deaf_region_is_still_open(farm: Farm) -> None:
    launch_in_the_east(farm, 1)
    deafen(farm)
    age_launches(farm.database, 6)
    farm.run()
    assert [row["state"] for row in read(farm.database, launches)] == ["launched"]


def test_a_launch_is_expired_once_its_region_answers_without_it(farm: Farm) -> None:
    launch_in_the_east(farm, 1)
    age_launches(farm.database, 6)
    farm.ec2.settings(lag_s=3600)
    farm.run()
    assert "expired" in [row["state"] for row in read(farm.database, launches)]


@pytest.mark.fault(
    "a region was taken out of the configuration while machines live there",
    "it is still looked at, and machines that ended there stop counting",
)
def test_a_region_that_is_no_longer_configured_is_still_looked_at(farm: Farm) -> None:
    launch_in_the_east(farm, 1)
    for instance in farm.ec2.instances(EAST):
        farm.ec2.poke_instance(str(instance["id"]), state="terminated")
    for section in (farm.watch["region_priorities"], farm.watch["spot"]["limits"]):
        del section[EAST]
    for instance_type in farm.watch["instance_types"].values():
        del instance_type["regions"][EAST]
    assert farm.run().code == 0
    assert len(farm.names()) == 1


def test_no_call_is_claimed_before_it_can_go_out(farm: Farm) -> None:
    farm.add_pending(BUILD, 45)
    farm.ec2.add_fault(action="RunInstances", hold_s=30)
    process = farm.start("--deadline", "60")
    wait_until(lambda: len(farm.ec2.calls("RunInstances")) >= 12)
    time.sleep(1)
    claimed = [row for row in read(farm.database, launches) if row["state"] == "called"]
    assert len(claimed) <= len(farm.ec2.calls("RunInstances"))
    kill(process)


@pytest.mark.fault(
    "user data over 16 KiB",
    "nothing starts for that type; the dry run shows the same refusal; exit 3",
)
def test_a_dry_run_refuses_what_a_run_refuses(farm: Farm) -> None:
    farm.add_pending(BUILD, 1)
    (farm.directory / "worker.user-data.j2").write_text("{{ hostname }}" + "x" * 20_000)
    dry, real = farm.run("--dry-run", "--json"), farm.run("--json")
    assert (dry.code, dry.json["demands"][0]["launches"]) == (3, [])
    assert dry.json["demands"] == real.json["demands"]


def test_a_run_that_ends_early_says_how_far_it_came(farm: Farm) -> None:
    farm.add_pending(BUILD, 2)
    farm.ec2.add_fault(
        action="RunInstances", match={"@az": "us-east-1a"}, code="InsufficientInstanceCapacity"
    )
    farm.ec2.add_fault(action="RunInstances", match={"@az": "us-east-1b"}, hold_s=5)
    process = farm.start()
    wait_until(
        lambda: (
            "us-east-1b" in [c.params.get("Placement.AvailabilityZone") for c in farm.ec2.calls()]
        )
    )
    process.send_signal(signal.SIGTERM)
    finish(process)
    (row,) = read(farm.database, runs)
    assert (row["exit_code"], row["summary"]["pending"], row["summary"]["planned"]) == (143, 2, 2)
