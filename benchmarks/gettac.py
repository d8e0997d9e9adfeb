"""Machines that boot at once ask for their tac: ours, the original's design, and how far it can go.

`python -m benchmarks.gettac` measures it alone. The machines are in this process, each server is
in one of its own, all on one database; they take turns, so that a busy moment strikes all alike.
"""

import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from benchmarks.gettac_peers import METHODS
from farmhand.db import db_now
from farmhand.tables.farm import allocations, workers
from tests import services
from tests.allocators import add_masters, add_workers, balance, make_places_database
from tests.storm import Storm, ask_all

WORKERS = 10_000
MASTERS = 50
HEAD = "database|server|at once|per second|p50 ms|p99 ms|ours is ×|errors|most − fewest|MiB|goal"
OURS, SINGLY, ORIGINAL, CONSTANT = METHODS
# How many requests each server is asked, of at most WORKERS; one at a time, fewer.
REQUESTS = {ORIGINAL: 300, SINGLY: 300, OURS: WORKERS, CONSTANT: WORKERS}
ROUNDS = {64: 3, 256: 1, 1: 1}
GOALS = {
    ("MariaDB", ORIGINAL, "64"): "≥ 60",
    ("MariaDB", SINGLY, "64"): "≥ 7",
    ("SQLite", ORIGINAL, "64"): "≥ 30",
    ("SQLite", SINGLY, "64"): "≥ 5",
}
GOALS |= {(database, CONSTANT, "64"): "≥ 0.20" for database in ("MariaDB", "SQLite")}
GOALS |= {(database, OURS, "64"): "p99 ≤ 50 ms" for database in ("MariaDB", "SQLite")}
GOALS |= {(database, OURS, "256"): "p99 ≤ 100 ms" for database in ("MariaDB", "SQLite")}


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


def table(count: int = WORKERS) -> list[list[object]]:
    """Measure every server on each database."""
    lines: list[list[object]] = []
    with tempfile.TemporaryDirectory(prefix="farmhand-bench-") as folder:
        lines += _compare("SQLite", f"sqlite:///{folder}/places.sqlite", count)
        if "mariadb" not in services.missing_services():
            with services.running_mariadb(Path(folder), buffer_pool="512M") as server:
                # As production: a commit is on the disk when it is answered.
                server.stop()
                unsafe = ("--innodb-flush", "--innodb-doublewrite")
                server.command = [word for word in server.command if not word.startswith(unsafe)]
                server.start()
                lines += _compare("MariaDB", server.create_database("places"), count)
    return lines


def _compare(database: str, url: str, count: int) -> list[list[object]]:
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
        for at_once, rounds in ROUNDS.items():
            for server in servers * rounds:
                asked = names[: min(REQUESTS[server.name], 200 * at_once)]
                turn = _take_turn(engine, server, asked, at_once)
                turns.setdefault((server.name, str(at_once)), []).append(turn)
        for server in servers:
            if server.name in {OURS, CONSTANT}:
                turn = _take_turn(engine, server, names, 64, close=True)
                turns[server.name, "64, new connections"] = [turn]
        memory = {server.name: server.memory_mib for server in servers}
    engine.dispose()
    return [_line(database, key, turns, memory) for key in turns]


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


def _line(
    database: str,
    key: tuple[str, str],
    turns: Mapping[tuple[str, str], Sequence[Turn]],
    memory: Mapping[str, float],
) -> list[object]:
    name, at_once = key
    these, ours = turns[key], turns[OURS, at_once]
    ratios = [our.per_second / its.per_second for our, its in zip(ours, these, strict=True)]
    return [
        database,
        name,
        at_once,
        f"{statistics.median(turn.per_second for turn in these):.0f}",
        f"{statistics.median(turn.p50_ms for turn in these):.1f}",
        f"{statistics.median(turn.p99_ms for turn in these):.1f}",
        f"{statistics.median(ratios):.2f}",
        sum(turn.errors for turn in these),
        "-" if name == CONSTANT else max(turn.spread for turn in these),
        f"{memory[name]:.0f}",
        GOALS.get((database, name, at_once), ""),
    ]


if __name__ == "__main__":
    from benchmarks.__main__ import print_markdown

    print_markdown(HEAD.split("|"), table())
