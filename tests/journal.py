"""What tests do with the farm database: look into it, age its rows, compare it with EC2."""

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from farmhand.tables.farm import workers
from farmhand.tables.launches import instances, launches
from farmhand.tables.records import runs
from tests.ec2_control import Ec2Server, name_of, token_of
from tests.farm import REGIONS, Farm
from tests.farm_tables import make_tables
from tests.processes import Command
from tests.services import DatabaseServer

GONE = {"terminated", "shutting-down"}
PATIENCE_S = 60.0

__all__ = ["instances", "launches", "runs", "workers"]


def finish(command: Command) -> int:
    """Let a command end and return its exit code."""
    return command.finish(PATIENCE_S).code


def kill(command: Command) -> None:
    """End a command as `kill -9` does."""
    command.send_signal(signal.SIGKILL)
    finish(command)


def start_until_recorded(farm: Farm, engine: sa.Engine) -> Command:
    """Start a run, and wait until it has written its own row: from then on it does things."""
    before = len(read(engine, runs))
    process = farm.start()
    wait_until(lambda: len(read(engine, runs)) > before)
    return process


def wait_until(is_so: Callable[[], object]) -> None:
    """Wait for what another process does; it must come soon."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        asked = time.monotonic()
        if is_so():
            return
        assert asked < deadline, "it never came"
        time.sleep(max(0.01, 4 * (time.monotonic() - asked)))  # who is asked has more to do


def read(engine: sa.Engine, table: sa.Table, *where: Any) -> list[Mapping[str, Any]]:
    """Read a table's rows, oldest first; none while nobody has created it."""
    statement = sa.select(table).where(*where).order_by(*table.primary_key.columns)
    if engine.dialect.name == "sqlite" and not Path(str(engine.url.database)).exists():
        return []  # to connect would create it
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table(table.name):
            return []
        return [dict(row._mapping) for row in connection.execute(statement)]


def states(engine: sa.Engine) -> list[str]:
    """List the states of all launches, oldest first."""
    return [row["state"] for row in read(engine, launches)]


def minutes_ago(minutes: float) -> datetime:
    """Say when that was."""
    return datetime.now(UTC) - timedelta(minutes=minutes)


def create(engine: sa.Engine) -> sa.Engine:
    """Create the farm database's tables, as `farmhand db upgrade` does."""
    if engine.dialect.name == "sqlite":
        Path(str(engine.url.database)).parent.mkdir(exist_ok=True)
    return make_tables(engine)


@contextmanager
def shared_database(kind: str, farm: Farm, request: pytest.FixtureRequest) -> Iterator[sa.Engine]:
    """Make a farm database of its own for a farm: `sqlite`, or one of the servers' fixtures."""
    if kind == "sqlite":
        farm.environ["FARMHAND_DATABASE"] = f"sqlite:///{farm.directory}/shared.db"
        yield create(sa.create_engine(farm.environ["FARMHAND_DATABASE"]))
        return
    server: DatabaseServer = request.getfixturevalue(kind)
    farm.environ["FARMHAND_DATABASE"] = server.create_database("journal")
    try:
        yield create(server.engine("journal"))
    finally:
        server.drop_database("journal")


def add_instance(engine: sa.Engine, name: str, *, seen: datetime, **more: Any) -> None:
    """Write that an instance, which EC2 does not show, was seen then; it is an hour old."""
    row = {
        "instance_id": f"i-{name}",
        "name": name,
        "instance_type": "bld-linux64",
        "market": "spot",
        "region": REGIONS[0],
        "availability_zone": f"{REGIONS[0]}a",
        "subnet": "subnet-1",
        "ec2_type": "c7i.xlarge",
        "state": "running",
        "launched_at": minutes_ago(60),
        "last_seen_at": seen,
        "last_connected_at": seen,
    }
    with engine.begin() as connection:
        connection.execute(instances.insert().values({**row, **more}))


def age_launches(engine: sa.Engine, minutes: float) -> None:
    """Let every launch be that old."""
    past = sa.literal(minutes_ago(minutes), launches.c.created_at.type)
    moved = {
        column.name: sa.case((column.is_not(None), past))
        for column in (launches.c.created_at, launches.c.called_at, launches.c.closed_at)
    }
    write(engine, launches.update().values(moved))


def write(engine: sa.Engine, statement: sa.Update) -> None:
    """Change rows, as time would."""
    with engine.begin() as connection:
        connection.execute(statement)


def live(ec2: Ec2Server) -> dict[str, tuple[str, str]]:
    """Ask EC2 itself for all live instances: id → (name, its launch's token)."""
    return {
        item["id"]: (name_of(item), token_of(item))
        for item in ec2.instances()
        if item["state"] not in GONE
    }


def known(engine: sa.Engine) -> dict[str, tuple[str, str]]:
    """Ask the farm database for all instances that have both rows: id → (name, launch's token)."""
    statement = (
        sa.select(instances.c.instance_id, instances.c.name, launches.c.token)
        .join(
            launches,
            sa.and_(
                launches.c.token == instances.c.token,
                launches.c.instance_id == instances.c.instance_id,
                launches.c.name == instances.c.name,
            ),
        )
        .where(launches.c.state == "seen", instances.c.state != "gone")
    )
    with engine.connect() as connection:
        return {row[0]: (row[1], row[2]) for row in connection.execute(statement)}


def numbered(count: int, pattern: str = "bld-linux64-%03d") -> list[str]:
    """List the names that so many machines have: the lowest, none twice."""
    return [pattern % number for number in range(1, count + 1)]
