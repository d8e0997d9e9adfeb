"""A load that is killed leaves nothing, of two at once one wins; memory does not grow with rows."""

import signal
import time
import tracemalloc
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from farmhand.tables.farm import allocations
from slavealloc.bulk.dbadmin import dump_database, load_database
from tests.allocators import make_places_database
from tests.bulk_farm import (
    LATE,
    count,
    direct,
    dump,
    is_shipped,
    is_small_farm,
    load,
    make_allocation,
    make_dump,
    make_run,
    make_worker,
    opened,
    start,
)

pytestmark = pytest.mark.integration
ENOUGH = 8_000  # to be killed in the middle of it
MANY = 25_000
LIMIT_S = 60
MOST_MEMORY = 6 * 2**20  # all rows as dictionaries would be far more


@pytest.fixture
def url(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database as `slavealloc dbinit` makes it."""
    monkeypatch.chdir(tmp_path)
    make_places_database(database_url).dispose()
    return database_url


def write_large(path: Path, count: int) -> Path:
    """Write a dump that takes a while to load."""
    rows = [
        ("allocations", make_allocation(i, 1, None, LATE + timedelta(microseconds=i)))
        for i in range(1, count + 1)
    ]
    path.write_bytes(make_dump([("workers", make_worker(1, pool_id=None)), *rows]))
    return path


def is_writing(engine: sa.Engine) -> bool:
    """Whether a transaction that writes is under way."""
    if engine.dialect.name == "sqlite":
        return Path(f"{engine.url.database}-journal").exists()
    unsure = engine.execution_options(isolation_level="READ UNCOMMITTED")
    with unsure.connect() as connection:
        return (connection.scalar(sa.select(sa.func.max(allocations.c.id))) or 0) > 1_000


@pytest.mark.fault(
    "dbload is killed (kill -9) in the middle",
    "the database is as empty as before; a second load works",
)
@pytest.mark.parametrize("kind", [pytest.param("sqlite", marks=pytest.mark.soak), "mariadb"])
def test_a_load_that_is_killed_leaves_the_database_empty(url: str, tmp_path: Path) -> None:
    file = write_large(tmp_path / "large.dump", ENOUGH)
    loading = start(tmp_path, "dbload", "-D", url, str(file))
    deadline = time.monotonic() + LIMIT_S
    with opened(url) as engine:
        while not is_writing(engine):
            assert loading.process.is_alive(), "it ended before it was killed"
            assert time.monotonic() < deadline
            time.sleep(0.005)
    loading.send_signal(signal.SIGKILL)
    assert loading.finish(LIMIT_S).code == -signal.SIGKILL
    assert count(url, "workers") == 0
    assert is_shipped(dump(url, tmp_path))
    (tmp_path / "farm.dump").write_bytes(make_dump())
    load(url, tmp_path / "farm.dump")
    assert is_small_farm(dump(url, tmp_path))


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["mariadb"])  # the driver that would gather all rows by itself
def test_memory_does_not_grow_with_the_rows(url: str, tmp_path: Path) -> None:
    file = write_large(tmp_path / "large.dump", MANY)
    tracemalloc.start()
    try:
        direct(load_database, make_run(), url, file, scrub=False)
        direct(dump_database, make_run(), url, tmp_path / "again.dump")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    again = (tmp_path / "again.dump").read_bytes()
    assert again.count(b'"allocations"') == MANY
    assert peak < MOST_MEMORY


def start_two(directory: Path, *args: str) -> list[int]:
    """Run the same command twice at once; return how each ended, sorted."""
    both = [start(directory, *args) for _ in range(2)]
    return sorted(each.finish(LIMIT_S).code for each in both)


@pytest.mark.fault("dbload twice at once", "one loads, the other exits 2")
def test_of_two_loads_at_once_one_wins_and_one_is_refused(url: str, tmp_path: Path) -> None:
    (tmp_path / "farm.dump").write_bytes(make_dump())
    assert start_two(tmp_path, "dbload", "-D", url, "farm.dump") == [0, 2]
    assert is_small_farm(dump(url, tmp_path))


@pytest.mark.fault("dbimport twice at once", "both exit 0, every row is there once")
def test_two_imports_at_once_are_one(url: str, tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text("name,pool\n" + "".join(f"w-{i},p\n" for i in range(300)))
    assert start_two(tmp_path, "dbimport", "-D", url, "--slave-data", "w.csv") == [0, 0]
    assert (count(url, "workers"), count(url, "pools")) == (300, 1)
