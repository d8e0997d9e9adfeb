"""What watch-pending launches: the calls EC2 receives, and who gets which name."""

from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from farmhand.tables.farm import workers
from tests.ec2_control import Ec2Server
from tests.ec2_state import Call
from tests.farm import BUILD, TRY, Farm

pytestmark = pytest.mark.integration

EAST, WEST = "us-east-1", "us-west-2"
RESOURCES = ("instance", "volume", "network-interface")


@pytest.fixture(scope="module")
def started(_ec2_process: Ec2Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Call]:
    """One run that starts two builders on the spot market and one on demand: name → its call."""
    _ec2_process.reset()
    farm = Farm.make(tmp_path_factory.mktemp("started"), _ec2_process)
    newest = {"creation_date": "2099-01-01T00:00:00Z", "root_device_name": "/dev/xvda"}
    ami = farm.ec2.add_image(EAST, "newest", tags={"moz-type": "bld-linux64"}, **newest)
    place = farm.watch["instance_types"]["bld-linux64"]["regions"][EAST]
    place |= {
        "domain": "build.example.com",
        "security_groups": [farm.ec2.add_security_group(EAST)],
        "tags": {"purpose": "build"},
        "disks": {"/dev/sdf": {"size_gib": 50, "iops": 4000, "throughput_mib_s": 200}},
    }
    farm.watch["instance_types"]["try-linux64"]["regions"][EAST]["public_address"] = True
    farm.watch["spot"]["limits"]["global"] = {"bld-linux64": 2, "try-linux64": 1}
    farm.watch["on_demand"]["limits"]["global"] = {"bld-linux64": 1}
    farm.add_pending(BUILD, 3, priority=1)
    farm.add_pending(TRY, 1)
    done = farm.run("-r", EAST)
    assert done.code == 0, done.err
    calls = {call.tags("instance")["Name"]: call for call in farm.ec2.calls("RunInstances")}
    assert calls["bld-linux64-001"].params["ImageId"] == ami
    assert len(calls) == 4
    return calls


@pytest.fixture
def spot(started: dict[str, Call]) -> Call:
    return started["bld-linux64-001"]


@pytest.fixture
def on_demand(started: dict[str, Call]) -> Call:
    return started["bld-linux64-003"]


# 1. what RunInstances receives


def test_everything_of_a_launch_bears_all_tags_from_its_first_moment(spot: Call) -> None:
    wanted = {
        "Name": "bld-linux64-001",
        "FQDN": "bld-linux64-001.build.example.com",
        "moz-type": "bld-linux64",
        "moz-state": "ready",
        "farmhand:farm": "test",
        "farmhand:launch": spot.client_token,
        "purpose": "build",
    }
    for resource in (*RESOURCES, "spot-instances-request"):
        assert spot.tags(resource) == wanted


def test_an_on_demand_machine_has_no_spot_request_and_no_bid(on_demand: Call) -> None:
    assert on_demand.tags("spot-instances-request") == {}
    assert all(on_demand.tags(resource)["moz-type"] == "bld-linux64" for resource in RESOURCES)
    assert not [key for key in on_demand.params if key.startswith("InstanceMarketOptions")]


def test_a_spot_machine_bids_the_rule_s_maximum_once(spot: Call) -> None:
    options = "InstanceMarketOptions"
    assert spot.params[f"{options}.MarketType"] == "spot"
    assert float(spot.params[f"{options}.SpotOptions.MaxPrice"]) == 0.2
    assert spot.params[f"{options}.SpotOptions.SpotInstanceType"] == "one-time"
    assert spot.params[f"{options}.SpotOptions.InstanceInterruptionBehavior"] == "terminate"


def test_metadata_needs_a_session_token(spot: Call) -> None:
    assert spot.params["MetadataOptions.HttpTokens"] == "required"


def test_a_shutdown_from_inside_terminates(spot: Call) -> None:
    assert spot.params["InstanceInitiatedShutdownBehavior"] == "terminate"


