"""Machines that share a call: what EC2 is asked for, what it gives, and who is named when."""

import re
import time

import pytest

from tests.ec2_control import name_of
from tests.farm import BUILD, REGIONS, TRY, Farm
from tests.journal import (
    known,
    launches,
    live,
    numbered,
    read,
    runs,
    states,
)

pytestmark = pytest.mark.integration
EAST, WEST = REGIONS
BEST = {"@az": f"{EAST}a", "InstanceType": "c7i.xlarge"}
NO_CAPACITY = "InsufficientInstanceCapacity"


@pytest.fixture(autouse=True)
def _with_groups(farm: Farm) -> None:
    farm.allow_groups()


def asked(farm: Farm) -> list[tuple[str, int]]:
    """List the launch calls: zone, and how many machines at most."""
    return [
        (call.params["Placement.AvailabilityZone"], int(call.params["MaxCount"]))
        for call in farm.ec2.calls("RunInstances")
    ]


def tagged_names(farm: Farm) -> list[str]:
    """List what the machines bear as their Name."""
    return sorted(str(item["tags"].get("Name")) for item in farm.ec2.instances())


# What is asked for


def test_more_machines_than_calls_allowed_at_once_share_one(farm: Farm) -> None:
    place = farm.watch["instance_types"]["bld-linux64"]["regions"][EAST]
    place |= {"domain": "build.example.com", "tags": {"purpose": "build"}}
    farm.add_pending(BUILD, 10)
    done = farm.run("--json")
    [call] = farm.ec2.calls("RunInstances")
    assert (done.code, call.params["MinCount"], call.params["MaxCount"]) == (0, "1", "10")
    names = numbered(10)
    full = [f"{name}.build.example.com" for name in names]
    token = call.client_token
    assert call.user_data == f"#!/bin/sh\necho {' '.join(names)} {' '.join(full)} {token}\n"
    shared = {
        "moz-type": "bld-linux64",
        "moz-state": "ready",
        "farmhand:farm": "test",
        "farmhand:launch": token,
        "purpose": "build",
    }
    listed = {"farmhand:names-0": ",".join(names), "farmhand:domain": "build.example.com"}
    assert call.tags("instance") == shared | listed
    for resource in ("volume", "network-interface", "spot-instances-request"):
        assert call.tags(resource) == shared
    ends = {item["name"]: item["instance_id"] for item in done.json["outcomes"]}
    assert ends == {name_of(item): item["id"] for item in farm.ec2.instances()}
    tags = {item["tags"]["Name"]: item["tags"]["FQDN"] for item in farm.ec2.instances()}
    assert tags == dict(zip(names, full, strict=True))
    rows = {row["name"]: row["token"] for row in read(farm.database, launches)}
    assert rows == {name: f"{token}-{index}" for index, name in enumerate(names)}


def test_few_machines_have_a_call_each_and_their_name_in_it(farm: Farm) -> None:
    farm.add_pending(BUILD, 4)
    farm.run()
    assert asked(farm) == [(f"{EAST}a", 1)] * 4
    assert "CreateTags" not in farm.ec2.call_counts()
    assert tagged_names(farm) == numbered(4)


def test_a_template_for_one_machine_has_a_call_for_each(farm: Farm) -> None:
    farm.watch["instance_types"]["try-linux64"]["user_data"] = "one.j2"
    (farm.directory / "one.j2").write_text("{{ names }} is {{ hostname }}\n")
    farm.add_pending(BUILD, 4, priority=1)
    farm.add_pending(TRY, 2)
    farm.run()
    assert asked(farm) == [(f"{EAST}a", 4), (f"{EAST}a", 1), (f"{EAST}a", 1)]
    assert tagged_names(farm) == numbered(4) + numbered(2, "try-linux64-%03d")


