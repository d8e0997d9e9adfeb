"""A scheduler database to fill and to read as watch-pending does, at a noon that stands still."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from farmhand.db import make_engine, parse_url
from tests import scheduler_schemas
from tests.scheduler_schemas import METADATA, Shape
from watch_pending.models import PendingRequests, WorkerStatus
from watch_pending.pending import Window, detect_shape, read_pending, read_workers

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class SchedulerDatabase:
    """`writer` may change it; `reader` is what watch-pending has."""

    url: str
    shape: Shape
    writer: sa.Engine
    reader: sa.Engine

    @classmethod
    def create(cls, url: str, shape: Shape) -> "SchedulerDatabase":
        """Create the shape's tables in an empty database."""
        scheduler = cls(
            url=url,
            shape=shape,
            writer=make_engine(parse_url(url, "test"), timeout_s=TIMEOUT_S),
            reader=make_engine(parse_url(url, "test"), timeout_s=TIMEOUT_S, read_only=True),
        )
        scheduler_schemas.create_shape(scheduler.writer, shape)
        return scheduler

    def close(self) -> None:
        """Close all connections."""
        self.reader.dispose()
        self.writer.dispose()

    def clear(self) -> None:
        """Delete every row but the version's."""
        with self.writer.begin() as connection:
            for table in reversed(METADATA[self.shape].sorted_tables):
                if "version" not in table.name:
                    connection.execute(table.delete())

    def add(self, builder: str = "a", count: int = 1, *, age_s: float = 60, **more: Any) -> None:
        """Add requests that were submitted so long before noon."""
        submitted_at = int(NOON.timestamp() - age_s)
        scheduler_schemas.add_requests(
            self.writer, self.shape, builder, count, submitted_at=submitted_at, **more
        )

    def execute(self, statement: str, **values: Any) -> None:
        """Change something by hand."""
        with self.writer.begin() as connection:
            connection.execute(sa.text(statement), values)

    def read(self) -> tuple[PendingRequests, ...]:
        """Read what waits at noon, from 10 s to 24 h old."""
        return read_waiting(self.reader, NOON)

    def pending(self) -> dict[str, int]:
        """Count what waits, by builder; a builder that comes twice is a mistake."""
        return count_by_builder(self.read())

    def workers(self) -> Mapping[str, WorkerStatus] | None:
        """Read the workers."""
        return read_all_workers(self.reader)


def read_waiting(
    engine: sa.Engine, now: datetime, *, min_age_s: float = 10
) -> tuple[PendingRequests, ...]:
    """Read what waits, as watch-pending does."""
    window = Window(now=now, min_age_s=min_age_s, max_age_s=86400)
    with engine.connect() as connection:
        return read_pending(connection, detect_shape(connection), window)


def read_all_workers(engine: sa.Engine) -> Mapping[str, WorkerStatus] | None:
    """Read the workers, as watch-pending does."""
    with engine.connect() as connection:
        return read_workers(connection, detect_shape(connection))


def count_by_builder(pending: tuple[PendingRequests, ...]) -> dict[str, int]:
    """Give builder → requests; each builder is there once."""
    counts = {item.builder: item.requests for item in pending}
    assert len(counts) == len(pending), pending
    return counts
