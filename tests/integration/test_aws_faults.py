"""What watch-pending does on AWS's bad days: whole commands against the EC2 stand-in."""

from collections import Counter
from itertools import pairwise

import pytest

from farmhand.tables.launches import backoffs
from tests.ec2_control import Ec2Server
from tests.ec2_state import Call
from tests.farm import BUILD, TRY, Farm
from tests.journal import minutes_ago, write

pytestmark = pytest.mark.integration

EAST, WEST = "us-east-1", "us-west-2"
BEST_ZONE = f"{EAST}a"  # prices are equal, so the first zone by name


def regions_of(ec2: Ec2Server) -> Counter[str]:
    return Counter(item["region"] for item in ec2.instances())


def launches(farm: Farm) -> list[Call]:
    return farm.ec2.calls("RunInstances")


def use_only(farm: Farm, *ec2_types: str) -> None:
    """Let builds run on these EC2 types only, each at most 0.20 USD an hour."""
    farm.watch["spot"]["rules"]["bld-linux64"] = [
        {"ec2_type": ec2_type, "max_price_usd_per_hour": 0.2} for ec2_type in ec2_types
    ]


# 1. credentials and regions


@pytest.mark.fault(
    "EC2 does not take the credentials: {code}",
    "exit 4, nothing on stdout, and one line: EC2 answered in no region, with AWS's code and "
    "words; no traceback",
)
@pytest.mark.parametrize(
    ("code", "status"),
    [
        pytest.param("ExpiredToken", 400, id="expired"),
        pytest.param("AuthFailure", 401, id="wrong"),
        pytest.param("UnauthorizedOperation", 403, id="refused"),
    ],
)
def test_credentials_that_aws_does_not_take_end_in_4_and_a_line_that_says_so(
    farm: Farm, code: str, status: int
) -> None:
    farm.add_pending()
    farm.ec2.add_fault(action="*", code=code, status=status, message="not with these keys")
    done = farm.run()
    assert (done.code, done.out) == (4, "")
    said = f"EC2 answered in no region: DescribeInstances: {code}: not with these keys"
    lacks = "; this role lacks ec2:DescribeInstances, see docs/iam.md"
    assert done.err.splitlines()[-1].endswith(said + lacks * (code == "UnauthorizedOperation"))
    assert "Traceback" not in done.err


@pytest.mark.fault(
    "this host's clock is minutes off, so AWS takes no call",
    "the run exits 3 and says so; no instance type is stopped, and the next run launches",
)
def test_a_clock_that_is_wrong_stops_one_run_and_no_type(farm: Farm) -> None:
    farm.add_pending()
    farm.ec2.add_fault(action="RunInstances", code="RequestExpired", status=400, left=1)
    done = farm.run("--json")
    assert (done.code, farm.ec2.instances()) == (3, [])
    assert "RequestExpired" in done.err
    assert "this host's clock is wrong by minutes, or its credentials have expired" in done.err
    assert (farm.run().code, len(farm.ec2.instances())) == (0, 1)


@pytest.mark.fault(
    "no AWS credentials anywhere", "exit 4: EC2 answered in no region, unable to locate credentials"
)
def test_missing_credentials_end_in_4_and_a_line_that_says_so(farm: Farm) -> None:
    farm.add_pending()
    del farm.environ["AWS_ACCESS_KEY_ID"], farm.environ["AWS_SECRET_ACCESS_KEY"]
    done = farm.run(AWS_SHARED_CREDENTIALS_FILE="/dev/null", AWS_CONFIG_FILE="/dev/null")
    assert done.code == 4
    assert "EC2 answered in no region: DescribeInstances: Unable to locate credentials" in done.err


@pytest.mark.fault(
    "one region refuses every call",
    "it is left out with a line that names it, its machines still count, the other region "
    "launches; exit 3",
)
def test_a_region_that_is_down_stops_no_other_and_its_machines_still_count(farm: Farm) -> None:
    farm.add_pending(count=1)
    farm.run("-r", WEST)
    farm.run()  # has seen the machine: from now on its instance counts, not the journal
    farm.add_pending(count=1)
    farm.ec2.add_fault(action="*", region=WEST, code="UnauthorizedOperation", status=403)
    done = farm.run("--json")
    assert done.code == 3
    assert f"region {WEST} is left out" in done.err
    assert [done.json["demands"][0][key] for key in ("in_flight", "need", "unmet")] == [1, 1, 0]
    assert {i["name"]: i["region"] for i in farm.ec2.instances()} == {
        "bld-linux64-001": WEST,
        "bld-linux64-002": EAST,
    }


