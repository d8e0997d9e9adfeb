"""check_ami with a real metadata service and a real web server, and what it says to the halt."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from runner.chores.check_ami import plan
from runner.chores.frame import Plan
from runner.chores.settings import CheckAmi
from runner.chores.wishes import read_wish
from runner.metadata import Metadata, NoMetadata, is_on_ec2
from runner.protocol import TaskCode
from tests.builders import NOW
from tests.chores import make_call
from tests.json_server import DRIPS, HANGS_UP, HTML, JsonServer, Says, running_json_server
from tests.machine_metadata import MetadataServer, running_metadata
from watch_pending.amis.publish_form import format_image, format_list

pytestmark = pytest.mark.integration
INSTANCE = "i-0123456789abcdef0"


def make_list(*amis: str) -> bytes:
    """As `watch-pending amis publish` writes it: each a day younger than the one before."""
    return format_list(
        format_image(
            {
                "ImageId": ami,
                "State": "available",
                "CreationDate": (NOW - timedelta(days=len(amis) - place)).isoformat(),
                "Tags": [{"Key": "moz-type", "Value": "bld-linux64"}],
            },
            "us-east-1",
        )
        for place, ami in enumerate(amis)
    )


@pytest.fixture(scope="module")
def metadata() -> Iterator[MetadataServer]:
    with running_metadata() as server:
        server.said[INSTANCE] = {
            "ami-id": "ami-1",
            "placement/region": "us-east-1",
            "tags/instance/moz-type": "bld-linux64",
        }
        yield server


@pytest.fixture(scope="module")
def web() -> Iterator[JsonServer]:
    with running_json_server({}) as server:
        yield server


def look(
    home: Path, metadata_url: str, settings: CheckAmi, instance: str | None = INSTANCE
) -> Plan:
    environ = {"FARMHAND_INSTANCE_ID": instance} if instance else {}
    call = make_call(home, environ, now=NOW, runner={"metadata_url": metadata_url})
    return plan(call, settings)


def test_a_machine_of_an_old_ami_is_recycled_and_the_halt_is_told(
    tmp_path: Path, metadata: MetadataServer, web: JsonServer
) -> None:
    url = metadata.url_of(INSTANCE)
    web.routes["/amis.json"] = Says(body=make_list("ami-1", "ami-2"))
    published = CheckAmi(amis=f"{web.url}/amis.json")
    found = look(tmp_path, url, published)
    assert read_wish(tmp_path / "state", "first boot") is None
    outcome = found.act()
    assert (outcome.code, "ami-1 is old, ami-2 is there" in outcome.why) == (TaskCode.HALT, True)
    wish = read_wish(tmp_path / "state", "first boot")
    assert wish is not None
    assert wish.action == "terminate"
    golden = look(tmp_path, url, CheckAmi(amis=published.amis, skip=("x", "bld-0")))
    assert (golden.act().code, golden.lines) == (0, ("bld-001 is left alone: bld-0",))


def test_a_machine_of_the_newest_goes_on(tmp_path: Path, metadata: MetadataServer) -> None:
    file = tmp_path / "amis\n.json"
    file.write_bytes(make_list("ami-0", "ami-1"))
    found = look(tmp_path, metadata.url_of(INSTANCE), CheckAmi(amis=str(file)))
    assert (found.act().code, found.lines) == (0, ("ami-1 is the newest",))


DEEP = Says(body=b"[" * 100_000)
BAD = {"none": None, "drips": DRIPS, "leaves": HANGS_UP, "html": HTML, "deep": DEEP}


@pytest.mark.fault(
    "the list of AMIs can't be read: {id}", "a warning: the machine goes on as it is"
)
@pytest.mark.parametrize("how", BAD)
def test_a_list_that_can_not_be_read_holds_no_machine_up(
    tmp_path: Path,
    metadata: MetadataServer,
    web: JsonServer,
    how: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    says = BAD[how]
    place = str(tmp_path / "none") if says is None else f"{web.url}/{how}"
    if says is not None:
        web.routes[f"/{how}"] = says
    settings = CheckAmi(amis=place, timeout_s=0.2)
    assert look(tmp_path, metadata.url_of(INSTANCE), settings).act().code == TaskCode.OK
    assert [each.levelname for each in caplog.records] == ["WARNING"]
    assert "goes on as it is" in caplog.text


@pytest.mark.fault(
    "the metadata service does not answer check_ami", "a warning: the machine goes on"
)
def test_metadata_that_does_not_answer_holds_no_machine_up(
    tmp_path: Path, metadata: MetadataServer, caplog: pytest.LogCaptureFixture
) -> None:
    settings = CheckAmi(amis=str(tmp_path / "none"))
    for url in ("http://127.0.0.1:1", metadata.url_of("i-other")):
        assert look(tmp_path, url, settings).act().code == TaskCode.OK
    assert len(caplog.records) == 2
    with pytest.raises(NoMetadata, match="no token: status 404"):
        Metadata(url=metadata.url_of("i-other")).read("ami-id")
    assert Metadata(url=metadata.url_of(INSTANCE)).read("spot/instance-action") is None


def test_a_machine_that_is_none_of_ec2_s_asks_nobody(tmp_path: Path) -> None:
    vendor = tmp_path / "sys_vendor"
    assert not is_on_ec2({"FARMHAND_INSTANCE_ID": "hardware-7"}, vendor)
    vendor.write_text("Amazon EC2\n")
    assert is_on_ec2({}, vendor)
    found = look(tmp_path, "http://127.0.0.1:1", CheckAmi(amis="/none"), instance=None)
    assert found.lines == ("this machine is none of EC2's",)
