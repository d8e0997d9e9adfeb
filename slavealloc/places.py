"""All who ask together, in one transaction of the farm database: lock, read, decide, write."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sqlalchemy.engine import Connection

from farmhand.conflicts import retried
from farmhand.db import FarmDb
from farmhand.errors import BadInput
from farmhand.validation import unknown
from slavealloc import queries
from slavealloc.allocate import count_changes, place_workers
from slavealloc.config import SlaveAlloc
from slavealloc.models import Loads, Placement, Refusal, Rules, Silo, Turn

REMEMBERED_S = 10.0  # what is edited by hand, or counts no more by the clock alone, is seen so late


@dataclass(kw_only=True, slots=True)
class Memory:
    """What a batch need not read again as long as the lock's row says so.

    `loads` is as of `generation`, `rules` as of `edits`.
    """

    read_at: float = -REMEMBERED_S
    generation: int = -1
    loads: dict[Silo, dict[int, int]] = field(default_factory=dict)
    edits: int = -1
    rules: Rules | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Gives workers their places in one farm database; `host` signs what is written.

    `assign` is for one thread at a time.
    """

    database: FarmDb
    config: SlaveAlloc
    host: str
    memory: Memory = field(default_factory=Memory)

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
            turn = queries.lock_places(connection)
            rules, loads = self._remember(connection, turn)
            answers = self._decide(connection, names, rules, loads)
            changes = count_changes(answers)
            if answers:
                queries.write_answers(connection, answers, self.host, turn.now)
            if changes:
                queries.raise_generation(connection)
        # Only now that it is committed: else the next batch finds another generation, and counts.
        for (silo, master_id), change in changes.items():
            load = loads.setdefault(silo, {})
            load[master_id] = load.get(master_id, 0) + change
        self.memory.generation = turn.generation + (1 if changes else 0)
        return {answer.worker.name: answer for answer in answers}

    def _remember(
        self, connection: Connection, turn: Turn
    ) -> tuple[Rules, dict[Silo, dict[int, int]]]:
        """Read again what another server, an edit, or time has changed."""
        memory = self.memory
        old = time.monotonic() - memory.read_at >= REMEMBERED_S
        if old or memory.rules is None or memory.edits != turn.edits:
            memory.rules = self._read_rules(connection)
            memory.edits = turn.edits
        if old or memory.generation != turn.generation:
            memory.loads = queries.read_loads(connection, counted_s=self.config.counted_s)
            memory.generation = turn.generation
        if old:
            memory.read_at = time.monotonic()
        return memory.rules, memory.loads

    def _read_rules(self, connection: Connection) -> Rules:
        return queries.read_rules(connection, default_template=self.config.default_template)

    def preview(self, names: Collection[str]) -> Mapping[str, Placement | Refusal]:
        """Say where these workers would be placed now, and record nothing."""
        with self.database.begin() as connection:
            loads = queries.read_loads(connection, counted_s=self.config.counted_s)
            answers = self._decide(connection, names, self._read_rules(connection), loads)
        return {answer.worker.name: answer for answer in answers}

    def _decide(
        self, connection: Connection, names: Collection[str], rules: Rules, loads: Loads
    ) -> list[Placement | Refusal]:
        counted_s = self.config.counted_s
        workers = queries.read_workers(connection, names, rules, counted_s=counted_s)
        return place_workers(workers, rules.masters, loads)
