"""How a run's own row ends."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from farmhand.command import Run
from farmhand.db import FarmDb, open_farm_db
from farmhand.errors import DeadlinePassed
from farmhand.recorded import recorded
from farmhand.tables.records import runs


@pytest.fixture
def database(tmp_path: Path) -> FarmDb:
    url = sa.make_url(f"sqlite:///{tmp_path}/farmhand.db")
    return open_farm_db(url, farm="test", embedded=True, timeout_s=10, reading=False)


def test_a_run_that_ignored_its_deadline_says_so_in_its_row(database: FarmDb) -> None:
    run = Run(
        command="tend",
        verb="run",
        host="here",
        config_path=None,
        environ={},
        now=datetime(2026, 11, 21, tzinfo=UTC),
        started=0,
        deadline_s=60,
    )
    with pytest.raises(DeadlinePassed), recorded(database, run):
        raise DeadlinePassed("still at work")
    with database.begin() as connection:
        [row] = connection.execute(sa.select(runs)).mappings()
    assert (row["exit_code"], row["summary"]["error"]) == (4, "still at work")
    database.engine.dispose()
