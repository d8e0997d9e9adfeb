"""What counts as pending, in every shape of the scheduler database and on every kind of it."""

import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from subprocess import PIPE

import pytest
import sqlalchemy as sa

from farmhand.errors import BadInput
from tests import scheduler_bulk, scheduler_schemas
from tests.farm import Farm
from tests.scheduler_database import NOON, SchedulerDatabase
from tests.scheduler_schemas import Shape
from watch_pending.models import PendingRequests
from watch_pending.pending import Shape as DetectedShape
from watch_pending.pending import detect_shape, read_builder_names

pytestmark = pytest.mark.integration
POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.soak)
only_c = pytest.mark.parametrize("shape", ["C"])
HOUR_S = 3600
DAY_S = 86400
DETECTED = {
    "A": DetectedShape(claims="column", builder="name", has_sourcestamps=False, workers=None),
    "B": DetectedShape(claims="table", builder="name", has_sourcestamps=False, workers=None),
}
MEMORY_LIMIT_MIB = 4.0
MEASURE = """
import resource, sys
from datetime import datetime
from farmhand.db import make_engine, parse_url
from tests.scheduler_database import count_by_builder, read_waiting

engine = make_engine(parse_url(sys.argv[1], "test"), timeout_s=60, read_only=True)
now = datetime.fromisoformat(sys.argv[2])
for _ in sys.stdin:
    requests = sum(item.requests for item in read_waiting(engine, now))
    print(requests, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)
"""


