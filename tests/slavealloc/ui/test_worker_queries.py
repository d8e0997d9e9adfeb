"""A worker's page reads again and again, and somebody may delete it between two reads."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from farmhand.tables import farm, metadata
from slavealloc.config import SlaveAlloc
from slavealloc.rest.edits import Missing
from slavealloc.ui.worker_queries import read_place, read_seen


@pytest.fixture
def connection() -> Iterator[sa.Connection]:
    """A farm that has no worker any more."""
    engine = sa.create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(farm.places.insert().values(id=1, generation=0, edits=0))
        yield connection
    engine.dispose()


def test_when_it_was_seen_is_not_known_of_a_deleted_one(connection: sa.Connection) -> None:
    with pytest.raises(Missing, match="it was deleted just now"):
        read_seen(connection, 1, counted_s=60)


@pytest.mark.fault(
    "a worker is deleted while its page is read", "the page says 404: it was deleted just now"
)
def test_a_deleted_one_has_no_place(connection: sa.Connection) -> None:
    with pytest.raises(Missing, match="it was deleted just now"):
        read_place(connection, "w1", SlaveAlloc())