@pytest.mark.fault(
    "one region does not answer",
    "it is left out by the deadline (no answer within…), the other region launches; exit 3",
)
def test_a_region_that_hangs_stops_no_other(farm: Farm) -> None:
    farm.add_pending()
    farm.ec2.add_fault(action="Describe*", region=EAST, latency_s=60)
    done = farm.run("--deadline", "6")
    assert (done.code, regions_of(farm.ec2)) == (3, {WEST: 1})
    assert f"region {EAST} is left out: no answer within" in done.err


@pytest.mark.fault(
    "no region answers", "the run ends by its deadline with exit 4: EC2 answered in no region"
)
def test_where_no_region_answers_the_run_ends_in_4_by_its_deadline(farm: Farm) -> None:
    farm.add_pending()
    farm.ec2.settings(latency_s=60)
    done = farm.run("--deadline", "2")
    farm.ec2.settings(latency_s=0)
    assert done.code == 4
    assert "EC2 answered in no region: no answer within" in done.err


@pytest.mark.fault(
    "a proxy answers for one region, with a page of its own",
    "the region is left out: that is no answer of AWS's; the other launches; exit 3",
)
def test_a_region_that_answers_nonsense_stops_no_other(farm: Farm) -> None:
    farm.add_pending()
    farm.ec2.add_fault(action="Describe*", region=EAST, body="<html>Log in</html>")
    done = farm.run()
    assert (done.code, regions_of(farm.ec2)) == (3, {WEST: 1})
    assert f"region {EAST} is left out: Describe" in done.err
    assert "that is no answer of AWS's: no 'Reservations' in it" in done.err


@pytest.mark.fault(
    "more than 1,000 instances in a region",
    "every page is read: a machine beyond the first page counts, and its name is not given again",
)
@pytest.mark.soak
def test_more_instances_than_a_page_holds_are_all_seen(farm: Farm) -> None:
    ours = {"Name": "bld-linux64-001", "farmhand:farm": "test", "moz-type": "bld-linux64"}
    farm.start_by_hand(EAST, {"Name": "bld-linux64-002"}, count=1000)
    farm.start_by_hand(EAST, ours)
    farm.add_pending(count=2)
    done = farm.run("--dry-run", "--json")
    assert done.json["demands"][0]["in_flight"] == 1
    assert done.json["demands"][0]["launches"][0]["names"] == ["bld-linux64-003"]


# 2. what one place can't give


@pytest.mark.fault(
    "the AMI is missing in one region", "the machine starts in the other region; exit 0"
)
def test_a_region_without_the_ami_is_passed_over(farm: Farm) -> None:
    farm.watch["instance_types"]["bld-linux64"]["regions"][EAST]["ami"] = "ami-00000000"
    farm.add_pending()
    assert (farm.run().code, regions_of(farm.ec2)) == (0, {WEST: 1})


@pytest.mark.fault(
    "every subnet is full",
    "nothing starts and no launch call is made; each zone without a free address is a reason "
    "in the plan; exit 0",
)
def test_full_subnets_start_nothing_and_are_named_as_the_reason(farm: Farm) -> None:
    farm.add_pending()
    for subnet in (*farm.subnets[EAST], *farm.subnets[WEST]):
        farm.ec2.set_free_addresses(subnet, 0)
    done = farm.run("--json")
    assert (done.code, launches(farm)) == (0, [])
    reasons = {cut["reason"] for cut in done.json["demands"][0]["cuts"]}
    assert f"no subnet in {BEST_ZONE} has a free address" in reasons


@pytest.mark.fault(
    "a subnet turns out to be full at the launch", "another subnet is tried in the same run; exit 0"
)
def test_a_subnet_that_is_full_at_launch_is_left_for_another_at_once(farm: Farm) -> None:
    farm.add_pending()
    full = farm.subnets[EAST][0]
    farm.ec2.add_fault(
        action="RunInstances", match={"@subnet": full}, code="InsufficientFreeAddressesInSubnet"
    )
    assert farm.run().code == 0
    subnets = [call.params["NetworkInterface.1.SubnetId"] for call in launches(farm)]
    assert subnets == [full, farm.subnets[EAST][1]]


