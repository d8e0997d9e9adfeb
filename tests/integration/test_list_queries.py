"""The list of workers on each database: what is found, in which order, and the last word on it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from slavealloc.doors.models import Caller
from slavealloc.rest.edits import Author, Edit, edit_rows
from slavealloc.rest.queries import Row
from slavealloc.ui import done_queries, list_queries
from slavealloc.ui.done import Span
from slavealloc.ui.list_asked import Asked, Sort, State
from slavealloc.ui.list_queries import Window
from slavealloc.ui.list_view import Listed
from tests.allocators import add_masters, add_workers

pytestmark = pytest.mark.integration
DAY_S = 86400


@pytest.fixture(scope="module")
def engine(migrated: sa.Engine) -> sa.Engine:
    first, second = add_masters(migrated, 2)
    now = datetime.now(UTC)
    late: dict[str, Any] = {"last_seen_at": now - timedelta(days=3), "current_master_id": first}
    seen: dict[str, Any] = {
        "last_seen_at": now,
        "current_master_id": second,
        "instance_type": "bld",
    }
    add_workers(migrated, ["a1", "A2"], notes="100% Disk_full", **seen)
    add_workers(migrated, ["b1"], pool="spare", speed="slow", locked_master_id=first, **late)
    add_workers(migrated, ["c1"])
    add_workers(migrated, ["d1"], enabled=False, **seen)
    return migrated


def find(engine: sa.Engine, asked: Asked, *, size: int = 10, start: int = 0) -> list[Listed]:
    with engine.connect() as connection:
        known = list_queries.read_known(connection)
        window = Window(start=start, size=size)
        rows = list_queries.find_workers(connection, asked, known, counted_s=DAY_S, window=window)
        ids = list_queries.find_ids(connection, asked, known, counted_s=DAY_S)
        count = list_queries.count_workers(connection, asked, known, counted_s=DAY_S)
    assert count == len(ids)
    assert {row.id for row in rows} <= set(ids)
    return rows


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        pytest.param(Asked(), ["A2", "a1", "b1", "c1", "d1"], id="all"),
        pytest.param(Asked(q="DISK a"), ["A2", "a1"], id="words"),
        pytest.param(Asked(q="0% disk_"), ["A2", "a1"], id="signs"),
        pytest.param(Asked(q="a_"), [], id="no wildcards"),
        pytest.param(Asked(q="bm2"), ["A2", "a1", "d1"], id="master"),
        pytest.param(Asked(state=State.SILENT), ["b1", "c1"], id="silent"),
        pytest.param(Asked(state=State.LIVE), ["A2", "a1"], id="live"),
        pytest.param(Asked(state=State.DISABLED), ["d1"], id="disabled"),
        pytest.param(Asked(state=State.ENABLED), ["A2", "a1", "b1", "c1"], id="enabled"),
        pytest.param(Asked(names={"pool": "spare", "speed": "slow"}), ["b1"], id="silo"),
        pytest.param(Asked(names={"pool": "nowhere"}), [], id="no such pool"),
        pytest.param(Asked(names={"master": "-"}), ["c1"], id="no master"),
        pytest.param(Asked(names={"locked": "bm1"}), ["b1"], id="locked"),
        pytest.param(Asked(names={"instance_type": "bld"}), ["A2", "a1", "d1"], id="type"),
        pytest.param(Asked(names={"instance_type": "-"}), ["b1", "c1"], id="no type"),
        pytest.param(Asked(q="\U0001f98a"), [], id="a fox"),
    ],
)
def test_a_list_has_who_is_asked_for(engine: sa.Engine, asked: Asked, names: list[str]) -> None:
    assert sorted(row.name for row in find(engine, asked)) == names


@pytest.mark.parametrize(
    ("sort", "first", "last"),
    [
        (Sort.NAME, "A2", "d1"),
        (Sort.STATE, "d1", "c1"),
        (Sort.SEEN, "c1", "d1"),
        (Sort.MASTER, "c1", "d1"),
        (Sort.POOL, "A2", "b1"),
        (Sort.NOTES, "A2", "d1"),
    ],
)
def test_each_column_sorts_both_ways(engine: sa.Engine, sort: Sort, first: str, last: str) -> None:
    asked = Asked(sort=sort)
    names = [row.name for row in find(engine, asked)]
    assert (names[0], names[-1]) == (first, last)
    assert [row.name for row in find(engine, asked, size=2, start=3)] == names[3:]
    back = [row.name for row in find(engine, replace(asked, descending=True))]
    assert back == names[::-1]


def set_enabled(engine: sa.Engine, rows: list[Listed], why: str, *, enabled: bool) -> Span | None:
    edits = [Edit(row=Row(key=row.id), values={"enabled": enabled}) for row in rows]
    with engine.begin() as connection:
        newest = done_queries.read_newest(connection)
    with engine.begin() as connection:
        edit_rows(connection, Author(caller=Caller(name="ann"), why=why), "slaves", edits)
        assert done_queries.find_span(connection, "bob", newest) is None
        return done_queries.find_span(connection, "ann", newest)


def test_a_change_is_the_last_word_and_its_own_span(engine: sa.Engine) -> None:
    rows = find(engine, Asked(q="disk"))
    first = set_enabled(engine, rows, "first", enabled=False)
    disabled = find(engine, Asked(q="disk"))
    second = set_enabled(engine, rows, "second", enabled=True)
    assert [row.last_word.why for row in disabled if row.last_word] == ["first", "first"]
    with engine.connect() as connection:
        words = list_queries.read_last_words(connection, [row.id for row in rows])
        found = [done_queries.read_changes(connection, span) for span in (first, second)]
        states = list_queries.read_enabled(connection, [rows[0].id, 10**9])
    assert {word.why for word in words.values()} == {"second"}
    assert [{row.changes["enabled"] for row in each} for each in found] == [
        {(True, False)},
        {(False, True)},
    ]
    assert [row.row_name for row in found[0]] == [row.name for row in rows]
    assert states == {rows[0].id: True}
