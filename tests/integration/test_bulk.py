"""Many rows in one statement, on each kind of database: values come back as they were."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from farmhand.bulk import ids_of, rows_of
from farmhand.db import make_engine, parse_url
from farmhand.tables.base import Id, UtcDateTime

pytestmark = pytest.mark.integration
TIME = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)
TABLE = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("id", Id, primary_key=True),
    sa.Column("words", sa.Text),
    sa.Column("flag", sa.Boolean(create_constraint=False)),
    sa.Column("at", UtcDateTime),
    sa.Column("short", sa.String(30)),
    mysql_charset="utf8mb4",
    mysql_collate="utf8mb4_nopad_bin",
)
NAMES = ("words", "flag", "at", "short")
TYPES = {name: TABLE.c[name].type for name in ("id", *NAMES)}


@pytest.fixture
def connection(database_url: str) -> Iterator[sa.Connection]:
    """A table of three things."""
    engine = make_engine(parse_url(database_url, "test"), timeout_s=30)
    TABLE.metadata.create_all(engine)
    with engine.begin() as connection:
        old = {"words": "old", "flag": True, "at": TIME, "short": "old"}
        connection.execute(TABLE.insert(), [{"id": number, **old} for number in (1, 2, 3)])
        yield connection
    engine.dispose()


def update(connection: sa.Connection, *rows: dict[str, Any]) -> None:
    given = rows_of(connection.dialect, TYPES, rows)
    connection.execute(
        TABLE.update()
        .where(TABLE.c.id == given.c.id)
        .values({TABLE.c[name]: given.c[name] for name in NAMES})
    )


def test_each_row_gets_its_own_values(connection: sa.Connection) -> None:
    words = "é 😀 %s :x \\ ' \" \x01\n"
    full = {"id": 1, "words": words, "flag": False, "at": TIME, "short": "x"}
    update(connection, full, {"id": 2, "flag": None}, {"id": 9, "words": "nobody"})
    found = [tuple(row) for row in connection.execute(sa.select(TABLE).order_by(TABLE.c.id))]
    assert found == [
        (1, words, False, TIME, "x"),
        (2, None, None, None, None),
        (3, "old", True, TIME, "old"),
    ]


def test_any_number_of_ids_is_one_parameter(connection: sa.Connection) -> None:
    many = ids_of(connection.dialect, range(2, 100_000))
    statement = sa.select(TABLE.c.id).where(TABLE.c.id.in_(many)).order_by(TABLE.c.id)
    assert list(connection.scalars(statement)) == [2, 3]
    none = ids_of(connection.dialect, ())
    assert list(connection.scalars(sa.select(TABLE.c.id).where(TABLE.c.id.in_(none)))) == []
    assert len(list(connection.scalars(sa.select(TABLE.c.id).where(TABLE.c.id.not_in(none))))) == 3