@pytest.mark.fault(
    "a zone without a spot price", "the zone is passed over, one with a price is used; exit 0"
)
def test_a_zone_without_a_price_is_passed_over(farm: Farm) -> None:
    use_only(farm, "c7i.2xlarge")
    zone = f"{WEST}b"
    farm.ec2.seed_prices(
        [{"region": WEST, "az": zone, "ec2_type": "c7i.2xlarge", "price_usd_per_hour": 0.1}]
    )
    farm.add_pending()
    assert farm.run().code == 0
    assert [item["az"] for item in farm.ec2.instances()] == [zone]


# 3. what launching meets


@pytest.mark.fault(
    "InsufficientInstanceCapacity on the best choice",
    "one call there, then the next choice, in the same run; exit 0",
)
def test_no_capacity_for_the_best_choice_takes_the_next_at_once(farm: Farm) -> None:
    farm.add_pending()
    best = {"@az": BEST_ZONE, "InstanceType": "c7i.xlarge"}
    farm.ec2.add_fault(action="RunInstances", match=best, code="InsufficientInstanceCapacity")
    assert farm.run().code == 0
    zones = [call.params["Placement.AvailabilityZone"] for call in launches(farm)]
    assert zones == [BEST_ZONE, f"{EAST}b"]


@pytest.mark.fault(
    "no spot capacity anywhere",
    "each zone is tried once, then on-demand within its limits, in the same run; exit 0",
)
def test_no_spot_capacity_anywhere_takes_on_demand_in_the_same_run(farm: Farm) -> None:
    use_only(farm, "c7i.xlarge")
    farm.watch["on_demand"]["limits"]["global"]["bld-linux64"] = 5
    farm.ec2.add_fault(
        action="RunInstances", match={"@market": "spot"}, code="InsufficientInstanceCapacity"
    )
    farm.add_pending()
    assert farm.run().code == 0
    assert [item["lifecycle"] for item in farm.ec2.instances()] == ["on-demand"]
    assert len(launches(farm)) == 5  # four zones, each once, then on demand


@pytest.mark.fault(
    "no capacity in any market",
    "exit 0; the demand is shown as unmet with AWS's reason; the names are free for a later run",
)
def test_no_capacity_at_all_is_no_failure_and_frees_the_names(farm: Farm) -> None:
    use_only(farm, "c7i.xlarge")
    farm.ec2.add_fault(action="RunInstances", code="InsufficientInstanceCapacity")
    farm.add_pending()
    done = farm.run("--json")
    assert (done.code, done.json["demands"][0]["unmet"]) == (0, 1)
    assert "InsufficientInstanceCapacity" in str(done.json["demands"][0]["cuts"])
    farm.ec2.clear_faults()
    write(farm.database, backoffs.update().values(until=minutes_ago(1)))
    farm.run()
    assert farm.names() == ["bld-linux64-001"]


@pytest.mark.fault(
    "RunInstances fails in passing: {id}",
    "the call is repeated with the same client token and one machine starts; exit 0",
)
@pytest.mark.parametrize(
    ("fault", "calls"),
    [
        pytest.param({"code": "RequestLimitExceeded", "left": 2}, 3, id="throttled twice"),
        pytest.param({"code": "InternalError", "left": 1}, 2, id="internal error"),
        pytest.param({"drop": "before", "left": 1}, 2, id="dropped call"),
        pytest.param({"drop": "after", "left": 1}, 2, id="dropped answer"),
        pytest.param({"body": "<html>Log in</html>", "left": 1}, 2, id="a page of a proxy's"),
    ],
)
def test_a_call_is_repeated_with_its_token_and_launches_once(
    farm: Farm, fault: dict[str, object], calls: int
) -> None:
    farm.add_pending()
    farm.ec2.add_fault(action="RunInstances", **fault)
    assert farm.run().code == 0
    assert len(launches(farm)) == calls
    assert len({call.client_token for call in launches(farm)}) == 1
    assert farm.names() == ["bld-linux64-001"]