@pytest.mark.fault(
    "a group's user data gets too large", "the group is halved until it fits; all start; exit 0"
)
def test_a_group_whose_user_data_gets_too_large_is_halved(farm: Farm) -> None:
    make_room_for(farm, 3)
    farm.add_pending(BUILD, 10)
    done = farm.run()
    assert (done.code, sorted(most for _, most in asked(farm))) == (0, [2, 2, 3, 3])
    assert tagged_names(farm) == numbered(10)


def make_room_for(farm: Farm, names: int) -> None:
    """Let user data be so large that a list has room for so many names."""
    template = farm.directory / "worker.user-data.j2"
    template.write_text("{{ names }} ".ljust(12 + 16 * 1024 - 16 * names - 1, "#"))


# What is given


@pytest.mark.fault(
    "a group of ten, and EC2 has room for six",
    "six start there, the others at the next choice in the same run",
)
def test_a_group_of_ten_with_room_for_six_goes_on_at_the_next_choice(farm: Farm) -> None:
    farm.ec2.add_fault(action="RunInstances", match=BEST, room=6)
    farm.add_pending(BUILD, 10)
    done = farm.run("--json")
    first, *rest = asked(farm)
    assert (done.code, first, {zone for zone, _ in rest}) == (0, (f"{EAST}a", 10), {f"{EAST}b"})
    assert sum(most for _, most in rest) == 4  # one call, or four where the bucket has filled again
    demand = done.json["demands"][0]
    assert [(each["availability_zone"], len(each["names"])) for each in demand["launches"]] == [
        (f"{EAST}a", 6),
        (f"{EAST}b", 4),
    ]
    assert states(farm.database) == ["launched"] * 6 + ["failed"] * 4 + ["launched"] * 4
    assert tagged_names(farm) == numbered(10)
    refused = [each for each in done.json["outcomes"] if each["status"] == "no_capacity"]
    assert {each["reason"] for each in refused} == {"EC2 had no capacity for more than 6 of 10"}
    farm.run()
    assert known(farm.database) == live(farm.ec2)


def test_no_capacity_for_the_best_choice_is_asked_for_once(farm: Farm) -> None:
    farm.ec2.add_fault(action="RunInstances", match=BEST, code=NO_CAPACITY, status=500)
    farm.add_pending(BUILD, 10)
    assert farm.run().code == 0
    assert asked(farm) == [(f"{EAST}a", 10), (f"{EAST}b", 10)]
    assert tagged_names(farm) == numbered(10)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"code": "RequestLimitExceeded"}, id="throttled"),
        pytest.param({"drop": "before"}, id="dropped call"),
        pytest.param({"drop": "after"}, id="dropped answer"),
    ],
)
def test_a_group_is_asked_for_again_with_its_token(farm: Farm, fault: dict[str, str]) -> None:
    farm.ec2.add_fault(action="RunInstances", left=1, **fault)
    farm.add_pending(BUILD, 10)
    assert farm.run().code == 0
    assert len({call.client_token for call in farm.ec2.calls("RunInstances")}) == 1
    assert asked(farm) == [(f"{EAST}a", 10)] * 2
    assert tagged_names(farm) == numbered(10)


@pytest.mark.fault(
    "the call of a group gets no answer", "all its launches stay open; nothing is launched again"
)
def test_a_group_without_an_answer_stays_open_whole(farm: Farm) -> None:
    farm.ec2.add_fault(action="RunInstances", drop="after")
    farm.add_pending(BUILD, 10)
    done = farm.run("--json", "--deadline", "5")
    assert (done.code, states(farm.database)) == (3, ["called"] * 10)
    assert {each["status"] for each in done.json["outcomes"]} == {"unknown"}
    farm.ec2.clear_faults()
    assert farm.run().code == 0
    assert states(farm.database) == ["seen"] * 10
    assert (farm.names(), tagged_names(farm)) == (numbered(10), numbered(10))


