"""A real master and a real slavealloc that sends workers to it."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from farmhand.tables import farm
from tests import buildbot_master
from tests.allocators import (
    Allocator,
    add_masters,
    add_workers,
    look_up,
    make_places_database,
    running_allocator,
)
from tests.buildbot_master import BuildbotMaster, running_master

TACS = Path(__file__).parent.parent / "slavealloc/tacs"
BUILDER = "build"


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerFarm:
    """The master and the allocator; `set_master` changes what tacs say from then on."""

    master: BuildbotMaster
    allocator: Allocator
    master_id: int

    def set_master(self, **columns: object) -> None:
        """Change the master's row."""
        table = farm.masters
        self._edit(table.update().where(table.c.id == self.master_id).values(**columns))

    def set_password(self, password: str) -> None:
        """Change the workers' password in the allocator, not at the master."""
        self._edit(farm.worker_passwords.update().values(password=password))

    def set_worker(self, name: str, **columns: object) -> None:
        """Change a worker's row."""
        table = farm.workers
        self._edit(table.update().where(table.c.name == name).values(**columns))

    def _edit(self, *statements: sa.Update) -> None:
        """Edit, and let the server know, which keeps what it has read until then."""
        told = {"generation": farm.places.c.generation + 1, "edits": farm.places.c.edits + 1}
        with self.allocator.engine.begin() as connection:
            for statement in (*statements, farm.places.update().values(told)):
                connection.execute(statement)

    def use_tac(self, name: str, old: str, new: str) -> None:
        """Give a worker the shipped tac with a change."""
        text = (TACS / "buildbot-worker.tac.j2").read_text()
        assert old in text
        with self.allocator.engine.begin() as connection:
            template = look_up(connection, farm.tac_templates, "changed")
        table = farm.tac_templates
        changed = table.update().where(table.c.id == template)
        self._edit(changed.values(template=text.replace(old, new)))
        self.set_worker(name, tac_template_id=template)

    def use_hup(self, name: str) -> None:
        """Give a worker a tac that listens to SIGHUP."""
        self.use_tac(name, "allow_shutdown = 'file'", "allow_shutdown = 'signal'")

    def restore(self, name: str) -> None:
        """Undo what tests do."""
        self.set_worker(name, enabled=True, tac_template_id=None)
        self.set_master(pb_port=self.master.pb_port, fqdn="127.0.0.1")
        self.set_password(buildbot_master.PASSWORD)

    def results(self, request: int) -> int | None:
        """Return how a build request ended; None before."""
        found = self.master.rest(f"buildrequests/{request}")["buildrequests"][0]
        return int(found["results"]) if found["complete"] else None

    def connected(self) -> set[str]:
        """Name the workers that the master has."""
        rows = self.master.rest("workers")["workers"]
        return {row["name"] for row in rows if row["connected_to"]}


@contextlib.contextmanager
def worker_farm(
    directory: Path, names: Sequence[str], *, build_seconds: float = 2.0
) -> Iterator[WorkerFarm]:
    """Run both; each worker lives in a directory of its name below what its machine says."""
    directory.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        master = stack.enter_context(
            running_master(
                directory, builders=[BUILDER], workers=names, build_seconds=build_seconds
            )
        )
        engine = make_places_database(f"sqlite:///{directory}/farm.db")
        stack.callback(engine.dispose)
        (master_id,) = add_masters(engine, 1, fqdn="127.0.0.1")
        add_workers(engine, names)
        allocator = stack.enter_context(running_allocator(engine, state=directory))
        made = WorkerFarm(master=master, allocator=allocator, master_id=master_id)
        made.set_master(pb_port=master.pb_port)
        made.set_password(buildbot_master.PASSWORD)
        yield made