def test_the_root_disk_is_encrypted_gp3_under_the_ami_s_own_name(spot: Call) -> None:
    assert disks_of(spot)["/dev/xvda"] == {
        "Ebs.VolumeType": "gp3",
        "Ebs.Encrypted": "true",
        "Ebs.DeleteOnTermination": "true",
    }


def test_a_configured_disk_is_made_beside_the_root(spot: Call) -> None:
    assert disks_of(spot)["/dev/sdf"] == {
        "Ebs.VolumeType": "gp3",
        "Ebs.Encrypted": "true",
        "Ebs.DeleteOnTermination": "true",
        "Ebs.VolumeSize": "50",
        "Ebs.Iops": "4000",
        "Ebs.Throughput": "200",
    }


def test_there_is_no_public_address_unless_asked(started: dict[str, Call]) -> None:
    key = "NetworkInterface.1.AssociatePublicIpAddress"
    assert started["bld-linux64-001"].params[key] == "false"
    assert started["try-linux64-001"].params[key] == "true"


def test_the_network_interface_is_in_a_subnet_of_the_zone_with_its_groups(spot: Call) -> None:
    assert spot.params["Placement.AvailabilityZone"] == f"{EAST}a"
    assert spot.params["NetworkInterface.1.SubnetId"].startswith("subnet-")
    assert spot.params["NetworkInterface.1.SecurityGroupId.1"].startswith("sg-")


def test_user_data_is_rendered_for_the_machine(spot: Call) -> None:
    assert spot.user_data == f"#!/bin/sh\necho bld-linux64-001 {spot.client_token}\n"


def test_each_machine_is_a_call_of_its_own_with_a_token_of_its_own(
    started: dict[str, Call],
) -> None:
    counts = {(call.params["MinCount"], call.params["MaxCount"]) for call in started.values()}
    assert counts == {("1", "1")}
    assert len({call.client_token for call in started.values()}) == len(started)


def test_what_spot_s_limit_leaves_is_taken_on_demand(started: dict[str, Call]) -> None:
    markets = {
        name: call.params.get("InstanceMarketOptions.MarketType", "on-demand")
        for name, call in started.items()
    }
    assert markets == {
        "bld-linux64-001": "spot",
        "bld-linux64-002": "spot",
        "bld-linux64-003": "on-demand",
        "try-linux64-001": "spot",
    }


def disks_of(call: Call) -> dict[str, dict[str, str]]:
    """Device → its other fields."""
    disks: dict[str, dict[str, str]] = {}
    for key, device in call.params.items():
        if key.startswith("BlockDeviceMapping.") and key.endswith(".DeviceName"):
            prefix = key.removesuffix("DeviceName")
            disks[device] = {
                other.removeprefix(prefix): value
                for other, value in call.params.items()
                if other.startswith(prefix) and other != key
            }
    return disks


# 2. where, and how often


@pytest.mark.fault("a second run right after the first", "it starts nothing; exit 0")
def test_a_second_run_starts_nothing(farm: Farm) -> None:
    farm.add_pending(BUILD, 2)
    assert farm.run().code == 0
    again = farm.run("--json")
    assert (again.code, again.json["outcomes"]) == (0, [])
    assert farm.names() == ["bld-linux64-001", "bld-linux64-002"]


def test_spot_goes_to_the_other_region_where_one_is_at_its_limit(farm: Farm) -> None:
    farm.watch["spot"]["limits"][EAST]["bld-linux64"] = 1
    farm.add_pending(BUILD, 3)
    farm.run()
    assert Counter(item["region"] for item in farm.ec2.instances()) == {EAST: 1, WEST: 2}


def test_on_demand_is_split_by_region_priority(farm: Farm) -> None:
    farm.watch["region_priorities"] = {EAST: 1, WEST: 3}
    farm.watch["spot"]["rules"] = {}
    farm.watch["on_demand"]["limits"]["global"]["bld-linux64"] = 4
    farm.add_pending(BUILD, 9)
    done = farm.run("--json")
    assert Counter(item["region"] for item in farm.ec2.instances()) == {EAST: 1, WEST: 3}
    assert done.json["demands"][0]["unmet"] == 5


