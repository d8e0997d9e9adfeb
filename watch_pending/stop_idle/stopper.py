"""What stopping machines needs of the world: the rows it writes, and what it looks at."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from farmhand.command import Run
from farmhand.db import FarmDb
from watch_pending.aws import Aws
from watch_pending.config import WatchPending
from watch_pending.gather import SchedulerDb
from watch_pending.pending import Shape
from watch_pending.stop_idle import queries
from watch_pending.stop_idle.activity import read_paused, read_workload
from watch_pending.stop_idle.models import Stop, StopState, Workload


@dataclass(frozen=True, kw_only=True, slots=True)
class Stopper:
    """What stopping needs of the world.

    `urls`: slavealloc's masters, host → URLs. `launched`: worker → when its machine was.
    """

    run: Run
    farm: str
    config: WatchPending
    database: FarmDb
    scheduler: SchedulerDb
    shape: Shape
    aws: Aws
    hold: queries.Hold
    urls: Mapping[str, Sequence[str]]
    launched: Mapping[str, datetime]

    def look(self) -> Workload:
        """Read anew what all workers do."""
        with self.scheduler.connect() as connection:
            return read_workload(connection, self.shape, self.launched)

    def read_paused(self, worker_ids: Iterable[int]) -> set[int]:
        """Read which of these workers are paused now."""
        with self.scheduler.connect() as connection:
            return read_paused(connection, self.shape, set(worker_ids))

    def advance(self, stops: Iterable[Stop], to: StopState) -> list[Stop]:
        """Move rows on, and return those that are still ours."""
        rows = {stop.id: stop for stop in stops}
        if not rows:
            return []
        with self.database.begin() as connection:
            moved = queries.advance(connection, rows, self.hold, to)
        return [stop for key, stop in rows.items() if key in moved]

    def renew(self, stops: Sequence[Stop]) -> None:
        """Give machines that still build more time."""
        if stops:
            with self.database.begin() as connection:
                queries.renew(connection, [stop.id for stop in stops], self.hold.owner)

    def close(self, decided: Iterable[tuple[Stop, str]]) -> None:
        """Close rows, those of one reason together."""
        by_reason: defaultdict[str, list[int]] = defaultdict(list)
        for stop, why in decided:
            by_reason[why].append(stop.id)
        if by_reason:
            with self.database.begin() as connection:
                for why, ids in by_reason.items():
                    queries.close(connection, ids, self.hold.owner, why)
