"""What AWS refuses is remembered: skipped by the runs to come, then tried with one machine."""

import signal
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from farmhand.tables.launches import backoffs
from tests.ec2_state import Call
from tests.farm import BUILD, REGIONS, TRY, Farm
from tests.journal import finish, minutes_ago, read, shared_database, wait_until, write

pytestmark = pytest.mark.integration
EAST, WEST = REGIONS
BEST, NEXT = f"{EAST}a", f"{EAST}b"  # prices are equal, so the first zones by name
CAPACITY = {"action": "RunInstances", "code": "InsufficientInstanceCapacity"}
BEST_FAULT = CAPACITY | {"match": {"@az": BEST, "InstanceType": "c7i.xlarge"}}
FIRST_S, MOST_S = 120, 3600


def launches(farm: Farm) -> list[Call]:
    return farm.ec2.calls("RunInstances")


def zones_tried(farm: Farm) -> list[str]:
    """The zones of the calls since this was last asked."""
    zones = [call.params["Placement.AvailabilityZone"] for call in launches(farm)]
    farm.ec2.clear_calls()
    return zones


def rows(farm: Farm) -> list[Mapping[str, Any]]:
    return read(farm.database, backoffs)


def seconds_left(row: Mapping[str, Any]) -> float:
    wait: timedelta = row["until"] - minutes_ago(0)
    return wait.total_seconds()


def end_all(farm: Farm) -> None:
    """Let all back-offs have ended a minute ago."""
    began, until = minutes_ago(10), minutes_ago(1)
    statement = backoffs.update().where(backoffs.c.until.is_not(None))
    write(farm.database, statement.values(began_at=began, until=until))


def cuts_of(farm: Farm, *args: str) -> dict[str, str]:
    """What a dry run cuts: by → reasons, joined."""
    demands = farm.run("--dry-run", "--json", *args).json["demands"]
    cuts: dict[str, str] = {}
    for cut in (cut for demand in demands for cut in demand["cuts"]):
        cuts[cut["by"]] = cuts.get(cut["by"], "") + cut["reason"]
    return cuts


# 1. capacity


@pytest.mark.fault(
    "a choice had no capacity in an earlier run",
    "the next runs pass it over until its back-off is over; then one machine tries",
)
def test_no_capacity_is_tried_once_skipped_by_the_next_run_and_tried_again_by_one(
    farm: Farm,
) -> None:
    farm.ec2.add_fault(**BEST_FAULT)
    farm.add_pending(BUILD, 2)
    assert farm.run().code == 0
    assert Counter(zones_tried(farm))[NEXT] == 2
    farm.add_pending(BUILD, 2)
    assert farm.run().code == 0
    assert zones_tried(farm) == [NEXT, NEXT]
    end_all(farm)
    farm.add_pending(BUILD, 2)
    assert farm.run().code == 0
    assert Counter(zones_tried(farm)) == {BEST: 1, NEXT: 2}


def test_one_call_is_remembered_with_where_how_often_until_when_and_why(farm: Farm) -> None:
    farm.ec2.add_fault(**BEST_FAULT, message="none left")
    farm.add_pending()
    farm.run()
    assert zones_tried(farm) == [BEST, NEXT]
    [row] = rows(farm)
    assert {key: row[key] for key in ("kind", "market", "availability_zone", "ec2_type")} == {
        "kind": "capacity",
        "market": "spot",
        "availability_zone": BEST,
        "ec2_type": "c7i.xlarge",
    }
    assert (row["failures"], row["reason"]) == (1, "InsufficientInstanceCapacity: none left")
    assert (row["until"] - row["began_at"]).total_seconds() == pytest.approx(FIRST_S, abs=1)


def test_many_failures_of_one_run_count_once(farm: Farm) -> None:
    farm.watch["backoff"] = {"first_s": 600}
    farm.ec2.add_fault(**CAPACITY, latency_s=1)
    farm.add_pending(BUILD, 4)
    farm.run()
    assert Counter(zones_tried(farm))[BEST] > 2  # of two EC2 types
    assert {row["failures"] for row in rows(farm)} == {1}


def test_a_probe_that_fails_doubles_the_wait_up_to_the_most(farm: Farm) -> None:
    farm.ec2.add_fault(**BEST_FAULT)
    waits = []
    for failures in (1, 2, 3):
        farm.add_pending()
        farm.run()
        [row] = rows(farm)
        assert row["failures"] == failures
        waits.append(seconds_left(row))
        end_all(farm)
    assert [round(wait / FIRST_S, 1) for wait in waits] == pytest.approx([1, 2, 4], abs=0.3)
    write(farm.database, backoffs.update().values(failures=30))
    farm.add_pending()
    farm.run()
    assert MOST_S - 60 < seconds_left(rows(farm)[0]) <= MOST_S


