"""What the scheduler database says of workers: connected, building, and whether they drain."""

from typing import Any

import pytest

from tests import scheduler_schemas
from tests.scheduler_database import SchedulerDatabase
from watch_pending.models import WorkerStatus

pytestmark = pytest.mark.integration
only_c = pytest.mark.parametrize("shape", ["C"])


@pytest.mark.parametrize("shape", ["A", "B"])
def test_before_0_9_the_database_does_not_know_who_is_connected(
    scheduler: SchedulerDatabase,
) -> None:
    assert scheduler.workers() is None


@only_c
def test_without_workers_there_are_none(scheduler: SchedulerDatabase) -> None:
    assert scheduler.workers() == {}


@only_c
def test_a_worker_is_seen_as_buildbot_sees_it(scheduler: SchedulerDatabase) -> None:
    def add(name: str, **state: bool) -> WorkerStatus:
        given: Any = {"connected": False, **{key: int(value) for key, value in state.items()}}
        scheduler_schemas.add_worker(scheduler.writer, "C", name, **given)
        return WorkerStatus(name=name, **state)

    expected = [
        add("away"),
        add("idle", connected=True),
        add("busy", connected=True, building=True),
        add("paused", connected=True, paused=True),
        add("leaving", connected=True, building=True, graceful=True),
        add("arbeiter-ä 🦊", connected=True),
    ]
    assert scheduler.workers() == {worker.name: worker for worker in expected}


@only_c
def test_a_worker_that_has_built_is_idle(scheduler: SchedulerDatabase) -> None:
    scheduler_schemas.add_worker(scheduler.writer, "C", "w-1", last_complete_at=1_000_000)
    assert scheduler.workers() == {"w-1": WorkerStatus(name="w-1", connected=True)}


@only_c
def test_a_connection_to_a_master_that_is_not_active_is_stale(
    scheduler: SchedulerDatabase,
) -> None:
    scheduler_schemas.add_worker(scheduler.writer, "C", "w-1")
    scheduler.execute("UPDATE masters SET active = 0")
    assert scheduler.workers() == {"w-1": WorkerStatus(name="w-1", connected=False)}


@only_c
def test_a_worker_of_two_masters_is_one_worker(scheduler: SchedulerDatabase) -> None:
    scheduler_schemas.add_worker(scheduler.writer, "C", "w-1")
    scheduler.add("a", active_master=False)
    scheduler.execute(
        "INSERT INTO connected_workers (masterid, workerid) SELECT m.id, w.id "
        "FROM masters m, workers w WHERE m.active = 0"
    )
    assert scheduler.workers() == {"w-1": WorkerStatus(name="w-1", connected=True)}


@only_c
def test_the_betas_of_0_9_call_workers_buildslaves(scheduler: SchedulerDatabase) -> None:
    names = [("workers", "buildslaves"), ("connected_workers", "connected_buildslaves")]
    columns = [("connected_buildslaves", "workerid"), ("builds", "workerid")]
    scheduler_schemas.add_worker(scheduler.writer, "C", "w-1", building=True)
    try:
        for old, new in names:
            scheduler.execute(f"ALTER TABLE {old} RENAME TO {new}")
        for table, column in columns:
            scheduler.execute(f"ALTER TABLE {table} RENAME COLUMN {column} TO buildslaveid")
        assert scheduler.workers() == {
            "w-1": WorkerStatus(name="w-1", connected=True, building=True)
        }
    finally:
        for table, column in columns:
            scheduler.execute(f"ALTER TABLE {table} RENAME COLUMN buildslaveid TO {column}")
        for old, new in names:
            scheduler.execute(f"ALTER TABLE {new} RENAME TO {old}")
