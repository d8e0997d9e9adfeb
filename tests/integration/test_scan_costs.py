"""What a scan costs: as many SQL statements for twelve daemons as for two."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.scan_farm import Job, ScanFarm, running_scan_farm
from tests.services import DatabaseServer

pytestmark = pytest.mark.integration
FILES = {"hello_1.0-1_i386.deb": b"a package"}


@pytest.fixture
def counted(tmp_path: Path, mariadb: DatabaseServer) -> Iterator[ScanFarm]:
    """A farm on MariaDB, which counts what it is asked; each wave waits for all daemons."""
    name = f"costs_{uuid.uuid4().hex[:12]}"
    with running_scan_farm(tmp_path, mariadb.create_database(name)) as farm:
        farm.scanner["wave_s"] = 60
        yield farm
    mariadb.drop_database(name)


def questions(farm: ScanFarm) -> int:
    with farm.engine.connect() as connection:
        row = connection.execute(sa.text("SHOW GLOBAL STATUS LIKE 'Questions'")).one()
    return int(row[1])


def count_scan(farm: ScanFarm) -> int:
    before = questions(farm)
    assert farm.scan().code == 0
    return questions(farm) - before


def cost_of_cycle(farm: ScanFarm, names: list[str]) -> list[int]:
    """Count the statements of a scan that starts jobs, one that follows, one that collects."""
    for name in names:
        farm.add_build(name)
    started = count_scan(farm)
    followed = count_scan(farm)
    return [started, followed, count_scan(farm)]


def test_statements_do_not_grow_with_the_number_of_daemons(counted: ScanFarm) -> None:
    names = [f"d{number:02d}" for number in range(12)]
    for name in names[:2]:
        counted.add_daemon(name).default_job = Job(files=FILES, polls=1)
    counted.scan()  # makes the first of what is made once
    few = cost_of_cycle(counted, names[:2])
    for name in names[2:]:
        counted.add_daemon(name).default_job = Job(files=FILES, polls=1)
    many = cost_of_cycle(counted, names)
    assert {row["state"] for row in counted.rows("builds")} == {"fullybuilt"}
    assert many == few
    assert max(many) < 150


def test_a_daemon_is_asked_no_more_than_it_must_be(bobs: ScanFarm) -> None:
    daemon = bobs.add_daemon()
    daemon.default_job = Job(files=FILES, polls=1)
    bobs.add_build()
    counts = []
    for _ in range(4):
        before = len(daemon.requests)
        bobs.scan()
        counts.append(len(daemon.requests) - before)
    # Status, info, two files, status, build; status; status, log, file, clean; status.
    assert counts == [6, 1, 4, 1]
