"""A whole farm asks at once, two servers on one database: even masters, and true answers."""

import contextlib
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from farmhand.tables.farm import allocations, masters, workers
from tests.allocators import (
    Allocator,
    add_masters,
    add_workers,
    make_places_database,
    running_allocator,
)
from tests.storm import Storm, ask_all

LONG = (pytest.mark.soak, pytest.mark.timeout(3600))
pytestmark = [
    pytest.mark.integration,
    pytest.mark.parametrize(
        ("kind", "count"),
        [
            ("sqlite", 1000),
            ("mariadb", 1000),
            *(pytest.param(kind, 10_000, marks=LONG) for kind in ("sqlite", "mariadb")),
            pytest.param("postgresql", 10_000, marks=LONG),
        ],
    ),
]
MASTERS = 50
CONCURRENCY = 256
SILOS = ("build", "try", "test")
Homes = dict[str, tuple[str, int]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Crowd:
    """All workers of a farm, and the servers that they ask in turn."""

    engine: sa.Engine
    servers: list[Allocator]
    names: list[str]

    def ask(self, *, close: bool = False) -> Homes:
        """Ask for everybody; all are answered, with what is stored. Returns name → master."""
        urls = [server.url for server in self.servers]
        storm = ask_all(urls, self.names, concurrency=CONCURRENCY, close=close)
        assert storm.statuses == {200: len(self.names)}, _strange(storm)
        told = {answer.name: answer.master or ("", 0) for answer in storm.answers}
        assert told == self.stored()
        return told

    def stored(self) -> Homes:
        """Read name → the host and port of its master."""
        joined = workers.join(masters, masters.c.id == workers.c.current_master_id)
        columns = (workers.c.name, masters.c.fqdn, masters.c.pb_port)
        with self.engine.connect() as connection:
            rows = connection.execute(sa.select(*columns).select_from(joined)).all()
        return {name: (host, port) for name, host, port in rows}

    def spreads(self, *, without: str | None = None) -> list[int]:
        """Say how far the enabled masters of each silo are apart: most − fewest."""
        homes = self.stored()
        with self.engine.connect() as connection:
            hosts = list(connection.scalars(sa.select(masters.c.fqdn)))
        silos: dict[str, Counter[str]] = {}
        for name in self.names:
            empty = Counter({host: 0 for host in hosts if host != without})
            silos.setdefault(name.partition("-")[0], empty)[homes[name][0]] += 1
        return [max(silo.values()) - min(silo.values()) for silo in silos.values()]

    def worst_spread(self) -> int:
        """Replay history: how far apart were the masters of a silo at its worst moment?"""
        joined = allocations.join(workers, workers.c.id == allocations.c.worker_id)
        columns = (workers.c.name, allocations.c.master_id)
        statement = sa.select(*columns).select_from(joined).order_by(allocations.c.id)
        with self.engine.connect() as connection:
            moves = connection.execute(statement).all()
        counts = {silo: Counter(dict.fromkeys(range(1, MASTERS + 1), 0)) for silo in SILOS}
        worst = 0
        for name, master_id in moves:
            silo = counts[name.partition("-")[0]]
            silo[master_id] += 1
            worst = max(worst, silo[master_id] - min(silo.values()))
        return worst


def _strange(storm: Storm) -> str:
    strange = [answer for answer in storm.answers if answer.status != 200]
    return f"{storm.statuses}, such as {strange[:3]}"


@pytest.fixture
def crowd(database_url: str, tmp_path: Path, count: int) -> Iterator[Crowd]:
    """All of one silo, and with them a few of others."""
    engine = make_places_database(database_url)
    add_masters(engine, MASTERS)
    sizes = dict.fromkeys(SILOS, MASTERS + 10) | {SILOS[0]: count}
    names = {silo: [f"{silo}-{n:05}" for n in range(size)] for silo, size in sizes.items()}
    for silo, members in names.items():
        add_workers(engine, members, purpose=silo)
    everybody = [name for members in names.values() for name in members]
    random.Random(count).shuffle(everybody)
    with contextlib.ExitStack() as stack:
        servers = []
        for number in (1, 2):
            directory = tmp_path / f"server{number}"
            directory.mkdir()
            servers.append(stack.enter_context(running_allocator(engine, state=directory)))
        yield Crowd(engine=engine, servers=servers, names=everybody)
    engine.dispose()


def test_masters_are_even_through_storms_and_only_who_must_moves(crowd: Crowd) -> None:
    before = crowd.ask()
    assert all(spread <= 1 for spread in crowd.spreads())
    assert crowd.worst_spread() == 1
    assert crowd.ask(close=True) == before

    drained = before[crowd.names[0]]
    crowd.servers[0].put(f"/api/masters/{drained[1] - 9000}", {"enabled": False})
    after = crowd.ask(close=True)
    assert drained not in after.values()
    assert all(spread <= 1 for spread in crowd.spreads(without=drained[0]))
    moved = {name for name in crowd.names if after[name] != before[name]}
    assert moved == {name for name in crowd.names if before[name] == drained}

    crowd.servers[1].put(f"/api/masters/{drained[1] - 9000}", {"enabled": True})
    crowd.ask(close=True)
    assert all(spread <= 1 for spread in crowd.spreads())


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_servers_memory_stays_as_it_is(crowd: Crowd) -> None:
    early = [0, 0]
    for number in range(12):
        crowd.ask()
        if number == 1:
            early = [resident_kib(server) for server in crowd.servers]
    late = [resident_kib(server) for server in crowd.servers]
    pairs = list(zip(early, late, strict=True))
    assert all(after <= 1.1 * before for before, after in pairs), pairs


def resident_kib(server: Allocator) -> int:
    status = Path(f"/proc/{server.command.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])
