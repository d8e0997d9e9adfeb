"""What watch-pending reads of a real Buildbot is what that master itself answers."""

import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from farmhand.db import make_engine, parse_url
from tests import services
from tests.buildbot_master import BuildbotMaster, running_master
from tests.scheduler_database import count_by_builder, read_all_workers, read_waiting
from tests.worker_machine import wait_until
from watch_pending.models import WorkerStatus

pytestmark = pytest.mark.integration
BUILDERS = ("Linux x86-64 build", "Linux x86-64 try build", "Rev3 Fedora 12/opt mochitests-1.5")
WORKER = "bld-001"


@pytest.fixture(scope="module", params=[pytest.param("sqlite", marks=pytest.mark.soak), "mariadb"])
def master(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BuildbotMaster]:
    """A master on a database of its own, whose workers are bld-001 and bld-002."""
    url = None
    if request.param == "mariadb":
        server: services.DatabaseServer = request.getfixturevalue("mariadb")
        url = server.create_database(f"a_real_master_{uuid.uuid4().hex[:8]}")
    with running_master(
        tmp_path_factory.mktemp("master"),
        builders=BUILDERS,
        db_url=url,
        workers=[WORKER, "bld-002"],
        build_seconds=2.0,  # to be seen while they run
    ) as running:
        yield running


@pytest.fixture
def reader(master: BuildbotMaster) -> Iterator[sa.Engine]:
    """What watch-pending reads the master's database through."""
    engine = make_engine(parse_url(master.db_url, "test"), timeout_s=30, read_only=True)
    yield engine
    engine.dispose()


def read_pending_now(engine: sa.Engine) -> Mapping[str, int]:
    now = datetime.now(UTC) + timedelta(seconds=1)
    return count_by_builder(read_waiting(engine, now, min_age_s=0))


def read_worker(engine: sa.Engine) -> WorkerStatus:
    workers = read_all_workers(engine)
    assert workers is not None
    assert set(workers) == {WORKER, "bld-002"}
    return workers[WORKER]


def test_pending_is_what_the_master_says_before_and_after_a_worker_builds(
    master: BuildbotMaster, reader: sa.Engine
) -> None:
    assert read_pending_now(reader) == master.pending() == {}
    master.force(BUILDERS[0], 3, priority=7)
    master.force(BUILDERS[2], 2, priority=7)
    assert read_pending_now(reader) == master.pending() == {BUILDERS[0]: 3, BUILDERS[2]: 2}
    assert read_worker(reader) == WorkerStatus(name=WORKER)
    with master.worker(WORKER):
        wait_until(lambda: read_worker(reader).building)
        wait_until(lambda: not master.pending())
        assert read_pending_now(reader) == {}
        wait_until(lambda: read_worker(reader) == WorkerStatus(name=WORKER, connected=True))
    wait_until(lambda: not read_worker(reader).connected)


def test_a_worker_paused_at_its_master_is_paused_and_its_job_waits(
    master: BuildbotMaster, reader: sa.Engine
) -> None:
    with master.worker(WORKER):
        wait_until(lambda: master.pause(WORKER))
        assert read_worker(reader).paused
        assert read_worker(reader).connected
        master.force(BUILDERS[1])
        assert read_pending_now(reader) == master.pending() == {BUILDERS[1]: 1}
        master.rest(f"workers/{WORKER}", "unpause", reason="test")
        wait_until(lambda: not read_pending_now(reader))
        assert not read_worker(reader).paused
        wait_until(lambda: not read_worker(reader).building)


def test_a_worker_told_to_stop_is_graceful_until_it_leaves(
    master: BuildbotMaster, reader: sa.Engine
) -> None:
    with master.worker(WORKER) as worker:
        master.force(BUILDERS[0])
        wait_until(lambda: read_worker(reader).building)
        master.rest(f"workers/{WORKER}", "stop", reason="test")
        wait_until(lambda: read_worker(reader).graceful)
        worker.process.wait(30)
    wait_until(lambda: not read_worker(reader).connected)


def test_nothing_is_pending_while_the_only_master_is_stopped(tmp_path: Path) -> None:
    with running_master(tmp_path, builders=BUILDERS, workers=[WORKER, "bld-002"]) as master:
        engine = make_engine(parse_url(master.db_url, "test"), timeout_s=30, read_only=True)
        with master.worker(WORKER):
            wait_until(lambda: master.pause(WORKER))
            assert read_worker(engine).paused
            master.force(BUILDERS[0], 2)
            assert read_pending_now(engine) == {BUILDERS[0]: 2}
            master.process.terminate()
            master.process.wait(30)
        assert read_pending_now(engine) == {}
        assert read_worker(engine) == WorkerStatus(name=WORKER, paused=True)
        engine.dispose()