@pytest.mark.fault(
    "RunInstances is throttled without end (RequestLimitExceeded)",
    "calls are repeated at random intervals until the deadline; exit 3, launches closed as "
    "failed, no back-off kept",
)
def test_throttled_calls_are_made_again_at_random_until_the_deadline(farm: Farm) -> None:
    farm.ec2.add_fault(action="RunInstances", code="RequestLimitExceeded")
    farm.add_pending(count=2)
    done = farm.run("--deadline", "6")
    by_token: dict[str | None, list[float]] = {}
    for call in launches(farm):
        by_token.setdefault(call.client_token, []).append(call.at)
    one, two = ([b - a for a, b in pairwise(times)] for times in by_token.values())
    assert (done.code, min(len(one), len(two)) >= 2) == (3, True), done.err
    assert any(abs(a - b) > 0.01 for a, b in zip(one, two, strict=False))
    assert {row["state"] for row in farm.rows("SELECT state FROM launches")} == {"failed"}
    assert farm.rows("SELECT * FROM backoffs") == []


@pytest.mark.fault(
    "EC2 refuses a parameter of one instance type (InvalidParameterValue)",
    "the other types launch; the error is logged; exit 3",
)
def test_a_parameter_refused_for_one_type_stops_no_other(farm: Farm) -> None:
    farm.add_pending(TRY, 2)
    farm.add_pending(BUILD, 2)
    for region in (EAST, WEST):
        ami = {"ImageId": farm.amis[region, "try-linux64"]}
        farm.ec2.add_fault(action="RunInstances", match=ami, code="InvalidParameterValue")
    done = farm.run()
    assert (done.code, farm.names()) == (3, ["bld-linux64-001", "bld-linux64-002"])
    assert "InvalidParameterValue" in done.err


@pytest.mark.fault(
    "the quota of a region is used up (VcpuLimitExceeded)",
    "all machines start in the other region; exit 0",
)
def test_a_used_up_quota_moves_on_to_the_other_region(farm: Farm) -> None:
    farm.add_pending(count=3)
    farm.ec2.add_fault(action="RunInstances", region=EAST, code="VcpuLimitExceeded")
    assert (farm.run().code, regions_of(farm.ec2)) == (0, {WEST: 3})


@pytest.mark.fault(
    "not allowed to launch in one region (UnauthorizedOperation)",
    "the machine starts in the other region; exit 3",
)
def test_being_refused_to_launch_in_one_region_moves_on_and_ends_in_3(farm: Farm) -> None:
    farm.add_pending()
    farm.ec2.add_fault(action="RunInstances", region=EAST, code="UnauthorizedOperation", status=403)
    assert (farm.run().code, regions_of(farm.ec2)) == (3, {WEST: 1})


def test_thirty_launches_in_two_regions_are_never_throttled(farm: Farm) -> None:
    for region in (EAST, WEST):
        farm.watch["spot"]["limits"][region]["bld-linux64"] = 15
    farm.ec2.settings(buckets=True)
    farm.add_pending(count=30)
    done = farm.run()
    assert (done.code, regions_of(farm.ec2)) == (0, {EAST: 15, WEST: 15}), done.err
    assert farm.ec2.throttled_counts() == {}


@pytest.mark.fault(
    "the deadline comes in the middle of launching",
    "what has started stays, the rest is closed and its names are free for the next run; exit 3",
)
def test_a_deadline_in_the_midst_closes_the_rest_and_frees_its_names(farm: Farm) -> None:
    farm.add_pending(count=20)  # at two calls a second, all in one region
    done = farm.run("--json", "--deadline", "4")
    started = len(farm.names())
    assert (done.code, 0 < started < 20) == (3, True)
    states = Counter(row["state"] for row in farm.rows("SELECT state FROM launches"))
    assert states == {"launched": started, "failed": 20 - started}
    again = farm.run("--dry-run", "--json").json["demands"][0]
    assert again["need"] == 20 - started
    names = [name for launch in again["launches"] for name in launch["names"]]
    assert sorted(names + farm.names()) == [f"bld-linux64-{n:03}" for n in range(1, 21)]


@pytest.mark.fault(
    "DescribeInstances does not show new instances yet",
    "the journal counts them as in flight; nothing is launched again",
)
def test_instances_not_shown_yet_are_not_launched_again(farm: Farm) -> None:
    farm.ec2.settings(lag_s=600)
    farm.add_pending(count=2)
    farm.run()
    assert farm.run("--json").json["demands"][0]["in_flight"] == 2
    assert len(launches(farm)) == 2
