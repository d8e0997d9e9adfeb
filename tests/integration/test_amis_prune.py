"""`amis prune`: what goes, what stays, what fails, and what a killed run leaves."""

import fcntl
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from farmhand.tables.records import runs
from tests.ec2_client import make_client, make_ssm_client
from tests.farm import BUILD, REGIONS, TYPES, Farm
from tests.journal import kill, read, wait_until
from tests.processes import Finished

pytestmark = pytest.mark.integration
EAST, WEST = REGIONS
BLD = TYPES[0]
CHANGES = {"CreateTags", "DeleteSnapshot", "DeregisterImage"}


def add(farm: Farm, age: int, region: str = EAST, farm_tag: str = "test", **more: Any) -> str:
    """Register an AMI of ours; the greater its age, the older."""
    tags = {"moz-type": BLD, "moz-created": str(1_000_000 - age), "farmhand:farm": farm_tag}
    return farm.ec2.add_image(region, f"spot-{region}-{age}", tags=tags, **more)


def prune(farm: Farm, *words: str) -> Finished:
    return farm.run("amis", "prune", "--json", "--keep-last", "1", *words)


def images(farm: Farm, region: str = EAST) -> set[str]:
    found = make_client(farm.ec2, region).describe_images(Owners=["self"])["Images"]
    return {image["ImageId"] for image in found} - set(farm.amis.values())


def snapshots(farm: Farm, region: str = EAST) -> set[str]:
    found = make_client(farm.ec2, region).describe_snapshots(OwnerIds=["self"])["Snapshots"]
    return {item["SnapshotId"] for item in found}


def snapshots_of(farm: Farm, ami: str, region: str = EAST) -> set[str]:
    (image,) = make_client(farm.ec2, region).describe_images(ImageIds=[ami])["Images"]
    return {disk["Ebs"]["SnapshotId"] for disk in image["BlockDeviceMappings"]}


def fates(done: Finished) -> Counter[str]:
    return Counter(each["fate"] for each in done.json["outcomes"])


def verdicts(done: Finished) -> dict[str, str]:
    return {each["ami"]: each["verdict"] for each in done.json["kept"]}


def test_old_amis_go_with_all_their_snapshots(farm: Farm, tmp_path: Path) -> None:
    newest, old, older = add(farm, 1), add(farm, 2, more_disks=2), add(farm, 3)
    there = snapshots(farm)
    gone = snapshots_of(farm, old) | snapshots_of(farm, older)
    textfile = tmp_path / "prune.prom"
    done = farm.run("amis", "prune", "--keep-last", "1", "--metrics-textfile", str(textfile))
    assert (done.code, done.out) == (0, "")
    assert images(farm) == {newest}
    assert (len(gone), snapshots(farm)) == (4, there - gone)
    (row,) = read(farm.database, runs)
    assert (row["command"], row["verb"], row["exit_code"]) == ("watch-pending amis", "prune", 0)
    counts = {key: row["summary"][key] for key in ("planned", "deregistered", "deleted", "failed")}
    assert counts == {"planned": 2, "deregistered": 2, "deleted": 4, "failed": 0}
    line = 'farmhand_watch_pending_amis_prune_outcomes{fate="deleted",region="us-east-1"} 4.0'
    assert line in textfile.read_text()


def test_a_dry_run_says_what_would_go_and_changes_nothing(farm: Farm) -> None:
    farm.forget_database()
    newest, old = add(farm, 1), add(farm, 2)
    done = prune(farm, "--dry-run")
    (item,) = done.json["prune"]
    assert (done.code, item["ami"]) == (0, old)
    assert set(item["snapshots"]) == snapshots_of(farm, old)
    assert (done.json["outcomes"], verdicts(done)[newest]) == ([], "newest")
    assert not CHANGES & set(farm.ec2.call_counts())
    assert not (farm.directory / "state").exists()
    assert old in farm.run("amis", "prune", "--keep-last", "1", "--dry-run").out


