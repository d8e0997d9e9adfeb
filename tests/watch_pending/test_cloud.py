"""Which regions are lost, and when that is too much."""

import os
import time
from typing import TYPE_CHECKING

import pytest
from botocore.stub import Stubber

from farmhand.command import Run
from farmhand.errors import Unavailable
from tests.builders import EAST, NOW, WEST, make_config
from watch_pending.aws import Aws
from watch_pending.cloud import open_aws, read_cloud
from watch_pending.models import Cloud

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


class EmptyAws(Aws):
    """Regions without any instance; nothing else may be asked of them."""

    def reader(self, region: str) -> "EC2Client":
        client = super().reader(region)
        stubber = Stubber(client)
        stubber.add_response("describe_instances", {"Reservations": []})
        stubber.activate()
        return client


def read(*regions: str, launch_regions: tuple[str, ...] | None = None) -> Cloud:
    run = Run(
        command="watch-pending",
        verb="run",
        host="host",
        config_path=None,
        environ=os.environ,
        now=NOW,
        started=time.monotonic(),
        deadline_s=60,
    )
    config = make_config(region_priorities=dict.fromkeys(regions, 1), instance_types={})
    return read_cloud(run, EmptyAws("id", "secret"), config, launch_regions)


def test_an_unknown_profile_is_one_line_and_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(Unavailable, match=r"^AWS session: The config profile \(nobody\).*$"):
        open_aws(None)


def test_a_malformed_region_is_lost_and_stops_no_other() -> None:
    cloud = read("us_east", WEST)
    assert (list(cloud.lost), set(cloud.listed)) == (["us_east"], {WEST})


def test_regions_that_are_all_lost_are_unavailable() -> None:
    with pytest.raises(Unavailable, match="EC2 answered in no region: Provided region_name"):
        read("us_east", "us_west")


def test_regions_to_launch_in_that_are_all_lost_are_unavailable() -> None:
    with pytest.raises(Unavailable, match="EC2 answered in none of us_east: Provided region_name"):
        read("us_east", WEST, launch_regions=("us_east",))


@pytest.mark.parametrize("launch_regions", [(WEST,), ("us_east", WEST), ()])
def test_a_region_to_launch_in_is_enough(launch_regions: tuple[str, ...]) -> None:
    assert read("us_east", WEST, EAST, launch_regions=launch_regions).listed == {EAST, WEST}
