"""`amis publish`: the list of AMIs in a file or in S3, whole or not at all."""

import json
from pathlib import Path

import pytest

from farmhand.tables.records import runs
from tests.ec2_client import make_s3_client
from tests.farm import REGIONS, TYPES, Farm
from tests.journal import read

pytestmark = pytest.mark.integration
EAST, WEST = REGIONS
BLD, TRIED = TYPES


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where the list goes."""
    return tmp_path / "amis.json"


def test_the_list_has_the_available_amis_of_all_regions(farm: Farm, target: Path) -> None:
    farm.ec2.add_image(EAST, "half-made", state="pending", tags={"moz-type": BLD})
    done = farm.run("amis", "publish", str(target))
    assert (done.code, done.out) == (0, "")
    images = json.loads(target.read_text())
    assert sorted(images) == sorted(farm.amis.values())
    image = images[farm.amis[WEST, TRIED]]
    assert (image["region"], image["tags"]) == (WEST, {"moz-type": TRIED})
    assert image["block_device_mapping"]["/dev/sda1"]["size_gib"] == 8
    assert target.stat().st_mode & 0o777 == 0o644
    (row,) = read(farm.database, runs)
    assert (row["command"], row["verb"]) == ("watch-pending amis", "publish")
    assert row["summary"]["amis"] == 4


def test_only_the_regions_of_r_are_in_it(farm: Farm, target: Path) -> None:
    done = farm.run("amis", "publish", "-r", WEST, str(target), "--json")
    assert done.json == {
        "destination": str(target),
        "amis": 2,
        "counts": [{"region": WEST, "instance_type": each, "amis": 1} for each in TYPES],
        "written": True,
    }
    assert {each["region"] for each in json.loads(target.read_text()).values()} == {WEST}


def test_a_dry_run_counts_and_writes_nothing(farm: Farm, target: Path) -> None:
    farm.forget_database()
    done = farm.run("amis", "publish", str(target), "--dry-run", "--json")
    assert (done.code, done.json["amis"], done.json["written"]) == (0, 4, False)
    assert not target.exists()
    assert not (farm.directory / "state").exists()


@pytest.mark.fault(
    "amis publish: a region does not answer",
    "the old list stays; exit 4: nothing is published, with the region's name",
)
def test_a_region_that_does_not_answer_leaves_the_old_list(farm: Farm, target: Path) -> None:
    target.write_text("the old one")
    farm.ec2.add_fault(action="DescribeImages", region=WEST, code="UnauthorizedOperation")
    done = farm.run("amis", "publish", str(target))
    assert (done.code, target.read_text()) == (4, "the old one")
    assert f"nothing is published: of {WEST} the AMIs are not known" in done.err
    assert list(target.parent.glob(".amis*")) == []


@pytest.mark.fault("amis publish: the file can't be written", "exit 3 with the reason")
def test_a_file_that_cannot_be_written_ends_in_3(farm: Farm, tmp_path: Path) -> None:
    done = farm.run("amis", "publish", str(tmp_path / "missing/amis.json"))
    assert done.code == 3
    assert "No such file or directory" in done.err


# S3


@pytest.mark.parametrize("public", [True, False])
def test_the_list_goes_to_s3(farm: Farm, public: bool) -> None:
    s3 = make_s3_client(farm.ec2)
    s3.create_bucket(Bucket="farm-public")
    options = ["--public"] if public else []
    assert farm.run("amis", "publish", "s3://farm-public/a/amis.json", *options).code == 0
    (call,) = farm.ec2.calls("PutObject")
    assert call.params["ACL"] == ("public-read" if public else "")
    written = s3.get_object(Bucket="farm-public", Key="a/amis.json")
    assert written["ContentType"] == "application/json"
    assert sorted(json.loads(written["Body"].read())) == sorted(farm.amis.values())


@pytest.mark.fault("amis publish: S3 refuses", "exit 3 with the bucket and AWS's code")
def test_a_bucket_that_refuses_ends_in_3(farm: Farm) -> None:
    done = farm.run("amis", "publish", "s3://farm-public/amis.json")
    assert done.code == 3
    assert "s3://farm-public: PutObject: NoSuchBucket" in done.err


def test_a_dry_run_asks_nothing_of_s3(farm: Farm) -> None:
    assert farm.run("amis", "publish", "s3://farm-public/amis.json", "-n").code == 0
    assert set(farm.ec2.call_counts()) == {"DescribeImages"}


@pytest.mark.fault("amis publish: what is named is no destination", "exit 2")
@pytest.mark.parametrize("words", [("s3://farm-public",), ("amis.json", "--public"), ()])
def test_what_is_no_destination_is_refused(farm: Farm, words: tuple[str, ...]) -> None:
    assert farm.run("amis", "publish", *words).code == 2