def test_a_probe_that_starts_ends_it_and_the_same_run_launches_the_rest_there(farm: Farm) -> None:
    farm.ec2.add_fault(**BEST_FAULT)
    farm.watch["spot"]["rules"]["bld-linux64"][1:] = []
    farm.add_pending()
    farm.run()
    farm.ec2.clear_faults()
    end_all(farm)
    for zone in (NEXT, f"{WEST}a", f"{WEST}b"):
        farm.ec2.add_fault(**CAPACITY, match={"@az": zone})
    farm.add_pending(BUILD, 3)
    zones_tried(farm)
    done = farm.run("--json")
    assert (done.code, done.json["demands"][0]["unmet"]) == (0, 0), done.out
    assert Counter(zones_tried(farm))[BEST] == 3
    assert BEST not in {row["availability_zone"] for row in rows(farm)}


def test_the_plan_says_until_when_and_what_aws_said(farm: Farm) -> None:
    farm.ec2.add_fault(**CAPACITY)
    farm.add_pending()
    farm.run()
    until = {row["availability_zone"]: row["until"] for row in rows(farm)}[BEST]
    reason = cuts_of(farm)["backoff"]
    assert f"{BEST}: backed off until {until:%H:%M} UTC after 1 refusal: Insuff" in reason
    assert f"{BEST}: backed off until {until:%H:%M} UTC" in farm.run("explain", BUILD).out
    assert BEST in farm.run("--dry-run").out
    assert cuts_of(farm).keys() == {"backoff", "on_demand.limits.global"}


def test_back_offs_are_counted_in_the_metrics(farm: Farm) -> None:
    farm.ec2.add_fault(**BEST_FAULT)
    farm.add_pending()
    textfile = farm.directory / "metrics.prom"
    farm.run("--metrics-textfile", str(textfile))
    text = textfile.read_text()
    assert 'farmhand_watch_pending_backoffs{kind="capacity"} 1.0' in text
    assert 'farmhand_watch_pending_backoffs{kind="quota"} 0.0' in text


def test_a_dry_run_remembers_nothing_and_forgets_nothing(farm: Farm) -> None:
    farm.ec2.add_fault(**BEST_FAULT)
    farm.add_pending()
    farm.run()
    end_all(farm)
    before = rows(farm)
    farm.add_pending()
    farm.run("--dry-run", "--retry-stopped")
    assert rows(farm) == before


@pytest.mark.fault("two hosts are refused at the same moment", "it counts as one failure")
def test_two_hosts_that_are_refused_at_once_count_once(
    farm: Farm, request: pytest.FixtureRequest
) -> None:
    farm.ec2.add_fault(**CAPACITY, latency_s=1, left=1)
    farm.ec2.add_fault(**CAPACITY)
    farm.add_pending()
    with shared_database("mariadb", farm, request) as shared:
        first = farm.start(FARMHAND_STATE=str(farm.directory / "one"))
        wait_until(lambda: launches(farm))
        first.send_signal(signal.SIGSTOP)  # it hears of the refusal after the other one has
        farm.add_pending()
        second = farm.run(FARMHAND_STATE=str(farm.directory / "two"))
        first.send_signal(signal.SIGCONT)
        assert (second.code, finish(first)) == (0, 0)
        tried = Counter(call.params["Placement.AvailabilityZone"] for call in launches(farm))
        assert tried[BEST] > 2  # of two EC2 types
        assert {row["failures"] for row in read(shared, backoffs)} == {1}


# 2. quotas and subnets


def test_a_quota_is_remembered_for_its_market_and_region(farm: Farm) -> None:
    farm.ec2.add_fault(action="RunInstances", region=EAST, code="VcpuLimitExceeded")
    farm.add_pending()
    farm.run()
    zones_tried(farm)
    farm.add_pending()
    farm.run()
    assert [zone[:-1] for zone in zones_tried(farm)] == [WEST]
    end_all(farm)
    farm.ec2.clear_faults()
    farm.add_pending(BUILD, 3)
    farm.run()
    assert [zone[:-1] for zone in zones_tried(farm)] == [EAST] + [WEST] * 2
    assert rows(farm) == []


