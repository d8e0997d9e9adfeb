"""What goes wrong below a real slavealloc while it is asked: databases, disks, other processes."""

import contextlib
import itertools
import queue
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from farmhand.tables.farm import allocations, masters, workers
from tests import services
from tests.allocators import (
    Allocator,
    add_masters,
    add_workers,
    balance,
    make_places_database,
    running_allocator,
)
from tests.proxies import slow_proxy
from tests.storm import Answer, Storm, ask_all

pytestmark = pytest.mark.integration
EACH_KIND = pytest.mark.parametrize(
    "kind",
    ["mariadb", *(pytest.param(k, marks=pytest.mark.soak) for k in ("sqlite", "postgresql"))],
    indirect=True,
)
MASTERS = 20
NAMES = [f"w{number:04}" for number in range(300)]
LANES = 64
PATIENCE_S = 60.0


def make_farm(url: str, names: Sequence[str] = NAMES) -> sa.Engine:
    engine = make_places_database(url)
    add_masters(engine, MASTERS)
    add_workers(engine, names)
    return engine


@contextlib.contextmanager
def running_two(engine: sa.Engine, state: Path) -> Iterator[list[Allocator]]:
    with contextlib.ExitStack() as stack:
        servers = []
        for number in (1, 2):
            directory = state / f"server{number}"
            directory.mkdir()
            servers.append(stack.enter_context(running_allocator(engine, state=directory)))
        yield servers


