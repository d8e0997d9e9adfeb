"""All who ask together, in one transaction of the farm database: lock, read, decide, write."""

import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.engine import Connection

from farmhand.conflicts import retried
from farmhand.db import FarmDb
from farmhand.errors import BadInput
from farmhand.wording import unknown
from slavealloc import queries
from slavealloc.allocate import count_changes, place_workers
from slavealloc.config import SlaveAlloc
from slavealloc.models import Placement, Refusal, Rules, Silo, Turn
from slavealloc.pages import Page

# In a storm, what was edited behind our back, or counts no more by the clock, is seen so late.
REMEMBERED_S = 0.5
Answers = Mapping[str, Placement | Refusal]
Pages = Mapping[str, Page]


@dataclass(kw_only=True, slots=True)
class Memory:
    """What a crowd's next batch need not read again as long as the lock's row says so.

    `loads` is as of `generation`, `rules` as of `edits`.
    """

    read_at: float = -REMEMBERED_S
    generation: int = -1
    loads: dict[Silo, dict[int, int]] = field(default_factory=dict)
    edits: int = -1
    rules: Rules | None = None

    def add(self, turn: Turn, changes: Mapping[tuple[Silo, int], int]) -> None:
        """Follow what a turn has changed, if nobody else had changed anything before."""
        if not changes or self.generation != turn.generation:
            return
        self.generation += 1
        for (silo, master_id), change in changes.items():
            load = self.loads.setdefault(silo, {})
            load[master_id] = load.get(master_id, 0) + change


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Gives workers their places in one farm database; `host` signs what is written.

    `assign` is for one thread at a time.
    """

    database: FarmDb
    config: SlaveAlloc
    host: str
    memory: Memory = field(default_factory=Memory)
    aside: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, 1, "pages"))

    def check_default_template(self) -> None:
        """Refuse to serve with a default template that is nowhere; raises BadInput."""
        with self.database.begin() as connection:
            names = queries.read_template_names(connection)
        if self.config.default_template not in names:
            told = unknown("template", self.config.default_template, names)
            raise BadInput(f"slavealloc.default_template: {told}")

    @retried
    def assign(
        self, names: Collection[str], make_pages: Callable[[Answers], Pages]
    ) -> tuple[Answers, Pages]:
        """Place these workers and record it, in one transaction; unknown names are left out.

        The pages are made while the database writes. Who asks alone is placed by what is in the
        database now. Raises Unavailable when the database is away.
        """
        with self.database.begin() as connection:
            turn = queries.lock_places(connection)
            decide = self._decide_from_memory if len(names) > 1 else self._decide
            answers = decide(connection, names, turn)
            by_name = {answer.worker.name: answer for answer in answers}
            making = self.aside.submit(make_pages, by_name)
            changes = count_changes(answers)
            if answers:
                queries.write_answers(connection, answers, self.host, turn.now)
            if changes:
                queries.raise_generation(connection)
        # Only now that it is committed: else the next batch finds another generation, and counts.
        self.memory.add(turn, changes)
        return by_name, making.result()

    def preview(self, names: Collection[str]) -> Answers:
        """Say where these workers would be placed now, and record nothing."""
        with self.database.begin() as connection:
            turn = queries.read_turn(connection)
            answers = self._decide(connection, names, turn)
        return {answer.worker.name: answer for answer in answers}

    def _decide(
        self, connection: Connection, names: Collection[str], turn: Turn
    ) -> list[Placement | Refusal]:
        since = self._since(turn)
        rules = self._read_rules(connection)
        workers = queries.read_workers(connection, names, rules, since=since)
        loads: dict[Silo, dict[int, int]] = {}
        for silo in {worker.silo for worker in workers}:
            loads |= queries.read_loads(connection, since=since, silo=silo)
        return place_workers(workers, rules.masters, loads)

    def _decide_from_memory(
        self, connection: Connection, names: Collection[str], turn: Turn
    ) -> list[Placement | Refusal]:
        """Read again only what another server, an edit, or time has changed."""
        memory, since = self.memory, self._since(turn)
        anew = time.monotonic() - memory.read_at >= REMEMBERED_S
        if anew or memory.rules is None or memory.edits != turn.edits:
            memory.rules = self._read_rules(connection)
            memory.edits = turn.edits
        if anew or memory.generation != turn.generation:
            memory.loads = queries.read_loads(connection, since=since)
            memory.generation = turn.generation
        if anew:
            memory.read_at = time.monotonic()
        workers = queries.read_workers(connection, names, memory.rules, since=since)
        return place_workers(workers, memory.rules.masters, memory.loads)

    def _since(self, turn: Turn) -> datetime:
        """Say since when a worker must have asked to be counted."""
        return turn.now - timedelta(seconds=self.config.counted_s)

    def _read_rules(self, connection: Connection) -> Rules:
        return queries.read_rules(connection, default_template=self.config.default_template)
