"""The back-offs' rows on each database: begun, raised, disproved, void; and who never connected."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa

from farmhand.tables.launches import backoffs, instances, launches
from tests.builders import WEST
from tests.journal import add_instance, minutes_ago, write
from tests.plans import make_launch, make_offer
from tests.refusals import make_failures, make_refused
from watch_pending import backoff_queries as queries
from watch_pending.aws_errors import Meaning
from watch_pending.backoff_models import Backoff
from watch_pending.config_backoff import BackoffTimes
from watch_pending.queries import KEPT_S, prune

pytestmark = pytest.mark.integration
TIMES = BackoffTimes(first_s=100, most_s=500)
REFUSED = make_refused()
HOSTS, ROUNDS = 4, 5
BOOT_DEADLINE_S = 1200
SHA = "0" * 64


@pytest.fixture
def db(migrated: sa.Engine) -> sa.Engine:
    """A farm database without back-offs, launches and instances."""
    with migrated.begin() as connection:
        for table in (backoffs, launches, instances):
            connection.execute(table.delete())
    return migrated


def refuse(db: sa.Engine, refused: Any = REFUSED, sha: str | None = None) -> None:
    with db.begin() as connection:
        queries.write_refusal(connection, refused, TIMES, sha)


def read_all(db: sa.Engine) -> tuple[Backoff, ...]:
    with db.begin() as connection:
        return queries.read_backoffs(connection)


def end(db: sa.Engine, **changes: Any) -> None:
    """Let all have ended a minute ago."""
    write(db, backoffs.update().values({"until": minutes_ago(1), **changes}))


def wait_s(backoff: Backoff) -> float:
    assert backoff.until is not None
    return (backoff.until - minutes_ago(0)).total_seconds()


def test_a_refusal_is_read_as_it_was_written(db: sa.Engine) -> None:
    refuse(db)
    [backoff] = read_all(db)
    assert backoff.scope == REFUSED.scope
    assert (backoff.reason, backoff.failures, backoff.is_over) == (REFUSED.reason, 1, False)
    assert minutes_ago(1) < backoff.began_at < minutes_ago(-1)
    assert wait_s(backoff) == pytest.approx(100, abs=20)


def test_one_that_holds_is_not_raised(db: sa.Engine) -> None:
    refuse(db)
    before = read_all(db)
    refuse(db)
    assert read_all(db) == before


@pytest.mark.parametrize(("failures", "wait"), [(1, 200), (2, 400), (3, 500), (40, 500)])
def test_one_that_is_over_is_raised_and_waits_twice_as_long(
    db: sa.Engine, failures: int, wait: float
) -> None:
    refuse(db)
    end(db, failures=failures)
    assert read_all(db)[0].is_over
    refuse(db)
    [backoff] = read_all(db)
    assert (backoff.failures, backoff.is_over) == (failures + 1, False)
    assert wait_s(backoff) == pytest.approx(wait, abs=20)


def test_failures_at_the_same_moment_count_once(db: sa.Engine) -> None:
    barrier = Barrier(HOSTS)

    def fail(_: int) -> None:
        barrier.wait()
        refuse(db)

    with ThreadPoolExecutor(HOSTS) as pool:
        for failures in range(1, ROUNDS + 1):
            list(pool.map(fail, range(HOSTS)))
            assert [item.failures for item in read_all(db)] == [failures]
            end(db)


def add_launch(db: sa.Engine, token: str, called_at: datetime) -> None:
    launch = make_launch()
    values = {
        "generation": 1,
        "state": "called",
        "token": token,
        "request_sha256": SHA,
        "name": launch.name,
        "instance_type": launch.instance_type,
        "market": launch.offer.market.value,
        "region": launch.offer.region,
        "availability_zone": launch.offer.availability_zone,
        "subnet": launch.subnet,
        "ec2_type": launch.offer.ec2_type,
        "ami": launch.offer.ami,
        "created_at": called_at,
        "called_at": called_at,
    }
    with db.begin() as connection:
        connection.execute(launches.insert().values(values))


@pytest.mark.parametrize(
    ("called", "left"),
    [
        pytest.param(timedelta(minutes=1), 1, id="called afterwards: all but the settings"),
        pytest.param(-timedelta(minutes=1), 4, id="called before: nothing"),
    ],
)
def test_a_success_deletes_what_it_disproves(db: sa.Engine, called: timedelta, left: int) -> None:
    for meaning in (Meaning.NO_CAPACITY, Meaning.SUBNET_FULL, Meaning.QUOTA):
        refuse(db, make_refused(meaning))
    refuse(db, make_refused(Meaning.BAD_SETTINGS), SHA)
    add_launch(db, "token", minutes_ago(0) + called)
    with db.begin() as connection:
        queries.delete_disproved(connection, make_launch(), "token")
    assert len(read_all(db)) == left


def test_a_success_elsewhere_deletes_nothing(db: sa.Engine) -> None:
    refuse(db)
    add_launch(db, "token", minutes_ago(-1))
    with db.begin() as connection:
        west = make_launch(offer=make_offer("us-west-2a"))
        queries.delete_disproved(connection, west, "token")
    assert len(read_all(db)) == 1


def test_a_refusal_of_settings_has_no_end_and_is_not_raised(db: sa.Engine) -> None:
    for _ in range(2):
        refuse(db, make_refused(Meaning.BAD_SETTINGS), SHA)
    [backoff] = read_all(db)
    assert (backoff.until, backoff.is_over, backoff.failures) == (None, False, 1)
    assert backoff.settings_sha256 == SHA


def test_what_is_void_is_deleted_unless_it_was_written_anew(db: sa.Engine) -> None:
    refuse(db, make_refused(Meaning.BAD_SETTINGS), SHA)
    void = read_all(db)
    write(db, backoffs.update().values(settings_sha256="1" * 64))
    with db.begin() as connection:
        queries.delete_void(connection, void)
    [anew] = read_all(db)
    with db.begin() as connection:
        queries.delete_void(connection, [anew])
    assert read_all(db) == ()


def test_what_was_over_90_days_ago_is_forgotten(db: sa.Engine) -> None:
    refuse(db)
    refuse(db, make_refused(Meaning.QUOTA))
    refuse(db, make_refused(Meaning.BAD_SETTINGS), SHA)
    quota = backoffs.c.kind == "quota"
    write(db, backoffs.update().where(quota).values(until=minutes_ago(KEPT_S / 60 + 1)))
    with db.begin() as connection:
        prune(connection)
    assert {item.kind for item in read_all(db)} == {"capacity", "settings"}


# Who never connected


def add(
    db: sa.Engine, name: str, minutes: float, connected: float | None = None, **more: Any
) -> None:
    """Add a machine that was launched so long ago, and last connected then, or never."""
    last = None if connected is None else minutes_ago(connected)
    row = {"instance_type": "bld", "ami": "ami-1", "last_connected_at": last, **more}
    add_instance(db, name, seen=minutes_ago(0), launched_at=minutes_ago(minutes), **row)


def count(db: sa.Engine) -> set[Any]:
    with db.begin() as connection:
        return set(queries.read_failures(connection, BOOT_DEADLINE_S))


def test_machines_that_never_connected_are_counted_by_type_and_by_ami(db: sa.Engine) -> None:
    add(db, "a", 30)
    add(db, "b", 40, ami="ami-2")
    add(db, "c", 50, ami=None)
    add(db, "d", 30, instance_type="try")
    assert count(db) == {
        make_failures(3),
        make_failures(1, ami="ami-1"),
        make_failures(1, ami="ami-2"),
        make_failures(1, instance_type="try"),
        make_failures(1, instance_type="try", ami="ami-1"),
    }


@pytest.mark.parametrize(
    ("machine", "counts"),
    [
        pytest.param({"minutes": 21}, True, id="too old to connect"),
        pytest.param({"minutes": 19}, False, id="still booting"),
        pytest.param({"minutes": 3, "state": "gone"}, True, id="gone young"),
        pytest.param({"minutes": 21, "connected": 5}, False, id="connected"),
    ],
)
def test_a_machine_has_failed_that_is(db: sa.Engine, machine: dict[str, Any], counts: bool) -> None:
    add(db, "a", **machine)
    assert bool(count(db)) is counts


def test_only_those_since_the_last_one_that_connected_count(db: sa.Engine) -> None:
    add(db, "old", 90)
    add(db, "good", 60, connected=50)
    add(db, "new", 30)
    add(db, "other", 25, ami="ami-2")
    assert count(db) == {
        make_failures(2),
        make_failures(1, ami="ami-1"),
        make_failures(1, ami="ami-2"),
    }


def test_one_ami_that_connects_says_nothing_of_another(db: sa.Engine) -> None:
    add(db, "bad", 40, ami="ami-2", region=WEST)
    add(db, "good", 30, connected=20)
    assert count(db) == {make_failures(1, ami="ami-2")}