class Storms:
    """Storm after storm in a thread, while something is done to the servers."""

    def __init__(self, servers: Sequence[Allocator]) -> None:
        self.urls = [server.url for server in servers]
        self.ended: queue.Queue[Storm] = queue.Queue()
        self.answers: list[Answer] = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self.stopping.is_set():
            self.ended.put(ask_all(self.urls, NAMES, concurrency=LANES))

    def await_one(self, like: Callable[[Counter[int]], bool]) -> None:
        """Wait until a storm has ended with statuses like these."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            storm = self.ended.get(timeout=PATIENCE_S)
            self.answers += storm.answers
            if like(storm.statuses):
                return
            assert time.monotonic() < deadline, f"still {storm.statuses}: {storm.answers[0]}"

    def __enter__(self) -> "Storms":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.thread.join()
        while not self.ended.empty():
            self.answers += self.ended.get().answers


def is_calm(statuses: Counter[int]) -> bool:
    return set(statuses) == {200}


def homes(engine: sa.Engine) -> dict[str, tuple[str, int]]:
    """Read name → the host and port of its master."""
    joined = workers.join(masters, masters.c.id == workers.c.current_master_id)
    statement = sa.select(workers.c.name, masters.c.fqdn, masters.c.pb_port).select_from(joined)
    with engine.connect() as connection:
        return {name: (host, port) for name, host, port in connection.execute(statement)}


def told(storm: Storm) -> dict[str, tuple[str, int] | None]:
    return {answer.name: answer.master for answer in storm.answers if answer.status == 200}


def assert_whole(
    engine: sa.Engine, servers: Sequence[Allocator], names: Sequence[str] = NAMES
) -> None:
    """All are served what is stored, evenly, and history has no move twice."""
    storm = ask_all([server.url for server in servers], names, concurrency=LANES)
    assert is_calm(storm.statuses), storm.statuses
    assert told(storm) == homes(engine)
    counts = balance(engine).values()
    assert max(counts) - min(counts) <= 1
    columns = (allocations.c.worker_id, allocations.c.master_id)
    order = (allocations.c.worker_id, allocations.c.id)
    with engine.connect() as connection:
        history = connection.execute(sa.select(*columns).order_by(*order)).all()
        current = connection.execute(sa.select(workers.c.id, workers.c.current_master_id)).all()
    assert all(before != after for before, after in itertools.pairwise(history))
    assert dict(map(tuple, history)) == dict(map(tuple, current))  # the last move is where it is


# The database


@pytest.mark.fault(
    "the database restarts while machines ask",
    "they get 503 with Retry-After meanwhile, the server recovers by itself, no place is lost "
    "or doubled",
)
def test_a_database_that_restarts_is_503_meanwhile_and_nothing_is_lost(
    mariadb: services.DatabaseServer, tmp_path: Path
) -> None:
    with services.running_mariadb(tmp_path) as server:
        engine = make_farm(server.create_database("farm"))
        with running_two(engine, tmp_path) as allocators:
            with Storms(allocators) as storms:
                storms.await_one(is_calm)
                server.stop()
                storms.await_one(lambda statuses: set(statuses) == {503})
                server.start()
                storms.await_one(is_calm)
            assert {answer.status for answer in storms.answers} == {200, 503}
            away = [answer.head for answer in storms.answers if answer.status == 503]
            assert all("\r\nretry-after: " in head for head in away)
            assert all(allocator.command.process.is_alive() for allocator in allocators)
            assert_whole(engine, allocators)
        engine.dispose()


@pytest.mark.fault(
    "the database hangs while machines ask",
    "they get 503 within the time allowed; when it answers again all is as it was",
)
@pytest.mark.soak  # 20 s pass until a server gives a connection up
def test_a_database_that_hangs_is_503_in_time(
    mariadb: services.DatabaseServer, tmp_path: Path
) -> None:
    mariadb.drop_database("hanging")
    direct = make_farm(mariadb.create_database("hanging"))
    with slow_proxy(mariadb.port) as proxy:
        engine = sa.create_engine(direct.url.set(port=proxy.port))
        with running_allocator(engine, state=tmp_path) as allocator:
            assert allocator.gettac(NAMES[0]).status_code == 200
            proxy.hold()
            storm = ask_all([allocator.url], NAMES[:10], concurrency=10, timeout_s=45)
            assert storm.statuses == {503: 10}
            proxy.release()
            assert_whole(direct, [allocator])
    direct.dispose()
    mariadb.drop_database("hanging")


# The disk


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of its own, of 4 MiB; not among pytest's folders, which it cleans up itself."""
    with tempfile.TemporaryDirectory(prefix="farm-disk-") as place:
        mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place]
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
        if mounted.returncode != 0:
            pytest.skip(f"a small file system can't be mounted here: {mounted.stderr.strip()}")
        try:
            yield Path(place)
        finally:
            subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk: Path) -> Path:
    """Write a file that takes what is left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    return filler


@pytest.mark.fault(
    "the disk under slavealloc's SQLite is full",
    "who needs a new place gets 503, nothing is half written; with room again all are served",
)
def test_a_full_disk_is_503_and_nothing_is_half_written(small_disk: Path, tmp_path: Path) -> None:
    engine = make_farm(f"sqlite:///{small_disk}/farm.sqlite")
    with running_allocator(engine, state=tmp_path) as allocator:
        assert allocator.gettac(NAMES[0]).status_code == 200
        before = homes(engine)
        filler = fill(small_disk)
        storm = ask_all([allocator.url], NAMES, concurrency=LANES)
        assert set(storm.statuses) <= {200, 503}
        assert storm.statuses[503] > len(NAMES) / 2
        assert homes(engine) == before | told(storm)
        filler.unlink()
        assert_whole(engine, [allocator])
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    engine.dispose()


# Other processes


@pytest.mark.fault(
    "one of two servers is killed (kill -9) in the middle of a storm",
    "every answer that was given holds; the others ask again and are served by the other server",
)
@EACH_KIND
def test_a_killed_server_takes_no_answer_back(database_url: str, tmp_path: Path) -> None:
    names = [f"w{number:04}" for number in range(1500)]
    engine = make_farm(database_url, names)
    with running_two(engine, tmp_path) as (killed, other):
        storms: list[Storm] = []
        urls = [killed.url, other.url]
        asking = threading.Thread(
            target=lambda: storms.append(ask_all(urls, names, concurrency=LANES))
        )
        asking.start()
        while sum(balance(engine).values()) < len(names) / 10:
            assert asking.is_alive(), "nobody was placed"
        killed.command.process.kill()
        asking.join()
        (storm,) = storms
        answered, stored = told(storm), homes(engine)
        assert set(storm.statuses) == {0, 200}
        assert storm.statuses[0] <= 2 * LANES
        assert answered == {name: stored[name] for name in answered}
        unanswered = [name for name in names if name not in answered]
        again = ask_all([other.url], unanswered, concurrency=LANES)
        assert is_calm(again.statuses)
        assert answered | told(again) == homes(engine)
        assert_whole(engine, [other], names)
    engine.dispose()


@pytest.mark.fault(
    "people edit masters and workers in the middle of a storm",
    "every machine gets its answer, and masters are filled evenly afterwards",
)
@EACH_KIND
def test_edits_during_a_storm_cost_nobody_an_answer(database_url: str, tmp_path: Path) -> None:
    engine = make_farm(database_url)
    with running_two(engine, tmp_path) as allocators:
        with Storms(allocators) as storms:
            storms.await_one(is_calm)
            for turn, enabled in itertools.product(range(5), (False, True)):
                allocator = allocators[turn % 2]
                last = len(NAMES) - turn
                for path in (f"masters/{turn + 1}", f"slaves/{turn + 1}", f"slaves/{last}"):
                    reply = allocator.put(f"/api/{path}", {"enabled": enabled, "notes": "edit"})
                    assert reply.status_code == 200, reply.text
            storms.await_one(is_calm)
        assert {answer.status for answer in storms.answers} == {200}
        assert_whole(engine, allocators)
    engine.dispose()
