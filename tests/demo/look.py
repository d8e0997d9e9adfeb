"""Look at the farm: Buildbot's database, the machines, and what their runners wrote down."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from tests.demo.scene import Doing, Job, Scene, Seen, Worker, judge
from tests.machine_host import Machine, Power
from tests.whole_farm import WholeFarm
from tests.whole_farm_plan import with_driver

BUILT = 0  # Buildbot's SUCCESS
JOBS = sa.text(
    "SELECT br.id, b.name AS builder, br.submitted_at, br.complete, br.complete_at, br.results,"
    " bl.started_at, w.name AS worker FROM buildrequests br JOIN builders b ON b.id=br.builderid"
    " LEFT JOIN builds bl ON bl.id=(SELECT MAX(id) FROM builds WHERE buildrequestid=br.id)"
    " LEFT JOIN workers w ON w.id=bl.workerid ORDER BY br.id"
)
WORKERS = sa.text(
    "SELECT w.name, w.paused, w.graceful, COUNT(c.id) AS connections FROM workers w"
    " LEFT JOIN connected_workers c ON c.workerid=w.id GROUP BY w.id, w.name, w.paused, w.graceful"
)


@dataclass(kw_only=True, slots=True)
class Look:
    """Remembers who was connected before. Jobs count as waiting from `since` on, or later."""

    farm: WholeFarm
    scheduler: sa.Engine
    prices: Mapping[tuple[str, str], float]
    since: int = 0
    connected: set[str] = field(default_factory=set)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def now(self) -> Scene:
        """Look once."""
        with self.scheduler.connect() as connection:
            jobs = [make_job(row, self.since) for row in connection.execute(JOBS)]
            workers = {row.name: make_worker(row) for row in connection.execute(WORKERS)}
        busy = {job.worker for job in jobs if job.runs}
        machines = self.farm.host.all()
        if len(machines) > len(self.facts):
            self.facts = {each["id"]: each for each in self.farm.ec2.instances()}
        seen = [self.see(machine, workers, busy) for machine in machines]
        return Scene(jobs=jobs, machines=seen, workers=workers)

    def see(self, machine: Machine, workers: Mapping[str, Worker], busy: set[str | None]) -> Seen:
        """Look at one machine."""
        fact = self.facts[machine.instance_id]
        record = read_record(machine)
        return Seen(
            instance_id=machine.instance_id,
            name=machine.name,
            ec2_type=fact["ec2_type"],
            zone=fact["az"],
            doing=self.judge(machine, workers.get(machine.name), builds=machine.name in busy),
            usd_per_hour=self.prices.get((fact["az"], fact["ec2_type"]), 0.0),
            seconds=(machine.ended_at or time.monotonic()) - machine.seen_at,
            round=int(record.get("round") or 0),
            task=str(record.get("task") or "") if record.get("doing") == "task" else "",
            why=machine.why,
        )

    def judge(self, machine: Machine, worker: Worker | None, *, builds: bool) -> Doing:
        """Say what a machine does."""
        if machine.power is Power.OFF:
            return Doing.STOPPED
        if machine.power is Power.BOOTING:
            return Doing.STARTING
        before = machine.instance_id in self.connected
        if worker is not None and worker.connected:
            self.connected.add(machine.instance_id)
        return judge(worker, builds=builds, was_connected=before)


@contextmanager
def looking(
    farm: WholeFarm, prices: Mapping[tuple[str, str], float], *, since: int = 0
) -> Iterator[Look]:
    """Look into Buildbot's database as long as this lasts; its REST would cost it more."""
    engine = sa.create_engine(with_driver(farm.plan.scheduler_url), poolclass=sa.NullPool)
    yield Look(farm=farm, scheduler=engine, prices=prices, since=since)
    engine.dispose()


def read_record(machine: Machine) -> dict[str, Any]:
    """Read what the machine's runner says of itself."""
    with suppress(OSError, ValueError):
        record = json.loads((machine.root / "var/lib/farmhand/runner.json").read_text())
        return record if isinstance(record, dict) else {}
    return {}


def make_worker(row: Any) -> Worker:
    """Read a worker's row."""
    return Worker(
        connected=row.connections > 0, paused=bool(row.paused), graceful=bool(row.graceful)
    )


def make_job(row: Any, since: int) -> Job:
    """Read a request's row, with that of its last build."""
    return Job(
        number=row.id,
        builder=row.builder,
        submitted_at=max(since, row.submitted_at),
        started_at=row.started_at,
        ended_at=row.complete_at if row.complete else None,
        worker=row.worker,
        built=bool(row.complete) and row.results == BUILT,
    )
