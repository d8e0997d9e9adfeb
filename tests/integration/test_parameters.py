"""AMIs that SSM parameters name, and those that are rolled out bit by bit, launched for real."""

from collections import Counter

import pytest

from farmhand.tables.records import runs
from tests.ec2_client import make_ssm_client
from tests.farm import BUILD, REGIONS, TRY, Farm
from tests.journal import read

pytestmark = pytest.mark.integration
EAST, WEST = REGIONS
BLD, TRIED = "bld-linux64", "try-linux64"
GOLDEN = "resolve:ssm:/golden/bld"


def put(farm: Farm, value: str, name: str = "/golden/bld", region: str = EAST) -> None:
    make_ssm_client(farm.ec2, region).put_parameter(
        Name=name, Value=value, Type="String", Overwrite=True
    )


def use_parameter(farm: Farm, reference: str = GOLDEN, region: str = EAST) -> None:
    farm.watch["instance_types"][BLD]["regions"][region]["ami"] = reference


def amis(farm: Farm) -> dict[str, int]:
    return dict(Counter(str(item["ami"]) for item in farm.ec2.instances()))


def why_not(farm: Farm) -> str:
    return " ".join(read(farm.database, runs)[-1]["summary"]["why_not"])


@pytest.mark.parametrize(
    ("reference", "chosen"), [(GOLDEN, "new"), (f"{GOLDEN}:1", "old"), (f"{GOLDEN}:stable", "old")]
)
def test_a_machine_starts_from_the_ami_that_a_parameter_names(
    farm: Farm, reference: str, chosen: str
) -> None:
    made = {name: farm.ec2.add_image(EAST, f"golden-{name}") for name in ("old", "new")}
    for ami in made.values():
        put(farm, ami)
    make_ssm_client(farm.ec2).label_parameter_version(
        Name="/golden/bld", ParameterVersion=1, Labels=["stable"]
    )
    use_parameter(farm, reference)
    farm.add_pending(BUILD)
    assert farm.run("-r", EAST).code == 0
    assert amis(farm) == {made[chosen]: 1}
    # asked once, and only where a type needs it
    assert [call.region for call in farm.ec2.calls("GetParameters")] == [EAST]


def test_ten_names_are_asked_for_in_one_call(farm: Farm) -> None:
    ami = farm.ec2.add_image(EAST, "golden")
    place = farm.watch["instance_types"][BLD]["regions"][EAST]
    for number in range(11):
        put(farm, ami, f"/golden/{number:02d}")
        named = {**place, "ami": f"resolve:ssm:/golden/{number:02d}"}
        settings = {"names": f"x{number}-%03d", "regions": {EAST: named}}
        farm.watch["instance_types"][f"x{number}"] = settings
    farm.ec2.clear_calls()
    assert farm.run("check", "--json").json["errors"] == []
    assert [len(call.params) for call in farm.ec2.calls("GetParameters")] == [10, 1]


def test_a_missing_parameter_rules_its_type_out_in_its_region_only(farm: Farm) -> None:
    use_parameter(farm)
    farm.add_pending(BUILD, 2)
    farm.add_pending(TRY)
    done = farm.run("run", "-r", EAST)
    assert (done.code, farm.names()) == (0, [f"{TRIED}-001"])
    assert "us-east-1: the SSM parameter /golden/bld does not exist" in why_not(farm)
    assert farm.run("run").code == 0
    assert {item["region"] for item in farm.ec2.instances() if BLD in item["name"]} == {WEST}


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ({"code": "AccessDeniedException"}, "GetParameters: AccessDeniedException"),
        ({"latency_s": 20}, "SSM parameters: no answer within"),
    ],
    ids=["refused", "hangs"],
)
def test_an_ssm_that_gives_no_answer_rules_out_what_needs_it(
    farm: Farm, fault: dict[str, object], why: str
) -> None:
    use_parameter(farm)
    farm.add_pending(BUILD)
    farm.add_pending(TRY)
    farm.ec2.add_fault(action="GetParameters", **fault)
    done = farm.run("run", "-r", EAST, "--deadline", "8")
    assert (done.code, farm.names()) == (0, [f"{TRIED}-001"])
    assert why in why_not(farm)


def test_a_value_that_is_no_ami_is_not_told_to_anybody(farm: Farm) -> None:
    put(farm, "hunter2")
    use_parameter(farm)
    farm.add_pending(BUILD)
    farm.ec2.clear_calls()
    done = farm.run("run", "-r", EAST, "-vv")
    assert "the SSM parameter /golden/bld holds no AMI id" in why_not(farm)
    sent = "".join(str(call.params) for call in farm.ec2.calls())
    assert "hunter2" not in done.out + why_not(farm) + sent


def test_check_finds_a_parameter_that_is_missing(farm: Farm) -> None:
    use_parameter(farm)
    put(farm, "ami-00000000", region=WEST)
    use_parameter(farm, region=WEST)
    found = farm.run("check", "--json").json["errors"]
    assert [(each["code"], each["message"]) for each in found] == [
        ("missing_ami", "the SSM parameter /golden/bld does not exist"),
        (
            "missing_ami",
            "ami-00000000, of the SSM parameter /golden/bld, does not exist or is not available",
        ),
    ]


# Rolling out


def add_latest(farm: Farm, region: str = EAST) -> str:
    return farm.ec2.add_image(region, "newest", tags={"moz-type": BLD, "moz-created": "4000000000"})


def test_the_newest_ami_is_given_to_its_share_of_the_machines(farm: Farm) -> None:
    latest, previous = add_latest(farm), farm.amis[EAST, BLD]
    farm.add_pending(BUILD, 4)
    assert farm.run("run", "-r", EAST, "--latest-ami-percentage", "25").code == 0
    assert amis(farm) == {latest: 1, previous: 3}
    farm.add_pending(BUILD, 4)
    assert farm.run("run", "-r", EAST, "--latest-ami-percentage", "50").code == 0
    assert amis(farm) == {latest: 4, previous: 4}
    farm.add_pending(BUILD, 2)
    assert farm.run("run", "-r", EAST).code == 0
    assert amis(farm) == {latest: 6, previous: 4}


def test_the_share_may_stand_in_the_configuration(farm: Farm) -> None:
    add_latest(farm)
    farm.watch["latest_ami_percentage"] = 0
    (answer,) = farm.run("explain", BUILD, "-r", EAST, "--json").json
    assert f"1 would start now, first {BLD}-001 from {farm.amis[EAST, BLD]}" in answer["reasons"]


@pytest.mark.parametrize("percentage", ["101", "-1", "ten"])
def test_a_share_is_a_percentage(farm: Farm, percentage: str) -> None:
    assert farm.run("run", "--latest-ami-percentage", percentage).code == 2
