"""Scheduler databases of each kind and shape → what each worker does."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from tests import scheduler_schemas
from tests.journal import minutes_ago
from tests.scheduler_database import SchedulerDatabase
from tests.scheduler_schemas import ACTIVE_MASTER
from watch_pending.pending import detect_shape
from watch_pending.stop_idle.activity import read_paused, read_workload
from watch_pending.stop_idle.models import Activity, Workload

pytestmark = pytest.mark.integration
NEW, OLD = pytest.mark.parametrize("shape", ["C"]), pytest.mark.parametrize("shape", ["A", "B"])
ON_SQLITE = pytest.mark.parametrize("kind", ["sqlite"])


def look(
    scheduler: SchedulerDatabase, launched: Mapping[str, datetime] | None = None, **shape: Any
) -> Workload:
    with scheduler.reader.connect() as connection:
        found = replace(detect_shape(connection), **shape)
        return read_workload(connection, found, launched or {})


def look_at(
    scheduler: SchedulerDatabase, name: str = "w1", launched: datetime | None = None
) -> Activity:
    workers = look(scheduler, {name: launched} if launched else None).workers
    assert workers is not None
    return workers[name]


def add(scheduler: SchedulerDatabase, name: str = "w1", **more: Any) -> int:
    return scheduler_schemas.add_worker(scheduler.writer, scheduler.shape, name, **more)


@NEW
def test_what_a_worker_does_is_read_on_each_database(scheduler: SchedulerDatabase) -> None:
    key = add(scheduler, last_complete_at=minutes_ago(50), info={"host": "i-0123456789abcdef0\n"})
    add(scheduler, "größer", building=True, paused=1, graceful=1, info={})
    scheduler.execute("UPDATE workers SET pause_reason = 'ein Grund: 機械' WHERE paused = 1")
    add(scheduler, "gone", connected=False)
    idle, busy, gone = (look_at(scheduler, name) for name in ("w1", "größer", "gone"))
    assert idle == Activity(
        name="w1",
        worker_id=key,
        connected=True,
        masters=(ACTIVE_MASTER,),
        last_build_ended_at=idle.last_build_ended_at,
        host="i-0123456789abcdef0",
    )
    assert idle.last_build_ended_at is not None
    assert abs((idle.last_build_ended_at - minutes_ago(50)).total_seconds()) < 60
    assert (busy.building, busy.hung, busy.last_build_ended_at) == (True, False, None)
    assert (busy.paused, busy.pause_reason, busy.graceful) == (True, "ein Grund: 機械", True)
    assert (gone.connected, gone.masters, gone.away) == (False, (), ())


@NEW
@ON_SQLITE
@pytest.mark.parametrize(
    ("launched", "building"),
    [
        pytest.param(120, True, id="before the build"),
        pytest.param(55, True, id="a little after it: the clocks may be apart"),
        pytest.param(45, False, id="long after it: the build is another machine's"),
    ],
)
def test_a_build_that_a_master_lost_is_not_the_next_machines(
    scheduler: SchedulerDatabase, launched: float, building: bool
) -> None:
    add(scheduler, building=True, started_at=minutes_ago(60))
    assert look_at(scheduler, launched=minutes_ago(launched)).building is building


@NEW
def test_who_is_paused_is_read_on_each_database(scheduler: SchedulerDatabase) -> None:
    paused, other = add(scheduler, paused=1), add(scheduler, "w2")
    with scheduler.reader.connect() as connection:
        shape = detect_shape(connection)
        assert read_paused(connection, shape, [paused, other]) == {paused}
        assert read_paused(connection, shape, []) == set()
        before_0_9_10 = replace(shape, worker_columns=frozenset({"id", "name", "info"}))
        assert read_paused(connection, before_0_9_10, [paused]) == set()


@NEW
@ON_SQLITE
def test_before_reasons_were_kept_a_pause_has_none(scheduler: SchedulerDatabase) -> None:
    add(scheduler, paused=1)
    workers = look(scheduler, worker_columns=frozenset({"id", "name", "paused"})).workers
    assert workers is not None
    assert (workers["w1"].paused, workers["w1"].pause_reason) == (True, None)


@NEW
@ON_SQLITE
@pytest.mark.parametrize(
    ("change", "masters", "away", "farm_away"),
    [
        pytest.param("active = 1", 1, 0, 0, id="lives"),
        pytest.param("last_active = last_active - 590", 1, 0, 0, id="wrote 10 minutes ago"),
        pytest.param("last_active = last_active - 610", 0, 1, 1, id="crashed"),
        pytest.param("active = 0", 0, 1, 1, id="stopped"),
        pytest.param("last_active = last_active - 86500", 0, 0, 0, id="crashed long ago"),
        pytest.param("active = 0, last_active = 0", 0, 0, 0, id="retired"),
    ],
)
def test_a_worker_of_a_master_that(
    scheduler: SchedulerDatabase, change: str, masters: int, away: int, farm_away: int
) -> None:
    add(scheduler, building=True)
    scheduler.execute(f"UPDATE masters SET {change}")
    activity, workload = look_at(scheduler), look(scheduler)
    assert (len(activity.masters), len(activity.away)) == (masters, away)
    assert activity.connected is activity.building is bool(masters)
    assert (len(workload.masters_alive), len(workload.masters_away)) == (masters, farm_away)


@pytest.mark.fault(
    "a worker does not answer the master's first ping",
    "it counts as hung after the time that the master allows, not before",
)
@NEW
@ON_SQLITE
@pytest.mark.parametrize(
    ("state", "age_s", "hung"),
    [
        ("pinging worker", 300, True),
        ("pinging worker", 30, False),
        ("building", 30000, False),
        ("acquiring locks", 30000, False),
    ],
)
def test_a_worker_hangs_that_does_not_answer_the_first_ping(
    scheduler: SchedulerDatabase, state: str, age_s: int, hung: bool
) -> None:
    add(scheduler, building=True, started_at=minutes_ago(age_s / 60), state=state)
    assert look_at(scheduler).hung is hung


@NEW
@ON_SQLITE
def test_of_a_worker_with_two_builds_both_must_hang(scheduler: SchedulerDatabase) -> None:
    since = minutes_ago(10)
    key = add(scheduler, building=True, started_at=since, state="pinging worker")
    add(scheduler, "w2", building=True, started_at=since)
    scheduler.execute("UPDATE builds SET workerid = :key", key=key)
    assert (look_at(scheduler).building, look_at(scheduler).hung) == (True, False)


@NEW
@ON_SQLITE
@pytest.mark.parametrize("offset_s", [0, 7200, -7200])
def test_how_long_it_pings_is_the_masters_own_time(
    scheduler: SchedulerDatabase, offset_s: int
) -> None:
    add(scheduler, building=True, state="pinging worker")
    scheduler.execute("UPDATE builds SET started_at = started_at + :by", by=offset_s)
    scheduler.execute("UPDATE masters SET last_active = last_active + :by", by=offset_s)
    hung = [each.hung for each in (look(scheduler).workers or {}).values()]
    assert hung == [False]


@NEW
@pytest.mark.parametrize(
    ("age_s", "starting"), [(1, True), (50, True), (70, False)], ids=["now", "just", "long ago"]
)
def test_a_master_that_has_claimed_a_request_is_about_to_start_a_build(
    scheduler: SchedulerDatabase, age_s: float, starting: bool
) -> None:
    add(scheduler, building=True)
    assert look(scheduler).starting == frozenset()
    claimed_at = minutes_ago(age_s / 60)
    scheduler.add(claimed=True, claimed_at=claimed_at)
    assert look(scheduler).starting == ({ACTIVE_MASTER} if starting else frozenset())


@OLD
def test_old_databases_say_whether_anything_is_built_and_when_the_last_build_ended(
    scheduler: SchedulerDatabase,
) -> None:
    assert (look(scheduler).busy, look(scheduler).ended_at) == (False, None)
    ids = scheduler_schemas.add_requests(
        scheduler.writer, scheduler.shape, "a", 1, submitted_at=minutes_ago(9), claimed=True
    )
    assert look(scheduler).busy
    scheduler.execute("UPDATE buildrequests SET complete = 1")
    ended = int(minutes_ago(5).timestamp())
    columns = "INSERT INTO builds (number, brid, start_time, finish_time)"
    scheduler.execute(f"{columns} VALUES (1, :brid, :at, :at)", brid=ids[0], at=ended)
    workload = look(scheduler)
    assert workload.workers is None
    assert not workload.busy
    assert workload.ended_at is not None
    assert int(workload.ended_at.timestamp()) == ended