def test_a_full_subnet_is_remembered_and_the_zone_s_other_one_serves(farm: Farm) -> None:
    full, other = farm.subnets[EAST][0], farm.ec2.add_subnet(EAST, BEST, free=50)
    farm.watch["instance_types"]["bld-linux64"]["regions"][EAST]["subnets"] = [full, other]
    fault = {"match": {"@subnet": full}, "code": "InsufficientFreeAddressesInSubnet"}
    farm.ec2.add_fault(action="RunInstances", **fault)
    farm.add_pending()
    farm.run()
    zones_tried(farm)
    farm.add_pending()
    farm.run()
    assert [call.params["NetworkInterface.1.SubnetId"] for call in launches(farm)] == [other]
    assert [row["subnet"] for row in rows(farm)] == [full]


# 3. settings


@pytest.fixture
def stopped(farm: Farm, request: pytest.FixtureRequest) -> Farm:
    """A farm whose builds AWS has refused in both regions, and takes again by now."""
    code, status = getattr(request, "param", ("InvalidParameterValue", 400))
    farm.ec2.add_fault(action="RunInstances", code=code, status=status, message="not so")
    farm.add_pending()
    assert farm.run().code == 3
    farm.ec2.clear_faults()
    farm.ec2.clear_calls()
    return farm


@pytest.mark.fault(
    "AWS refused an instance type's settings in an earlier run",
    "the type launches nothing and each run says since when it is stopped; exit 0",
)
@pytest.mark.parametrize(
    "stopped",
    [("InvalidParameterValue", 400), ("UnauthorizedOperation", 403)],
    ids=["bad parameter", "no permission"],
    indirect=True,
)
def test_a_type_that_aws_refuses_stops_and_says_so_in_every_run(stopped: Farm) -> None:
    for _ in range(2):
        done = stopped.run("--json")
        assert (done.code, launches(stopped)) == (0, [])
        cuts = [cut for cut in done.json["demands"][0]["cuts"] if cut["by"] == "settings"]
        assert {cut["reason"].partition(":")[0] for cut in cuts} == {
            f"bld-linux64 in {EAST}",
            f"bld-linux64 in {WEST}",
        }
        assert "stopped since" in done.err


def test_a_type_that_is_stopped_stops_no_other(stopped: Farm) -> None:
    stopped.add_pending(TRY)
    stopped.run()
    assert stopped.names() == ["try-linux64-001"]


def change_place(farm: Farm) -> None:
    farm.watch["instance_types"]["bld-linux64"]["regions"][EAST]["tags"] = {"fixed": "yes"}


def change_template(farm: Farm) -> None:
    with (farm.directory / "worker.user-data.j2").open("a") as template:
        template.write("echo fixed\n")


def change_ami(farm: Farm) -> None:
    farm.ec2.add_image(EAST, "new", tags={"moz-type": "bld-linux64", "moz-created": "4000000000"})


def change_key(farm: Farm) -> None:
    farm.environ["AWS_ACCESS_KEY_ID"] = "another"


@pytest.mark.parametrize("change", [change_place, change_template, change_ami, change_key])
def test_it_launches_again_when_its_settings_change(stopped: Farm, change: Any) -> None:
    change(stopped)
    done = stopped.run()
    assert (done.code, stopped.names()) == (0, ["bld-linux64-001"])
    assert EAST not in {row["region"] for row in rows(stopped)}


def test_a_change_to_another_type_changes_nothing(stopped: Farm) -> None:
    stopped.watch["instance_types"]["try-linux64"]["regions"][EAST]["tags"] = {"fixed": "yes"}
    stopped.run()
    assert launches(stopped) == []


def test_retry_stopped_forgets_first(stopped: Farm) -> None:
    dry = stopped.run("--dry-run", "--json", "--retry-stopped")
    assert (len(dry.json["demands"][0]["launches"]), len(rows(stopped))) == (1, 2)
    assert stopped.run("--retry-stopped").code == 0
    assert (stopped.names(), rows(stopped)) == (["bld-linux64-001"], [])


def test_retry_stopped_leaves_back_offs_that_have_an_end(farm: Farm) -> None:
    farm.ec2.add_fault(**BEST_FAULT)
    farm.add_pending()
    farm.run()
    farm.run("--retry-stopped")
    assert len(rows(farm)) == 1


def test_what_is_remembered_holds_no_secret(stopped: Farm) -> None:
    text = str(rows(stopped))
    assert "AWS_SECRET" not in text
    assert all(len(bytes.fromhex(row["settings_sha256"])) == 32 for row in rows(stopped))
