"""What the pages read, on each kind of database: no password, and ever as many queries."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from farmhand.tables import farm
from slavealloc.doors.models import Action, Caller, Change
from slavealloc.doors.queries import write_audit
from tests.site_calls import get_page, make_pages_app
from tests.site_lives import BUILDER, FIXED, LONELY, OFF, add_past
from tests.sites import fill_farm

pytestmark = pytest.mark.integration
PAGES = (
    "/ui/",
    f"/ui/workers/{FIXED}",
    "/ui/masters",
    "/ui/masters/bm2",
    "/ui/silos",
    "/ui/jacuzzis",
    "/ui/changes",
)
WORKERS = 60
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def filled(migrated: sa.Engine) -> sa.Engine:
    """A farm with a past, one master and two workers of which were disabled, with reasons."""
    fill_farm(migrated, WORKERS)
    add_past(migrated)
    with migrated.begin() as connection:
        names = connection.execute(sa.select(farm.workers.c.name, farm.workers.c.id))
        ids = {row.name: row.id for row in names}
        for number, name in enumerate((FIXED, OFF)):
            changed = Change(
                table="workers",
                row_id=ids[name],
                row_name=name,
                action="edit",
                changes={"enabled": (True, False)},
            )
            write_audit(connection, Caller(name="ana"), [changed], f"reason {number}")
        connection.execute(
            farm.workers.update().where(farm.workers.c.name == OFF).values(enabled=False)
        )
        locked = farm.workers.c.name == "bld-lion-r5-0002"
        connection.execute(farm.workers.update().where(locked).values(locked_master_id=2))
        masters = farm.masters.update().where(farm.masters.c.nickname == "bm2")
        connection.execute(masters.values(enabled=False, notes="no disk"))
    return migrated


@pytest.fixture(scope="module")
def app(filled: sa.Engine) -> Any:
    return make_pages_app(filled)


def words_of(app: Any, path: str) -> str:
    """Get a page's text, without its marks."""
    status, body = get_page(app, path)
    assert status == 200, body
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)).replace("&#39;", "'")


def test_the_dashboard_says_what_is_wrong_first(app: Any) -> None:
    said = words_of(app, "/ui/")
    assert said.index("Masters disabled") < said.index("Disabled workers")
    assert said.index("Disabled workers") < said.index("Fell silent")
    assert said.index("Fell silent") < said.index("Workers by master")
    assert re.search(rf"{OFF} \S+( s ago| now) ana reason 1", said)
    assert re.search(r"bm2 build-scl3, \d+ live workers left no disk", said)
    assert "it is locked to master bm2, which is disabled: no disk" in said
    assert re.search(rf"{LONELY} none live {OFF} disabled", said)
    assert re.search(rf"{BUILDER} 3 / 5 {OFF} disabled", said)


def test_the_dashboard_counts_every_worker_once(app: Any) -> None:
    said = words_of(app, "/ui/")
    found = re.search(r"(\d+) disabled .*? (\d+) silent (\d+) live", said)
    assert found is not None
    assert sum(map(int, found.groups())) == WORKERS
    assert f"{WORKERS} workers" in said


def test_a_silo_leads_to_the_list_of_as_many_workers(app: Any) -> None:
    _, body = get_page(app, "/ui/silos")
    for path, count in re.findall(r'href="(/ui/workers\?[^"]+state=live)"><b>(\d+)</b>', body):
        _, found = get_page(app, path.replace("&amp;", "&"))
        assert re.search(rf'id="count"[^>]*>\s*{count} of', found)
    assert "tests-use1" in body


def test_a_worker_s_history_is_edits_and_moves(app: Any) -> None:
    said = words_of(app, f"/ui/workers/{FIXED}")
    history = said[said.index("What happened to it") :]
    assert re.search(
        r"ana disabled .*reason 0.* 5 h ago .* bm4 .* 1 d ago .* bm4 → none .* 2 d ago", history
    )


