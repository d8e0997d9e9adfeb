"""Launch → the arguments of RunInstances."""

from typing import Any

import pytest

from tests.builders import make_image, make_place
from tests.plans import make_launch, make_offer
from watch_pending.config_machines import Disk, Market, Place
from watch_pending.models import Image, Launch
from watch_pending.request import (
    MAX_USER_DATA_BYTES,
    PreparedLaunch,
    Stamp,
    format_disks,
    format_request,
    format_tags,
    fqdn,
    why_too_large,
)

ON_DEMAND = make_launch(offer=make_offer(market=Market.ON_DEMAND))
ROOT = {"VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True}


def make_request(
    launch: Launch | None = None,
    place: Place | None = None,
    image: Image | None = None,
    user_data: str = "",
) -> dict[str, Any]:
    launch, place, image = launch or make_launch(), place or make_place(), image or make_image()
    return format_request(launch, place, image, Stamp(farm="test", token="token-1"), user_data)


def tags_of(launch: Launch, place: Place | None = None) -> dict[str, dict[str, str]]:
    """Resource → its tags."""
    specifications = format_tags(launch, place or make_place(), Stamp(farm="test", token="token-1"))
    return {
        item["ResourceType"]: {tag["Key"]: tag["Value"] for tag in item["Tags"]}
        for item in specifications
    }


def disks_of(disks: dict[str, Disk], **image: Any) -> dict[str, dict[str, Any]]:
    """Device → its mapping."""
    formatted = format_disks(disks, make_image(**image))
    return {item.pop("DeviceName"): item for item in formatted}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ClientToken", "token-1"),
        ("ImageId", "ami-bld"),
        ("InstanceType", "c7i.xlarge"),
        ("MinCount", 1),
        ("MaxCount", 1),
        ("Placement", {"AvailabilityZone": "us-east-1a"}),
        pytest.param("InstanceInitiatedShutdownBehavior", "terminate", id="shutdown terminates"),
        pytest.param(
            "MetadataOptions",
            {"HttpTokens": "required", "InstanceMetadataTags": "enabled"},
            id="IMDSv2 only",
        ),
    ],
)
def test_every_request_says(key: str, value: object) -> None:
    assert make_request()[key] == value


def test_a_request_has_one_network_interface_that_ends_with_it() -> None:
    assert make_request()["NetworkInterfaces"] == [
        {
            "DeviceIndex": 0,
            "SubnetId": "subnet-us-east-1a",
            "AssociatePublicIpAddress": False,
            "DeleteOnTermination": True,
        }
    ]


def test_an_address_is_public_only_when_asked_for() -> None:
    interface = make_request(place=make_place(public_address=True))["NetworkInterfaces"][0]
    assert interface["AssociatePublicIpAddress"]


def test_security_groups_belong_to_the_interface() -> None:
    interface = make_request(place=make_place(security_groups=("sg-1",)))["NetworkInterfaces"][0]
    assert interface["Groups"] == ["sg-1"]


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        ({"ssh_key": "releng"}, "KeyName", "releng"),
        ({"instance_profile": "bld"}, "IamInstanceProfile", {"Name": "bld"}),
    ],
    ids=["key", "profile"],
)
def test_a_place_adds_what_it_names(place: dict[str, str], key: str, value: object) -> None:
    assert make_request(place=make_place(**place))[key] == value


@pytest.mark.parametrize(
    "key", ["KeyName", "IamInstanceProfile", "UserData", "SecurityGroupIds", "SubnetId"]
)
def test_what_is_not_asked_for_is_not_sent(key: str) -> None:
    assert key not in make_request()


def test_user_data_is_sent_as_it_is() -> None:
    assert make_request(user_data="#!/bin/sh\n")["UserData"] == "#!/bin/sh\n"


def test_a_spot_machine_is_bought_once_and_at_most_at_its_price() -> None:
    assert make_request()["InstanceMarketOptions"] == {
        "MarketType": "spot",
        "SpotOptions": {
            "MaxPrice": "0.500000",
            "SpotInstanceType": "one-time",
            "InstanceInterruptionBehavior": "terminate",
        },
    }


def test_an_on_demand_machine_has_no_market_options() -> None:
    assert "InstanceMarketOptions" not in make_request(ON_DEMAND)


# Tags


@pytest.mark.parametrize("resource", ["instance", "volume", "network-interface"])
@pytest.mark.parametrize("launch", [make_launch(), ON_DEMAND], ids=["spot", "on-demand"])
def test_everything_bears_the_farms_tags_from_the_start(launch: Launch, resource: str) -> None:
    assert tags_of(launch, make_place(domain="example.com"))[resource] == {
        "Name": "bld-001",
        "FQDN": "bld-001.example.com",
        "moz-type": "bld",
        "moz-state": "ready",
        "farmhand:farm": "test",
        "farmhand:launch": "token-1",
    }


