"""A real slavealloc on a real database: places to fill it with, the server as its own process."""

import contextlib
import os
import re
import signal
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa

from farmhand.db import make_engine, parse_url
from farmhand.tables import farm, metadata
from slavealloc.cli import main
from slavealloc.doors import queries
from slavealloc.doors.models import Scope
from slavealloc.doors.tokens import digest_token, make_token
from tests import processes
from tests.farm_tables import make_tables
from tests.processes import Finished
from tests.run_here import run_here

ROOT = Path(__file__).parent.parent
START_TIMEOUT_S = STOP_TIMEOUT_S = 60
SILO = ("distro", "bitlength", "speed", "purpose", "datacenter", "trustlevel", "environment")


def make_places_database(url: str) -> sa.Engine:
    """Create the farm's tables in an empty database, and return an engine on it."""
    return make_tables(make_engine(parse_url(url, "test"), timeout_s=60))


def look_up(connection: sa.Connection, table: sa.Table, name: str) -> int:
    """Return the id of a look-up row, made when missing."""
    found = connection.scalar(sa.select(table.c.id).where(table.c.name == name))
    if found is not None:
        return int(found)
    result = connection.execute(table.insert().values(name=name))
    return int((result.inserted_primary_key or (0,))[0])


def add_masters(engine: sa.Engine, count: int, *, pool: str = "prod", **more: Any) -> list[int]:
    """Add masters bm1, bm2, … to a pool that has a password; return their ids."""
    with engine.begin() as connection:
        pool_id = look_up(connection, farm.pools, pool)
        passwords = farm.worker_passwords
        if not connection.scalar(sa.select(sa.func.count()).where(passwords.c.pool_id == pool_id)):
            connection.execute(passwords.insert().values(pool_id=pool_id, password=f"pw-{pool}"))
        start = (connection.scalar(sa.select(sa.func.max(farm.masters.c.id))) or 0) + 1
        rows = [
            {
                "id": start + n,
                "nickname": f"bm{start + n}",
                "fqdn": f"bm{start + n}.example.com",
                "pb_port": 9000 + start + n,
                "pool_id": pool_id,
                **more,
            }
            for n in range(count)
        ]
        connection.execute(farm.masters.insert(), rows)
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            connection.execute(
                sa.text("SELECT setval('masters_id_seq', (SELECT max(id) FROM masters))")
            )
    return [row["id"] for row in rows]


def add_workers(
    engine: sa.Engine, names: Sequence[str], *, pool: str = "prod", **more: Any
) -> None:
    """Add enabled workers of one silo; `distro` and the like are names, the rest is columns."""
    with engine.begin() as connection:
        silo = {
            f"{name}_id": look_up(connection, metadata.tables[f"{name}s"], more.pop(name, name))
            for name in SILO
            if name != "distro"
        }
        silo["distro_id"] = look_up(connection, farm.distros, more.pop("distro", "linux64"))
        row = {"pool_id": look_up(connection, farm.pools, pool), "basedir": "/builds/slave"}
        for start in range(0, len(names), 1000):
            rows = [row | silo | more | {"name": name} for name in names[start : start + 1000]]
            connection.execute(farm.workers.insert(), rows)


def add_token(engine: sa.Engine, name: str, scope: Scope = Scope.WRITE) -> str:
    """Add a token, as `slavealloc token add` does, and return it."""
    token = make_token()
    with engine.begin() as connection:
        queries.add_token(connection, name, scope, digest_token(token))
    return token


def balance(engine: sa.Engine) -> Counter[int]:
    """Count workers by their master's id, masters without any included."""
    with engine.connect() as connection:
        counts = Counter(dict.fromkeys(connection.scalars(sa.select(farm.masters.c.id)), 0))
        column = farm.workers.c.current_master_id
        counts.update(connection.scalars(sa.select(column).where(column.is_not(None))))
    return counts


@dataclass(kw_only=True, slots=True)
class Allocator:
    """A server process; `url` is where it listens."""

    url: str
    command: processes.Command
    engine: sa.Engine
    token: str = ""
    token_name: str = field(default_factory=lambda: f"tester-{uuid.uuid4().hex[:8]}")

    def gettac(self, name: str) -> requests.Response:
        """Ask as a machine does."""
        return requests.get(f"{self.url}/gettac/{name}", timeout=30)

    def get(self, path: str, **more: Any) -> requests.Response:
        """GET a path."""
        return requests.get(f"{self.url}{path}", timeout=30, **more)

    def put(self, path: str, document: Any) -> requests.Response:
        """PUT a document as JSON, with a token."""
        headers = self.authorization()
        return requests.put(f"{self.url}{path}", json=document, headers=headers, timeout=30)

    def authorization(self) -> dict[str, str]:
        """Say, in a header, who asks; the token is made when it is first needed."""
        self.token = self.token or add_token(self.engine, self.token_name)
        return {"Authorization": f"Bearer {self.token}"}


@contextlib.contextmanager
def running_allocator(
    engine: sa.Engine | None, *options: str, state: Path, **more: str
) -> Iterator[Allocator]:
    """Run `slavealloc serve` on a database, on a port of its own; without one, on the default."""
    said = ["serve", "--port", "0", "-v", *options]
    if engine is not None:
        said += ["-D", engine.url.render_as_string(hide_password=False)]
    else:
        engine = sa.create_engine(f"sqlite:///{state}/farmhand.db")
    command = processes.start(
        "slavealloc.cli", *said, environ=environ(state, **more), directory=state
    )
    try:
        yield Allocator(url=_await_address(command), command=command, engine=engine)
    finally:
        command.send_signal(signal.SIGTERM)
        command.finish(STOP_TIMEOUT_S)


def _await_address(command: processes.Command) -> str:
    """Wait until a server says where it is."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while not (found := re.search(r"http://\S+", (command.output / "out").read_text())):
        assert command.process.is_alive(), command.said
        assert time.monotonic() < deadline, command.said
        time.sleep(0.01)
    return found[0]


def environ(state: Path, **more: str) -> dict[str, str]:
    """Say in which environment commands run: nothing of the developer's farm."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FARMHAND_")}
    return {**kept, "FARMHAND_STATE": str(state), "PYTHONPATH": str(ROOT), **more}


def run_slavealloc(state: Path, *args: str, **more: str) -> Finished:
    """Run the command line to its end, in the process of the tests, from a directory."""
    with contextlib.chdir(state):
        return run_here(main, args, environ(state, **more))
