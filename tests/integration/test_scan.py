"""`scanner scan`, end to end: daemons on real sockets, scans as processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scan_farm import Era, Job, ScanFarm, running_scan_farm

pytestmark = pytest.mark.integration


@pytest.fixture
def scans(tmp_path: Path) -> Iterator[ScanFarm]:
    """A farm of daemons on SQLite."""
    with running_scan_farm(tmp_path, f"sqlite:///{tmp_path}/farm.sqlite") as farm:
        yield farm


@pytest.mark.parametrize("era", list(Era), ids=lambda era: era.value)
def test_a_build_is_given_followed_collected_and_cleaned(scans: ScanFarm, era: Era) -> None:
    daemon = scans.add_daemon(era=era)
    daemon.default_job = Job(files={"hello_1.0-1_i386.deb": b"a package"}, polls=2)
    build = scans.add_build()
    scans.scan_until_ended(build)
    row = scans.build(build)
    assert (row["state"], row["failure_count"]) == ("fullybuilt", 0)
    assert scans.log(build) == b"building\ndone\n"
