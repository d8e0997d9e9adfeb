"""Whatever rows a farm has: loaded into SQLite and dumped again, they are the same."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from farmhand.tables import metadata
from farmhand.tables.base import UtcDateTime
from slavealloc.bulk.dump import TABLES, Header, format_dump
from slavealloc.bulk.dump_files import DumpFile, read_dump
from slavealloc.bulk.queries import (
    count_rows,
    delete_all,
    insert_rows,
    read_all,
    restore_templates,
)
from slavealloc.models import SHIPPED_NAMES
from tests.bulk_farm import NOON, Rows, body, make_dump

CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
TEXTS = st.text(CHARACTERS, max_size=12)
TIMES = st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def values_of(column: sa.Column[Any], ids: dict[str, list[int]]) -> st.SearchStrategy[Any]:
    """Say what a column may hold, where other tables have these ids; perhaps nothing."""
    kind = column.type
    values: st.SearchStrategy[Any]
    if column.foreign_keys:
        (key,) = column.foreign_keys
        there = ids[key.column.table.name]
        values = st.sampled_from(there) if there else st.nothing()
    elif isinstance(kind, UtcDateTime):
        values = TIMES
    elif isinstance(kind, sa.Boolean):
        values = st.booleans()
    elif isinstance(kind, sa.Integer):
        values = st.integers(0, 65535)
    else:
        values = TEXTS
    return st.none() | values if column.nullable else values


def rows_of(table: sa.Table, ids: dict[str, list[int]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Say what rows a table may have: ids with gaps, names once, references that hold."""
    columns = {c.name: values_of(c, ids) for c in table.c if c.name != "id"}
    if any(values.is_empty for values in columns.values()):
        return st.just([])
    if "id" in table.c:
        columns["id"] = st.integers(1, 2**62)
    constraints = [c for c in table.constraints if isinstance(c, sa.UniqueConstraint)]
    once = [tuple(c.name for c in each.columns) for each in (*constraints, table.primary_key)]
    unique = tuple((lambda row, names=names: tuple(row[n] for n in names)) for names in once)
    rows = st.lists(st.fixed_dictionaries(columns), max_size=2, unique_by=unique)
    return rows.map(lambda some: sorted(some, key=lambda row: [row[n] for n in once[-1]]))


@st.composite
def farms(draw: st.DrawFn) -> Rows:
    """Draw a few rows of each table, and the templates that each database has."""
    drawn: Rows = []
    ids: dict[str, list[int]] = {}
    for table in TABLES:
        rows = draw(rows_of(table, ids))
        if table.name == "tac_templates":
            rows = [row for row in rows if row["name"] not in SHIPPED_NAMES]
            first = max((row["id"] for row in rows), default=0) + 1
            shipped = enumerate(SHIPPED_NAMES, first)
            rows += [{"id": id_, "name": name, "template": None} for id_, name in shipped]
        ids[table.name] = [row["id"] for row in rows if "id" in row]
        drawn += [(table.name, {c.name: row[c.name] for c in table.c}) for row in rows]
    return drawn


@pytest.fixture(scope="module")
def engine() -> Iterator[sa.Engine]:
    """A database with all tables; each example leaves its rows to the next one to delete."""
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@given(farms())
def test_dump_and_load_is_identity(engine: sa.Engine, rows: Rows) -> None:
    dump = make_dump(rows)
    file = DumpFile(name="d", stream=io.BytesIO(dump))
    with engine.begin() as connection:
        delete_all(connection)
        insert_rows(connection, read_dump(file, backend="sqlite"))
        restore_templates(connection)
        again = b"".join(format_dump(Header(farm="prod", taken_at=NOON), read_all(connection)))
        counted = [name for name, _ in rows if name != "audit"]
        assert sum(count_rows(connection, TABLES).values()) == len(counted) - len(SHIPPED_NAMES)
    assert body(again) == body(dump)
    assert again == dump
