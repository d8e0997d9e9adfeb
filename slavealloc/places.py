"""All who ask together, in one transaction of the farm database: lock, read, decide, write."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from farmhand.conflicts import retried
from farmhand.db import FarmDb
from farmhand.errors import BadInput
from farmhand.validation import unknown
from slavealloc import queries
from slavealloc.allocate import place_workers
from slavealloc.config import SlaveAlloc
from slavealloc.models import Master, Placement, Refusal


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Gives workers their places in one farm database; `host` signs what is written."""

    database: FarmDb
    config: SlaveAlloc
    host: str

    def check_default_template(self) -> None:
        """Refuse to serve with a default template that is nowhere; raises BadInput."""
        with self.database.begin() as connection:
            names = queries.read_template_names(connection)
        if self.config.default_template not in names:
            told = unknown("template", self.config.default_template, names)
            raise BadInput(f"slavealloc.default_template: {told}")

    @retried
    def assign(self, names: Collection[str]) -> Mapping[str, Placement | Refusal]:
        """Place these workers and record it, in one transaction; unknown names are left out.

        Raises Unavailable when the database is away.
        """
        with self.database.begin() as connection:
            masters = queries.lock_places(connection)
            answers = self._decide(connection, names, masters)
            if answers:
                queries.write_answers(connection, answers, self.host)
        return {answer.worker.name: answer for answer in answers}

    def preview(self, names: Collection[str]) -> Mapping[str, Placement | Refusal]:
        """Say where these workers would be placed now, and record nothing."""
        with self.database.begin() as connection:
            answers = self._decide(connection, names, queries.read_masters(connection))
        return {answer.worker.name: answer for answer in answers}

    def _decide(
        self, connection: Connection, names: Collection[str], masters: Mapping[int, Master]
    ) -> list[Placement | Refusal]:
        workers = queries.read_workers(
            connection,
            names,
            counted_s=self.config.counted_s,
            default_template=self.config.default_template,
        )
        pool_ids = {worker.silo[0] for worker in workers if worker.silo[0] is not None}
        loads = queries.read_loads(connection, pool_ids, counted_s=self.config.counted_s)
        return place_workers(workers, masters, loads)
