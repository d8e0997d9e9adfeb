"""What one run of `stop-idle` costs: statements, EC2 calls, calls of masters, seconds."""

import time
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from tests.ec2_control import Ec2Server
from tests.farm import Farm
from tests.journal import create
from tests.services import DatabaseServer
from tests.stops import add_idle_machines, fates, master_of, stop_idle
from watch_pending.pending import detect_shape
from watch_pending.stop_idle.activity import read_workload


@dataclass(frozen=True, kw_only=True, slots=True)
class Costs:
    """Of a run that stopped so many machines; `look` is one look at all workers."""

    stopped: int
    farm_statements: int
    look_statements: int
    ec2_calls: dict[str, int]
    master_calls: int
    seconds: float


def measure_costs(directory: Path, ec2: Ec2Server, server: DatabaseServer, machines: int) -> Costs:
    """Fill a farm with idle machines, its database on MariaDB, and stop them all in one run."""
    ec2.reset()
    (place := directory / str(machines)).mkdir()
    farm = Farm.make(place, ec2)
    farm.environ["FARMHAND_DATABASE"] = server.create_database("stop_costs")
    try:
        create(server.engine("stop_costs"))
        add_idle_machines(farm, machines)
        with master_of(farm) as master:
            ec2.clear_calls()
            before, started = _count_questions(server), time.perf_counter()
            done = stop_idle(farm)
            seconds, after = time.perf_counter() - started, _count_questions(server)
        assert done.code == 0, done.err
        return Costs(
            stopped=list(fates(done).values()).count("stopped"),
            farm_statements=after - before,
            look_statements=_count_look_statements(farm),
            ec2_calls={name: count for name, count in ec2.call_counts().items() if count},
            master_calls=len(master.calls),
            seconds=seconds,
        )
    finally:
        server.drop_database("stop_costs")


def _count_questions(server: DatabaseServer) -> int:
    """Ask MariaDB how many statements it was sent, this one too."""
    with server.engine("mysql").connect() as connection:
        found = connection.exec_driver_sql("SHOW GLOBAL STATUS LIKE 'Questions'").one()
    return int(found[1])


def _count_look_statements(farm: Farm) -> int:
    seen: list[str] = []
    with farm.scheduler.connect() as connection:
        shape = detect_shape(connection)
        sa.event.listen(
            connection, "before_cursor_execute", lambda *args: seen.append(str(args[2]))
        )
        workload = read_workload(connection, shape, {})
    assert workload.workers
    return len(seen)
