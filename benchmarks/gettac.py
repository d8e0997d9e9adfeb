"""Machines that boot at once ask for their tac: ours, the original's design, and how far it can go.

The machines are in this process, each server is
in one of its own, all on one database; they take turns, so that a busy moment strikes all alike.
"""

import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from benchmarks.gettac_peers import METHODS
from benchmarks.results import Goal, Kind, Part, Row
from farmhand.db import db_now
from farmhand.tables.farm import allocations, workers
from tests import services
from tests.allocators import add_masters, add_workers, balance, make_places_database
from tests.storm import Storm, ask_all

WORKERS = 10_000
MASTERS = 50
FEWER = (100, 1000)
OURS, SINGLY, ORIGINAL, CONSTANT = METHODS
# How many requests each server is asked, of at most WORKERS; one at a time, fewer.
REQUESTS = {ORIGINAL: 200, SINGLY: 300, OURS: WORKERS, CONSTANT: WORKERS}
ROUNDS = {64: 3, 256: 1, 1: 1}
KINDS = {
    OURS: Kind.OURS,
    SINGLY: Kind.PEER,
    ORIGINAL: Kind.NAIVE,
    CONSTANT: Kind.FLOOR,
}
# At 64 at once, how many times better ours is to be; of ours, the wait of the slowest in a hundred.
BETTER = {
    ("MariaDB", ORIGINAL): 60.0,
    ("MariaDB", SINGLY): 7.0,
    ("SQLite", ORIGINAL): 30.0,
    ("SQLite", SINGLY): 5.0,
    ("MariaDB", CONSTANT): 0.20,
    ("SQLite", CONSTANT): 0.20,
}
P99_MS = {"64": 50.0, "256": 100.0}


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """A server under measurement."""

    name: str
    url: str
    pid: int

    @property
    def memory_mib(self) -> float:
        """What it keeps in memory now."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """What one server did with one storm."""

    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int
    spread: int


def measure_all(quick: bool) -> list[Row]:
    """Measure every server on each database."""
    rows: list[Row] = []
    counts = (20, 100) if quick else (*FEWER, WORKERS)
    with tempfile.TemporaryDirectory(prefix="farmhand-bench-") as folder:
        for count in counts:
            url = f"sqlite:///{folder}/places-{count}.sqlite"
            rows += _compare("SQLite", url, count, whole=count == counts[-1])
        if "mariadb" not in services.missing_services():
            with services.running_mariadb(Path(folder), buffer_pool="512M") as server:
                # As production: a commit is on the disk when it is answered.
                server.stop()
                unsafe = ("--innodb-flush", "--innodb-doublewrite")
                server.command = [word for word in server.command if not word.startswith(unsafe)]
                server.start()
                for count in counts:
                    url = server.create_database(f"places_{count}")
                    rows += _compare("MariaDB", url, count, whole=count == counts[-1])
    return rows


def _compare(database: str, url: str, count: int, *, whole: bool) -> list[Row]:
    """Measure a farm of so many workers; but for the `whole`, once, 64 at once."""
    engine = make_places_database(url)
    names = [f"w{number:05}" for number in range(count)]
    add_masters(engine, MASTERS)
    add_workers(engine, names)
    if database == "MariaDB":
        with engine.connect() as connection:
            connection.exec_driver_sql("ANALYZE TABLE workers, masters")
    turns: dict[tuple[str, str], list[Turn]] = {}
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(_running(name, url)) for name in METHODS]
        for at_once, rounds in ROUNDS.items() if whole else [(64, 1)]:
            for server in servers * rounds:
                asked = names[: min(REQUESTS[server.name], 200 * at_once)]
                turn = _take_turn(engine, server, asked, at_once)
                turns.setdefault((server.name, str(at_once)), []).append(turn)
        for server in servers if whole else []:
            if server.name in {OURS, CONSTANT}:
                turn = _take_turn(engine, server, names, 64, close=True)
                turns[server.name, "64, new connections"] = [turn]
        memory = {server.name: server.memory_mib for server in servers}
    engine.dispose()
    return [_row(database, key, these, count, memory[key[0]]) for key, these in turns.items()]


@contextlib.contextmanager
def _running(name: str, url: str) -> Iterator[Server]:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("FARMHAND_")}
    words = [sys.executable, "-m", "benchmarks.gettac_peers", name, url]
    process = subprocess.Popen(
        words, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    with process.stdout as said:
        try:
            found = re.search(r"http://\S+", said.readline())
            if found is None:
                raise SystemExit(f"{name} does not serve: {' '.join(words)}")
            yield Server(name=name, url=found[0], pid=process.pid)
        finally:
            process.terminate()
            process.wait()


def _take_turn(
    engine: sa.Engine, server: Server, asked: Sequence[str], at_once: int, *, close: bool = False
) -> Turn:
    """Ask one server for all these names, whom nobody placed yet; the original placed all."""
    if server.name != CONSTANT:
        _place(engine, everybody=server.name == ORIGINAL)
    ask_all([server.url], asked[-50:], concurrency=1)  # its connection and caches are warm then
    storm: Storm = ask_all([server.url], asked, concurrency=at_once, close=close, timeout_s=60)
    counts = balance(engine).values()
    return Turn(
        per_second=storm.per_second,
        p50_ms=storm.waited_ms(0.5),
        p99_ms=storm.waited_ms(0.99),
        errors=len(asked) - storm.statuses[200],
        spread=max(counts) - min(counts),
    )


def _place(engine: sa.Engine, *, everybody: bool) -> None:
    """Give every worker a master, evenly, or none."""
    row: dict[str, object] = {"current_master_id": None, "last_seen_at": None}
    if everybody:
        row = {"current_master_id": 1 + workers.c.id % MASTERS, "last_seen_at": db_now()}
    with engine.begin() as connection:
        connection.execute(workers.update().values(row))
        connection.execute(allocations.delete())


def _row(
    database: str, key: tuple[str, str], turns: Sequence[Turn], count: int, memory_mib: float
) -> Row:
    name, at_once = key
    goals = []
    if count == WORKERS and at_once == "64" and (database, name) in BETTER:
        goals.append(Goal(on="better", sign="≥", bound=BETTER[database, name]))
    if count == WORKERS and name == OURS and at_once in P99_MS:
        goals.append(Goal(on="p99 ms", sign="≤", bound=P99_MS[at_once]))
    return Row(
        case=f"{database}, {at_once} at once",
        size=count,
        method="slavealloc" if name == OURS else name,
        kind=KINDS[name],
        value=statistics.median(turn.per_second for turn in turns),
        unit="per second",
        goals=tuple(goals),
        also={
            "p50 ms": statistics.median(turn.p50_ms for turn in turns),
            "p99 ms": statistics.median(turn.p99_ms for turn in turns),
            "errors": sum(turn.errors for turn in turns),
            "most − fewest": "-" if name == CONSTANT else max(turn.spread for turn in turns),
            "MiB": memory_mib,
        },
    )


PART = Part(
    name="gettac",
    title="Machines that boot at once ask for their tac",
    about="slavealloc, the same server with one transaction a request, the original's design on "
    "Twisted, and the same server with a constant page. Client and server share the machine.",
    sized_by="workers in the farm",
    about_s=150,
    measure=measure_all,
)