@pytest.fixture(params=["sqlite", "mariadb", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of database, each time."""
    return str(request.param)


def test_the_shape_is_told_by_looking(scheduler: SchedulerDatabase) -> None:
    with scheduler.reader.connect() as connection:
        found = detect_shape(connection)
    if scheduler.shape == "C":
        assert (found.claims, found.builder, found.workers) == ("table", "id", "workers")
        assert found.has_sourcestamps
        assert {"name", "paused", "graceful"} <= found.worker_columns
    else:
        assert found == DETECTED[scheduler.shape]


def test_an_empty_database_has_nothing_pending(scheduler: SchedulerDatabase) -> None:
    assert scheduler.read() == ()
    with scheduler.reader.connect() as connection:
        assert read_builder_names(connection, detect_shape(connection)) == ()


def test_requests_are_counted_by_builder_at_highest_priority(
    scheduler: SchedulerDatabase,
) -> None:
    scheduler.add("a", 3, age_s=100)
    scheduler.add("a", 2, age_s=300)
    scheduler.add("a", 1, priority=5)
    scheduler.add("b", 4, priority=-2)

    def waiting(builder: str, priority: int, requests: int, age_s: int) -> PendingRequests:
        oldest = NOON - timedelta(seconds=age_s)
        return PendingRequests(builder=builder, priority=priority, requests=requests, oldest=oldest)

    assert sorted(scheduler.read(), key=lambda item: item.builder) == [
        waiting("a", 5, 6, 300),
        waiting("b", -2, 4, 60),
    ]


def test_a_claimed_request_does_not_wait(scheduler: SchedulerDatabase) -> None:
    scheduler.add("a", 2, claimed=True)
    scheduler.add("a", 1)
    assert scheduler.pending() == {"a": 1}


def test_a_complete_request_does_not_wait(scheduler: SchedulerDatabase) -> None:
    scheduler.add("a", 2, complete=1)
    scheduler.add("a", 1)
    assert scheduler.pending() == {"a": 1}


@pytest.mark.parametrize("shape", ["A"])
@pytest.mark.parametrize(
    ("claimed_at", "is_free"),
    [
        pytest.param(None, True, id="null"),
        pytest.param(0, True, id="zero"),
        pytest.param(NOON.timestamp() - HOUR_S - 1, True, id="older than an hour"),
        pytest.param(NOON.timestamp() - HOUR_S, False, id="an hour"),
        pytest.param(NOON.timestamp(), False, id="now"),
    ],
)
def test_a_claim_in_a_column_lasts_an_hour(
    scheduler: SchedulerDatabase, claimed_at: float | None, is_free: bool
) -> None:
    scheduler.add("a", age_s=2 * HOUR_S)
    at = None if claimed_at is None else int(claimed_at)
    scheduler.execute("UPDATE buildrequests SET claimed_at = :at", at=at)
    assert scheduler.pending() == ({"a": 1} if is_free else {})


@pytest.mark.parametrize("shape", ["B", "C"])
def test_a_claim_in_a_table_lasts_for_ever(scheduler: SchedulerDatabase) -> None:
    scheduler.add("a", age_s=2 * HOUR_S, claimed=True)
    assert scheduler.pending() == {}


def test_only_requests_of_the_window_count(scheduler: SchedulerDatabase) -> None:
    scheduler.add("from the future", age_s=-1)
    scheduler.add("too young", age_s=9)
    scheduler.add("just old enough", age_s=10)
    scheduler.add("just young enough", age_s=DAY_S - 1)
    scheduler.add("too old", age_s=DAY_S)
    assert scheduler.pending() == {"just old enough": 1, "just young enough": 1}


@only_c
def test_a_request_without_a_source_stamp_never_starts(scheduler: SchedulerDatabase) -> None:
    scheduler.add("a", 2, sourcestamp=False)
    scheduler.add("a", 1)
    assert scheduler.pending() == {"a": 1}


@only_c
def test_a_request_that_no_active_master_has_never_starts(scheduler: SchedulerDatabase) -> None:
    scheduler.add("a", 2, active_master=False)
    scheduler.add("b", 1)
    assert scheduler.pending() == {"b": 1}


@only_c
def test_a_builder_of_two_masters_counts_once(scheduler: SchedulerDatabase) -> None:
    scheduler.add("a", 1, active_master=False)
    scheduler.add("a", 2)
    assert scheduler.pending() == {"a": 3}


def _create(url: str, *statements: str) -> sa.Engine:
    engine = sa.create_engine(url.replace("mysql:", "mysql+pymysql:"), poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    return engine


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        pytest.param([], "it has no tables at all", id="empty"),
        pytest.param(
            ["CREATE TABLE wp_posts (id INT)", "CREATE TABLE wp_users (id INT)"],
            "it has wp_posts, wp_users",
            id="another program's",
        ),
        pytest.param(
            ["CREATE TABLE buildrequests (id INT, buildername TEXT)"],
            "nothing says which requests are claimed",
            id="without claims",
        ),
        pytest.param(
            ["CREATE TABLE buildrequests (id INT, builderid INT, claimed_at INT)"],
            "buildrequests names no builders",
            id="without builders",
        ),
    ],
)
def test_an_unknown_shape_is_a_clear_error(
    database_url: str, statements: list[str], message: str
) -> None:
    engine = _create(database_url.replace("postgresql:", "postgresql+psycopg:"), *statements)
    with engine.connect() as connection, pytest.raises(BadInput, match=message):
        detect_shape(connection)


def test_an_unknown_shape_ends_the_run_with_2(farm: Farm, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/other.sqlite"
    _create(url, "CREATE TABLE wp_posts (id INT)")
    farm.watch["scheduler_db"] = url
    ended = farm.run("run")
    assert ended.code == 2
    assert "has no table buildrequests; it has wp_posts" in ended.err
    assert len(ended.err.splitlines()) == 1


def test_the_engine_for_reading_cannot_write(scheduler: SchedulerDatabase) -> None:
    scheduler.add("a")
    for _ in range(2):  # also in the second transaction of the same connection
        with (
            scheduler.reader.connect() as connection,
            pytest.raises(sa.exc.DBAPIError, match=r"(?i)read.?only"),
        ):
            connection.execute(sa.text("UPDATE buildrequests SET complete = 1"))
    assert scheduler.pending() == {"a": 1}


@pytest.mark.parametrize("shape", ["B", "C"])
def test_a_run_changes_no_byte_of_the_scheduler_database(
    farm: Farm, tmp_path: Path, shape: Shape
) -> None:
    path = tmp_path / "read.sqlite"
    engine = sa.create_engine(f"sqlite:///{path}")
    scheduler_schemas.create_shape(engine, shape)
    farm.scheduler, farm.shape, farm.watch["scheduler_db"] = engine, shape, f"sqlite:///{path}"
    farm.add_pending(count=2)
    engine.dispose()
    before = path.read_bytes()
    ended = farm.run("run", "--json")
    assert (ended.code, ended.json["pending"]) == (0, 2)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.glob("read.sqlite*")] == ["read.sqlite"]


@only_c
@pytest.mark.parametrize("kind", ["sqlite", "mariadb", POSTGRESQL])
def test_memory_depends_on_the_builders_not_on_the_requests(scheduler: SchedulerDatabase) -> None:
    names = scheduler_bulk.realistic_builder_names(40)
    needed, added = [], Counter[str]()
    command = [sys.executable, "-c", MEASURE, scheduler.url, NOON.isoformat()]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True, bufsize=1) as reader:
        assert reader.stdin
        assert reader.stdout
        for rows in (2_000, 98_000):
            added += scheduler_bulk.bulk_requests(
                scheduler.writer, "C", rows, names, submitted_at=int(NOON.timestamp()) - 60
            )
            reader.stdin.write("again\n")
            counted, kib = reader.stdout.readline().split()
            assert int(counted) == added.total()
            needed.append(int(kib) / 1024)
        reader.stdin.close()
    assert needed[1] - needed[0] < MEMORY_LIMIT_MIB