def test_every_kind_is_kept_for_itself(farm: Farm) -> None:
    kept = {add(farm, 1), add(farm, 2, root_device_type="instance-store"), add(farm, 3, WEST)}
    gone = add(farm, 4, root_device_type="instance-store")
    done = prune(farm)
    assert [(each["ami"], each["snapshot"]) for each in done.json["outcomes"]] == [(gone, None)]
    assert images(farm) | images(farm, WEST) == kept


def test_what_is_in_use_stays(farm: Farm) -> None:
    newest = add(farm, 1)
    run, launched, named, parameter, template = (add(farm, age) for age in range(2, 7))
    client = make_client(farm.ec2)
    client.run_instances(ImageId=run, InstanceType="c5.large", MinCount=1, MaxCount=1)
    client.create_launch_template(
        LaunchTemplateName="template", LaunchTemplateData={"ImageId": template}
    )
    client.create_launch_template_version(
        LaunchTemplateName="template", LaunchTemplateData={"ImageId": newest}
    )
    make_ssm_client(farm.ec2).put_parameter(Name="/golden/old", Value=parameter, Type="String")
    place = farm.watch["instance_types"][BLD]["regions"][EAST]
    place["ami"] = launched
    farm.ec2.settings(lag_s=3600)
    farm.add_pending(BUILD)
    assert farm.run("run", "-r", EAST).code == 0
    place |= {"ami": "resolve:ssm:/golden/old", "ami_if_untagged": named}
    farm.ec2.settings(lag_s=0)
    (instance,) = (each for each in farm.ec2.instances() if each["ami"] == launched)
    farm.ec2.poke_instance(str(instance["id"]), state="terminated")  # its row is open still
    done = prune(farm)
    assert (done.code, done.json["outcomes"]) == (0, [])
    used = {run, launched, named, parameter, template}
    assert {ami for ami, verdict in verdicts(done).items() if verdict == "in_use"} == used | {
        newest
    }


def test_amis_of_others_stay_and_are_shown(farm: Farm) -> None:
    add(farm, 1)
    foreign = add(farm, 2, farm_tag="staging")
    untagged = farm.amis[EAST, BLD]
    done = prune(farm)
    why = {each["ami"]: each["why"] for each in done.json["kept"]}
    assert why[foreign] == "it is of farm staging"
    assert why[untagged] == "it bears no tag farmhand:farm"
    assert foreign in images(farm)


# Failures


@pytest.mark.fault(
    "a snapshot of a pruned AMI is in use",
    "it is an outcome with AWS's code, the rest goes on; exit 3; the next run deletes it",
)
def test_a_snapshot_that_stays_is_an_outcome_and_the_rest_goes_on(farm: Farm) -> None:
    add(farm, 1)
    stuck, other = add(farm, 3), add(farm, 2)
    (snapshot,) = snapshots_of(farm, stuck)
    match = {"SnapshotId": snapshot}
    farm.ec2.add_fault(action="DeleteSnapshot", match=match, code="InvalidSnapshot.InUse")
    done = prune(farm)
    assert (done.code, fates(done)) == (3, {"deregistered": 2, "deleted": 1, "failed": 1})
    (failed,) = (each for each in done.json["outcomes"] if each["fate"] == "failed")
    assert (failed["snapshot"], failed["ami"]) == (snapshot, stuck)
    assert "InvalidSnapshot.InUse" in failed["why"]
    assert not {stuck, other} & images(farm)
    farm.ec2.clear_faults()
    again = prune(farm)
    assert again.json["orphans"] == [{"region": EAST, "snapshot": snapshot, "ami": stuck}]
    assert (again.code, fates(again)) == (0, {"deleted": 1})
    assert snapshot not in snapshots(farm)


@pytest.mark.fault(
    "amis prune: {action} is refused",
    "the AMI and its snapshots stay; exit 3; the next run prunes them",
)
@pytest.mark.parametrize("action", ["CreateTags", "DeregisterImage"])
def test_an_ami_that_cannot_go_keeps_its_snapshots(farm: Farm, action: str) -> None:
    add(farm, 1)
    old = add(farm, 2)
    before = snapshots(farm)
    farm.ec2.add_fault(action=action, code="UnauthorizedOperation")
    done = prune(farm)
    assert (done.code, fates(done)) == (3, {"failed": 1})
    assert (old in images(farm), snapshots(farm)) == (True, before)
    farm.ec2.clear_faults()
    assert fates(prune(farm)) == {"deregistered": 1, "deleted": 1}