def test_jacuzzis_are_found_by_part_of_a_name_and_paged(app: Any) -> None:
    assert LONELY not in words_of(app, "/ui/jacuzzis?q=b2g_")
    assert BUILDER not in words_of(app, f"/ui/jacuzzis?after={BUILDER}")
    assert "No builder of that name" in words_of(app, "/ui/jacuzzis?q=%25")


def test_changes_are_found_by_who_what_and_name(app: Any) -> None:
    assert "reason 1" in words_of(app, f"/ui/changes?who=ana&table=workers&name={OFF[3:]}")
    for query in ("who=bo", "table=masters", "name=other", "before=1"):
        assert "Nothing was changed" in words_of(app, f"/ui/changes?{query}")


@pytest.mark.parametrize("query", ["before=x", "who=%00", "name=%00"])
def test_a_query_that_means_nothing_is_refused(app: Any, query: str) -> None:
    assert get_page(app, f"/ui/changes?{query}")[0] == 400


@pytest.mark.parametrize("path", ["workers/no", "masters/no", "workers/%00", "workers/bm2"])
def test_what_is_not_there_is_said_so(app: Any, path: str) -> None:
    status, body = get_page(app, f"/ui/{path.replace('%00', chr(0))}")
    assert (status, "is called" in body) == (404, True)


def test_no_page_has_a_password(app: Any) -> None:
    for path in (*PAGES, "/ui/workers"):
        _, body = get_page(app, path)
        assert "pw-" not in body, path


def test_more_workers_need_no_more_queries(app: Any, filled: sa.Engine) -> None:
    def count() -> list[int]:
        counts = []
        for path in PAGES:
            queries: list[str] = []
            sa.event.listen(filled, "before_cursor_execute", note := _noter(queries))
            assert get_page(app, path)[0] == 200
            sa.event.remove(filled, "before_cursor_execute", note)
            counts.append(len(queries))
        return counts

    before = count()
    with filled.begin() as connection:
        row = connection.execute(sa.select(farm.workers).limit(1)).one()._mapping
        copied = {key: value for key, value in row.items() if key not in {"id", "name"}}
        more = [{**copied, "name": f"more-{n}", "enabled": n % 2 == 0} for n in range(200)]
        connection.execute(farm.workers.insert(), more)
    assert count() == before
    assert max(before) <= 25


def _noter(queries: list[str]) -> Any:
    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        queries.append(statement)

    return note


PAST: tuple[tuple[Action, str], ...] = (
    ("edit", "bo"),
    ("delete", "bo"),
    ("add", "ana"),
    ("edit", "ana"),
)


def id_of(connection: sa.Connection, name: str) -> int:
    found = connection.scalar(sa.select(farm.workers.c.id).where(farm.workers.c.name == name))
    return int(found or 0)


def test_older_history_is_a_link_away(app: Any, filled: sa.Engine) -> None:
    name = "tst-linux64-0001"
    with filled.begin() as connection:
        row = {"worker_id": id_of(connection, name), "reason": "chosen", "host": "manager1"}
        rows = [
            {**row, "at": NOON + timedelta(minutes=n), "master_id": 7 + n % 2} for n in range(35)
        ]
        connection.execute(farm.allocations.insert(), rows)
    _, newest = get_page(app, f"/ui/workers/{name}")
    (older,) = re.findall(r'href="(\S+before=\S+)#history"', newest)
    _, oldest = get_page(app, older)
    assert (newest.count("sent to"), oldest.count("sent to")) == (30, 5)
    assert "before=" not in oldest


def test_history_is_not_an_older_row_s_that_had_the_same_id(app: Any, filled: sa.Engine) -> None:
    name = "tst-linux64-0002"
    with filled.begin() as connection:
        row_id = id_of(connection, name)
        for action, who in PAST:
            changed = Change(
                table="workers",
                row_id=row_id,
                row_name=name,
                action=action,
                changes={"basedir": ("a", "b")},
            )
            write_audit(connection, Caller(name=who), [changed], None)
    said = words_of(app, f"/ui/workers/{name}")
    assert "ana added" in said
    assert "bo" not in said.split("What happened to it")[1].split()