def test_a_spot_request_is_tagged_too() -> None:
    tags = tags_of(make_launch())
    assert tags["spot-instances-request"] == tags["instance"]


def test_there_is_no_spot_request_to_tag_on_demand() -> None:
    assert "spot-instances-request" not in tags_of(ON_DEMAND)


def test_a_place_may_add_tags() -> None:
    assert tags_of(make_launch(), make_place(tags={"team": "a"}))["instance"]["team"] == "a"


@pytest.mark.parametrize("key", ["Name", "moz-type", "moz-state", "farmhand:farm"])
def test_a_place_can_not_change_what_a_machine_is(key: str) -> None:
    assert tags_of(make_launch(), make_place(tags={key: "x"}))["instance"][key] != "x"


# Disks


def test_the_root_is_encrypted_gp3_without_being_asked() -> None:
    assert disks_of({}) == {"/dev/sda1": {"Ebs": ROOT}}


def test_the_root_is_called_as_its_ami_calls_it() -> None:
    assert list(disks_of({}, root_device="/dev/xvda")) == ["/dev/xvda"]


def test_a_root_that_is_configured_stands_once() -> None:
    root = {**ROOT, "VolumeSize": 80}
    assert disks_of({"/dev/sda1": Disk(size_gib=80)}) == {"/dev/sda1": {"Ebs": root}}


def test_a_second_disk_leaves_the_root_as_it_is() -> None:
    assert disks_of({"/dev/sdb": Disk(size_gib=8)})["/dev/sda1"] == {"Ebs": ROOT}


@pytest.mark.parametrize(
    ("disk", "expected"),
    [
        pytest.param(Disk(size_gib=8), {**ROOT, "VolumeSize": 8}, id="size"),
        pytest.param(
            Disk(volume_type="io2", iops=900),
            {**ROOT, "VolumeType": "io2", "Iops": 900},
            id="iops",
        ),
        pytest.param(Disk(throughput_mib_s=250), {**ROOT, "Throughput": 250}, id="throughput"),
        pytest.param(
            Disk(delete_on_termination=False), {**ROOT, "DeleteOnTermination": False}, id="kept"
        ),
    ],
)
def test_an_ebs_disk_is_always_encrypted(disk: Disk, expected: dict[str, Any]) -> None:
    assert disks_of({"/dev/sdb": disk})["/dev/sdb"] == {"Ebs": expected}


def test_an_ephemeral_disk_is_mapped_by_its_name() -> None:
    disks = disks_of({"/dev/sdb": Disk(ephemeral="ephemeral0")})
    assert disks["/dev/sdb"] == {"VirtualName": "ephemeral0"}


def test_an_instance_store_ami_keeps_ephemeral_disks_only() -> None:
    disks = {"/dev/sda1": Disk(size_gib=8), "/dev/sdb": Disk(ephemeral="ephemeral0")}
    assert disks_of(disks, ebs_root=False) == {"/dev/sdb": {"VirtualName": "ephemeral0"}}


# The rest


@pytest.mark.parametrize(
    ("user_data", "fits"),
    [
        pytest.param("x" * MAX_USER_DATA_BYTES, True, id="exactly 16 KiB"),
        pytest.param("x" * MAX_USER_DATA_BYTES + "x", False, id="a byte more"),
        pytest.param("ü" * (MAX_USER_DATA_BYTES // 2 + 1), False, id="bytes, not characters"),
        pytest.param("", True, id="empty"),
    ],
)
def test_user_data_may_have_16_kib(user_data: str, fits: bool) -> None:
    assert (why_too_large(user_data) is None) is fits


def test_too_large_says_by_how_much() -> None:
    assert why_too_large("x" * 16385) == "user data has 16385 bytes, EC2 takes 16384"


def test_without_a_domain_the_full_name_is_the_name() -> None:
    assert fqdn("bld-001", "") == "bld-001"


def make_prepared(**request: Any) -> PreparedLaunch:
    return PreparedLaunch(launch=make_launch(), token="t", request=request)


def test_the_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert make_prepared(a=1, b=2).digest == make_prepared(b=2, a=1).digest


def test_the_digest_tells_requests_apart() -> None:
    assert make_prepared(UserData="a").digest != make_prepared(UserData="b").digest


def test_a_prepared_launch_shows_no_user_data() -> None:
    assert "hunter2" not in repr(make_prepared(UserData="hunter2"))