@pytest.mark.fault("another run has pruned an AMI meanwhile", "it counts as done")
def test_what_another_run_has_done_already_is_no_failure(farm: Farm) -> None:
    add(farm, 1)
    add(farm, 2)
    for action, code in (
        ("DeregisterImage", "InvalidAMIID.Unavailable"),
        ("DeleteSnapshot", "InvalidSnapshot.NotFound"),
    ):
        farm.ec2.add_fault(action=action, code=code)
    assert fates(prune(farm)) == {"deregistered": 1, "deleted": 1}


@pytest.mark.fault(
    "amis prune: one region does not answer {action}",
    "nothing is pruned there; the others are; exit 3",
)
@pytest.mark.parametrize(
    "action", ["DescribeImages", "DescribeInstances", "DescribeSnapshots", "GetParameters"]
)
def test_a_region_of_which_anything_is_missing_is_left_alone(farm: Farm, action: str) -> None:
    for region in REGIONS:
        add(farm, 1, region)
        add(farm, 2, region)
        place = farm.watch["instance_types"][BLD]["regions"][region]
        place["ami"] = "resolve:ssm:/golden/old"
    farm.ec2.add_fault(action=action, region=WEST, code="UnauthorizedOperation")
    done = prune(farm)
    farm.ec2.clear_faults()
    assert (done.code, len(images(farm)), len(images(farm, WEST))) == (3, 1, 2)


@pytest.mark.fault("amis prune: no region answers", "exit 4")
def test_no_region_at_all_ends_in_4(farm: Farm) -> None:
    farm.ec2.add_fault(action="DescribeImages", code="UnauthorizedOperation")
    assert prune(farm).code == 4


@pytest.mark.fault(
    "amis prune may not read launch templates", "a warning; the rest is pruned; exit 0"
)
def test_launch_templates_that_cannot_be_read_cost_a_warning(farm: Farm) -> None:
    add(farm, 1)
    add(farm, 2)
    farm.ec2.add_fault(action="DescribeLaunchTemplates", code="UnauthorizedOperation")
    done = prune(farm)
    assert (done.code, fates(done)) == (0, {"deregistered": 1, "deleted": 1})
    assert "launch templates can't be read" in done.err


@pytest.mark.fault("amis prune runs twice at once", "the second exits 75")
def test_one_run_at_a_time(farm: Farm) -> None:
    lock = farm.directory / "state/watch-pending-amis-prune.lock"
    lock.parent.mkdir()
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert prune(farm).code == 75


# Killed


@pytest.mark.fault(
    "amis prune is killed (kill -9) before the AMI went", "the next run does it again"
)
def test_a_run_killed_before_the_ami_went_is_done_again(farm: Farm) -> None:
    add(farm, 1)
    add(farm, 2)
    farm.ec2.add_fault(action="DeregisterImage", latency_s=1, drop="before", left=1)
    command = farm.start("amis", "prune", "--keep-last", "1")
    wait_until(lambda: farm.ec2.calls("DeregisterImage"))
    kill(command)
    assert fates(prune(farm)) == {"deregistered": 1, "deleted": 1}


@pytest.mark.fault(
    "amis prune is killed (kill -9) after the AMI went",
    "the next run finds the snapshots that were left and deletes them",
)
def test_a_run_killed_after_the_ami_went_leaves_what_the_next_one_finds(farm: Farm) -> None:
    add(farm, 1)
    old = add(farm, 2, more_disks=1)
    left = snapshots_of(farm, old)
    farm.ec2.add_fault(action="DeregisterImage", hold_s=2, left=1)
    command = farm.start("amis", "prune", "--keep-last", "1")
    wait_until(lambda: old not in images(farm))
    kill(command)
    assert left <= snapshots(farm)
    done = prune(farm)
    assert {each["snapshot"] for each in done.json["orphans"]} == left
    assert (fates(done), snapshots(farm) & left) == ({"deleted": 2}, set())