def test_a_group_not_shown_yet_is_not_launched_again(farm: Farm) -> None:
    farm.ec2.settings(lag_s=3600)
    farm.add_pending(BUILD, 10)
    farm.run()
    assert farm.run("--json").json["demands"][0]["in_flight"] == 10
    assert asked(farm) == [(f"{EAST}a", 10)]
    farm.ec2.settings(lag_s=0)
    farm.run()
    assert known(farm.database) == live(farm.ec2)
    assert len(farm.ec2.calls("CreateTags")) == 10


# Names


@pytest.mark.fault(
    "a group started, and CreateTags fails",
    "the machines keep their list of names; the next run writes the Name tags",
)
def test_names_that_can_not_be_written_are_written_by_the_next_run(farm: Farm) -> None:
    refused = {"code": "UnauthorizedOperation", "status": 403}
    farm.ec2.add_fault(action="CreateTags", **refused)
    farm.add_pending(BUILD, 10)
    done = farm.run()
    assert (done.code, tagged_names(farm), farm.names()) == (3, ["None"] * 10, numbered(10))
    assert "10 machines run without the tags Name and FQDN; the next run that" in done.err
    [row] = read(farm.database, runs)
    assert (row["summary"]["launched"], row["summary"]["unnamed"]) == (10, 10)
    assert row["summary"]["api_calls"]["CreateTags"] == 10
    farm.ec2.clear_faults()
    farm.run("--dry-run")
    assert tagged_names(farm) == ["None"] * 10
    assert farm.run("--json").json["outcomes"] == []
    assert (tagged_names(farm), len(asked(farm))) == (numbered(10), 1)
    farm.ec2.clear_calls()
    assert farm.run().code == 0
    assert farm.ec2.calls("CreateTags") == []


def test_a_name_is_written_again_where_ec2_does_not_know_its_machine_yet(farm: Farm) -> None:
    farm.ec2.add_fault(action="CreateTags", code="InvalidInstanceID.NotFound", left=1)
    farm.add_pending(BUILD, 10)
    assert farm.run().code == 0
    assert tagged_names(farm) == numbered(10)


def test_a_name_that_differs_from_its_list_is_put_right(farm: Farm) -> None:
    farm.add_pending(BUILD, 10)
    farm.run()
    one = farm.ec2.instances()[0]
    farm.ec2.poke_instance(one["id"], tags={"Name": "mine"})
    farm.ec2.clear_calls()
    assert farm.run("--json").json["demands"][0]["in_flight"] == 10
    assert len(farm.ec2.calls("CreateTags")) == 1
    assert tagged_names(farm) == numbered(10)


def test_another_farm_s_machines_are_not_named_and_their_names_not_given(farm: Farm) -> None:
    theirs = {"farmhand:farm": "staging", "farmhand:names-0": "bld-linux64-001,bld-linux64-002"}
    farm.start_by_hand(WEST, theirs, count=2)
    farm.add_pending()
    assert farm.run().code == 0
    assert farm.names() == numbered(3)
    assert farm.ec2.calls("CreateTags") == []


def test_writing_names_ends_with_the_deadline(farm: Farm) -> None:
    farm.ec2.add_fault(action="CreateTags", latency_s=60)
    farm.add_pending(BUILD, 10)
    started = time.monotonic()
    done = farm.run("--deadline", "8")
    assert (done.code, time.monotonic() - started < 30) == (3, True)
    assert re.search("Name and FQDN.*(no answer by the deadline|the deadline came)", done.err)
    assert farm.names() == numbered(10)


def test_eighty_machines_in_two_regions_are_named_within_ec2_s_rate(farm: Farm) -> None:
    for region in REGIONS:
        farm.watch["spot"]["limits"][region]["bld-linux64"] = 40
    farm.ec2.settings(buckets=True)
    farm.add_pending(BUILD, 80)
    done = farm.run()
    assert (done.code, tagged_names(farm)) == (0, numbered(80)), done.err
    assert farm.ec2.throttled_counts() == {}
    assert len(asked(farm)) == 2
