"""Clocks that jump while a build runs: it is given once, never aborted, and collected."""

import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.jumps import make_jump
from tests.scan_farm import Job, ScanFarm, running_scan_farm
from tests.services import DatabaseServer

pytestmark = pytest.mark.integration
HOURS = 3600


def has_ended_well(farm: ScanFarm, build: int) -> bool:
    daemon = farm.daemons["bob"]
    once = (len(daemon.called("build")), daemon.called("abort")) == (1, [])
    return once and farm.build(build)["state"] == "fullybuilt"


@pytest.mark.fault(
    "the clock of the manager host jumps during scans", "the build is started once and ends well"
)
def test_no_decision_follows_the_host_s_clock(bobs: ScanFarm, tmp_path: Path) -> None:
    bobs.add_daemon().default_job = Job(polls=1)
    build = bobs.add_build()
    environ = make_jump(tmp_path) | {"FARMHAND_STATE": str(tmp_path / "manager")}
    command = [sys.executable, "-m", "scanner.cli", "scan", "-c", str(bobs.write_config())]
    for _ in ("starts", "follows", "collects"):
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert has_ended_well(bobs, build)


@pytest.mark.fault(
    "the clock of the scanner's database is set by hours", "no build is ended for it"
)
def test_a_database_whose_clock_is_set_does_not_end_a_build(
    tmp_path: Path, mariadb: DatabaseServer, skewed: Callable[[float], str]
) -> None:
    name = f"clocks_{uuid.uuid4().hex[:12]}"
    with running_scan_farm(tmp_path, mariadb.create_database(name)) as farm:
        daemon, url = farm.add_daemon(), farm.url
        daemon.default_job = Job(polls=2)
        for jump in (-2 * HOURS, 2 * HOURS):
            daemon.calls.clear()
            farm.url = url
            build = farm.add_build()
            assert farm.scan().code == 0  # the build begins
            farm.url = url.replace("//root@", f"//{skewed(jump)}@")
            farm.scan_until_ended(build)
            assert has_ended_well(farm, build)
    mariadb.drop_database(name)