def test_only_the_regions_asked_for_are_launched_in(farm: Farm) -> None:
    farm.add_pending(BUILD, 2)
    farm.run("-r", WEST)
    assert {item["region"] for item in farm.ec2.instances()} == {WEST}


# 3. names


@pytest.mark.fault(
    "another farm's machine in the account has a name of ours",
    "it is not counted or touched; its name is not given; exit 0",
)
def test_another_farm_s_machine_keeps_its_name_and_is_not_counted(farm: Farm) -> None:
    farm.watch["spot"]["limits"]["global"]["bld-linux64"] = 1
    theirs = {"Name": "bld-linux64-001", "moz-type": "bld-linux64", "farmhand:farm": "staging"}
    instance_id = farm.start_by_hand(WEST, theirs)
    before = farm.ec2.instances(WEST)
    farm.add_pending()
    demand = farm.run("--json").json["demands"][0]
    assert (demand["idle"], demand["in_flight"], demand["unmet"]) == (0, 0, 0)
    assert demand["launches"][0]["names"] == ["bld-linux64-002"]
    assert [item for item in farm.ec2.instances(WEST) if item["id"] == instance_id] == before
    assert farm.rows("SELECT * FROM instances") == []


def test_the_name_of_a_machine_without_a_farm_is_not_given_again(farm: Farm) -> None:
    farm.start_by_hand(WEST, {"Name": "bld-linux64-001"})
    farm.add_pending()
    farm.run()
    assert farm.names() == ["bld-linux64-001", "bld-linux64-002"]


def test_a_terminated_machine_s_name_is_free_again(farm: Farm) -> None:
    ours = {"Name": "bld-linux64-001", "farmhand:farm": "test", "moz-type": "bld-linux64"}
    instance_id = farm.start_by_hand(WEST, ours)
    farm.ec2.poke_instance(instance_id, state="terminated")
    farm.add_pending()
    farm.run()
    assert farm.names() == ["bld-linux64-001"]


def test_jobs_with_a_jacuzzi_get_its_names_and_others_never_do(farm: Farm) -> None:
    farm.watch["jacuzzis"] = {BUILD: ["bld-linux64-001", "bld-linux64-003"]}
    farm.add_pending(BUILD, 3)
    farm.add_pending("Linux other build", 2)
    demands = farm.run("--json").json["demands"]
    given = {tuple(d["workers"] or ()): d["launches"][0]["names"] for d in demands}
    jacuzzi = ("bld-linux64-001", "bld-linux64-003")
    assert given == {jacuzzi: list(jacuzzi), (): ["bld-linux64-002", "bld-linux64-004"]}


def test_names_from_the_inventory_are_those_of_enabled_workers_of_the_market(farm: Farm) -> None:
    assert farm.run("db", "upgrade", program="farmhand").code == 0
    rows = [
        ("b-hardware", None, True),
        ("b-disabled", "spot", False),
        ("b-2", "spot", True),
        ("b-1", "on-demand", True),
    ]
    keys = ("name", "market", "enabled", "instance_type")
    with farm.database.begin() as connection:
        connection.execute(
            sa.insert(workers),
            [dict(zip(keys, (*row, "bld-linux64"), strict=True)) for row in rows],
        )
    farm.watch["instance_types"]["bld-linux64"]["names"] = "workers"
    farm.watch["on_demand"]["limits"]["global"]["bld-linux64"] = 9
    farm.add_pending(BUILD, 4)
    farm.run()
    given = {str(item["name"]): item["lifecycle"] for item in farm.ec2.instances()}
    assert given == {"b-2": "spot", "b-1": "on-demand"}


def test_the_journal_keeps_a_digest_and_no_user_data(farm: Farm, tmp_path: Path) -> None:
    (farm.directory / "worker.user-data.j2").write_text("password=hunter2")
    farm.add_pending()
    farm.run()
    [row] = farm.rows("SELECT * FROM launches")
    assert (row["state"], len(row["request_sha256"])) == ("launched", 64)
    assert b"hunter2" not in (tmp_path / "state" / "farmhand.db").read_bytes()
