"""Edits: compared, checked, audited, all or none, and never over somebody else's."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from farmhand.errors import BadInput
from farmhand.tables import farm, metadata
from slavealloc.doors.models import Caller
from slavealloc.rest import edits, jacuzzis
from slavealloc.rest.edits import Author, Conflict, Edit, InUse, Missing
from slavealloc.rest.history_queries import read_history
from slavealloc.rest.queries import Row
from slavealloc.rest.resources import check_add, check_edit
from slavealloc.rest.versions import Version
from tests.allocators import add_masters, add_workers

AUTHOR = Author(caller=Caller(name="alice"), why="bug 1")


@pytest.fixture
def engine() -> Iterator[sa.Engine]:
    """Masters bm1 and bm2, workers w1 to w3, in memory."""
    options = {"check_same_thread": False}
    engine = sa.create_engine("sqlite://", poolclass=StaticPool, connect_args=options)
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(farm.places.insert().values(id=1, generation=0, edits=0))
        connection.execute(farm.tac_templates.insert().values(name="buildslave"))
    add_masters(engine, 2)
    add_workers(engine, ["w1", "w2", "w3"])
    yield engine
    engine.dispose()


def edit(
    engine: sa.Engine, table: str, key: int | str, etag: str | None = None, **sent: Any
) -> Version:
    wanted = Edit(row=Row(key=key), values=check_edit(table, sent), etag=etag)
    with engine.begin() as connection:
        return edits.edit_row(connection, AUTHOR, table, wanted)


def add(engine: sa.Engine, table: str, **sent: Any) -> Version:
    with engine.begin() as connection:
        return edits.add_row(connection, AUTHOR, table, check_add(table, sent))


def delete(engine: sa.Engine, table: str, key: int | str, etag: str | None = None) -> None:
    with engine.begin() as connection:
        edits.delete_row(connection, AUTHOR, table, Row(key=key), etag)


def confine(engine: sa.Engine, builder: str, *machines: str, etag: str | None = None) -> Version:
    with engine.begin() as connection:
        return jacuzzis.set_jacuzzi(connection, AUTHOR, builder, machines, etag)


def read(engine: sa.Engine, table: str, key: int | str) -> Version:
    with engine.begin() as connection:
        return edits.read_version(connection, table, Row(key=key))


def audit(engine: sa.Engine) -> list[tuple[str, str, str, dict[str, Any]]]:
    """What was recorded: table, name, action, changes."""
    with engine.begin() as connection:
        rows = connection.execute(sa.select(farm.audit).order_by(farm.audit.c.id)).all()
    assert {(row.who, row.why) for row in rows} <= {("alice", "bug 1")}
    return [(row.table_name, row.row_name, row.action, json.loads(row.changes)) for row in rows]


def count_edits(engine: sa.Engine) -> int:
    with engine.begin() as connection:
        return int(connection.scalar(sa.select(farm.places.c.edits)) or 0)


def test_an_edit_is_recorded_with_what_really_differs(engine: sa.Engine) -> None:
    version = edit(engine, "slaves", "w1", enabled=True, notes="slow", basedir="/builds/slave")
    assert (version.row["notes"], version.name) == ("slow", "w1")
    assert audit(engine) == [("workers", "w1", "edit", {"notes": [None, "slow"]})]
    assert count_edits(engine) == 1


def test_an_edit_that_changes_nothing_writes_nothing(engine: sa.Engine) -> None:
    edit(engine, "slaves", "w1", enabled=True, notes=None)
    edit(engine, "tac_templates", "buildslave", template=read_template(engine))
    assert (audit(engine), count_edits(engine)) == ([], 0)


def read_template(engine: sa.Engine) -> str:
    return str(read(engine, "tac_templates", "buildslave").row["template"])


def test_an_edit_of_an_old_version_is_refused_with_the_row_as_it_is(engine: sa.Engine) -> None:
    old = read(engine, "slaves", "w1").etag
    new = edit(engine, "slaves", "w1", old, notes="first")
    with pytest.raises(Conflict) as err:
        edit(engine, "slaves", "w1", old, notes="second")
    assert err.value.now == new == read(engine, "slaves", "w1")
    assert len(audit(engine)) == 1


def test_placing_a_worker_is_no_new_version(engine: sa.Engine) -> None:
    before = read(engine, "slaves", "w1").etag
    with engine.begin() as connection:
        connection.execute(farm.workers.update().values(current_master_id=1))
    assert read(engine, "slaves", "w1").etag == before


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda e: edit(e, "slaves", "nobody", notes="x"), id="edit"),
        pytest.param(lambda e: delete(e, "slaves", 99), id="delete"),
        pytest.param(lambda e: delete(e, "slaves", "a\0b"), id="nul"),
        pytest.param(lambda e: edit(e, "slave_passwords", "prod", password="x"), id="no name"),
        pytest.param(lambda e: confine(e, "Linux"), id="jacuzzi"),
    ],
)
def test_what_is_not_there_is_missing(
    engine: sa.Engine, change: Callable[[sa.Engine], object]
) -> None:
    with pytest.raises(Missing):
        change(engine)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            lambda e: edit(e, "slaves", "w1", poolid=99), "poolid: pools has no id 99", id="pool"
        ),
        pytest.param(
            lambda e: add(e, "slaves", name="new", poolid=1, distroid=99), "distroid: ", id="distro"
        ),
        pytest.param(
            lambda e: add(e, "slaves", name="w1", poolid=1), 'name: "w1" is taken', id="worker"
        ),
        pytest.param(lambda e: add(e, "slaves", name="new"), "poolid: is required", id="required"),
        pytest.param(
            lambda e: add(e, "slaves", name="W1.example", poolid=1), "name: ", id="worker's name"
        ),
        pytest.param(
            lambda e: edit(e, "masters", "bm1", nickname="bm2"),
            'nickname: "bm2" is taken',
            id="master",
        ),
        pytest.param(
            lambda e: add(e, "tac_templates", name="mine"), "name: this release ships no", id="tac"
        ),
        pytest.param(
            lambda e: add(e, "tac_templates", name="mine", template="umask = 002"),
            "template: line 1: ",
            id="template",
        ),
        pytest.param(
            lambda e: add(e, "slave_passwords", poolid=1, password="x"),
            "distroid: this pool has a password for it: id 1",
            id="password",
        ),
        pytest.param(
            lambda e: confine(e, "Linux", "w1", "nobody"),
            'machines: no worker is called "nobody"',
            id="jacuzzi",
        ),
        pytest.param(lambda e: confine(e, "a\0b", "w1"), "builder: ", id="builder"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(
    engine: sa.Engine, change: Callable[[sa.Engine], object], message: str
) -> None:
    with pytest.raises(BadInput) as err:
        change(engine)
    assert str(err.value).startswith(message)
    assert (audit(engine), count_edits(engine)) == ([], 0)


def edit_many(engine: sa.Engine, names: list[str], **sent: Any) -> list[Version]:
    values = check_edit("slaves", sent)
    wanted = [Edit(row=Row(key=name), values=values) for name in names]
    with engine.begin() as connection:
        return edits.edit_rows(connection, AUTHOR, "slaves", wanted)


def test_a_thousand_workers_are_disabled_in_few_statements(engine: sa.Engine) -> None:
    names = [f"m{n:04}" for n in range(1000)]
    add_workers(engine, names)
    edit(engine, "slaves", "m0500", enabled=False)
    said: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda _c, _k, text, *_: said.append(text))
    versions = edit_many(engine, names, enabled=False)
    assert [version.name for version in versions] == names
    assert not any(version.row["enabled"] for version in versions)
    assert len(said) <= 12
    assert len([name for _, name, _, _ in audit(engine)]) == 1000


@pytest.mark.parametrize("names", [["w1", "nobody"], ["w1", "w1"]])
def test_of_many_edits_all_or_none_are_made(engine: sa.Engine, names: list[str]) -> None:
    with pytest.raises((Missing, BadInput)):
        edit_many(engine, names, enabled=False)
    assert read(engine, "slaves", "w1").row["enabled"] is True
    assert audit(engine) == []


def test_a_new_row_has_what_was_said_and_is_disabled_unless_that_was_too(engine: sa.Engine) -> None:
    version = add(engine, "slaves", name="new", poolid=1, notes="hello")
    assert (version.row["name"], version.row["enabled"]) == ("new", False)
    assert version == read(engine, "slaves", "new")
    changes = {"name": [None, "new"], "pool_id": [None, 1], "notes": [None, "hello"]}
    recorded = ("workers", "new", "add", {**changes, "enabled": [None, False]})
    assert audit(engine) == [recorded]
    assert add(engine, "masters", nickname="x", fqdn="x", pb_port=1, poolid=1, enabled=True).row[
        "enabled"
    ]


def test_a_row_that_is_gone_is_kept_in_the_record(engine: sa.Engine) -> None:
    delete(engine, "slaves", "w1", read(engine, "slaves", "w1").etag)
    ((table, name, action, changes),) = audit(engine)
    assert (table, name, action) == ("workers", "w1", "delete")
    assert changes["basedir"] == ["/builds/slave", None]
    with pytest.raises(Missing):
        read(engine, "slaves", "w1")


def test_the_next_worker_of_an_id_has_a_history_of_its_own(engine: sa.Engine) -> None:
    edit(engine, "slaves", "w3", notes="w3's")
    delete(engine, "slaves", "w3")
    with engine.begin() as connection:
        connection.execute(farm.workers.insert().values(id=3, name="w9"))
    edit(engine, "slaves", "w9", notes="w9's")
    with engine.begin() as connection:
        history = read_history(connection, Row(key="w9"))
    assert history is not None
    assert [each["changes"] for each in history] == [{"notes": [None, "w9's"]}]


def test_what_was_changed_meanwhile_is_not_deleted(engine: sa.Engine) -> None:
    old = read(engine, "slaves", "w1").etag
    edit(engine, "slaves", "w1", notes="wait")
    with pytest.raises(Conflict):
        delete(engine, "slaves", "w1", old)


@pytest.mark.parametrize(
    ("table", "key", "users"),
    [
        (
            "pools",
            "prod",
            "masters.pool_id: bm1, bm2; worker_passwords.pool_id: 1; workers.pool_id",
        ),
        ("purposes", "purpose", "workers.purpose_id: w1, w2, w3 and 1 more"),
        ("masters", "bm1", "workers.current_master_id: w1; workers.locked_master_id: w2"),
        ("slaves", "w3", "jacuzzis.worker_id: Linux"),
    ],
)
def test_what_is_used_is_not_deleted_and_it_says_by_what(
    engine: sa.Engine, table: str, key: str, users: str
) -> None:
    add_workers(engine, ["w4"], enabled=False)
    with engine.begin() as connection:
        update = farm.workers.update()
        at = farm.workers.c.name
        connection.execute(update.where(at.in_(["w1", "w4"])).values(current_master_id=1))
        connection.execute(update.where(at == "w2").values(locked_master_id=1))
    confine(engine, "Linux", "w3")
    with pytest.raises(InUse) as err:
        delete(engine, table, key)
    assert f"{key} is still used by {users}" in str(err.value)


def test_a_master_that_only_disabled_workers_had_can_go(engine: sa.Engine) -> None:
    edit(engine, "slaves", "w1", enabled=False)
    with engine.begin() as connection:
        where = farm.workers.c.name == "w1"
        connection.execute(farm.workers.update().where(where).values(current_master_id=2))
    delete(engine, "masters", "bm2")
    assert read(engine, "slaves", "w1").row["current_masterid"] is None


def test_a_password_is_set_and_never_seen_again(engine: sa.Engine) -> None:
    added = add(engine, "slave_passwords", poolid=1, distroid=1, password="hunter2")
    changed = edit(engine, "slave_passwords", added.id, added.etag, password="hunter3")
    edit(engine, "slave_passwords", added.id, changed.etag, password="hunter3")
    assert changed.row == {"passwordid": 2, "poolid": 1, "distroid": 1}
    assert "hunter" not in repr((added, changed, audit(engine)))
    recorded = [(name, changes["password"]) for _, name, _, changes in audit(engine)]
    assert recorded == [
        ("prod/linux64", [None, "(hidden)"]),
        ("prod/linux64", ["(hidden)", "(hidden)"]),
    ]


def test_two_edits_of_a_password_don_t_overwrite_each_other(engine: sa.Engine) -> None:
    old = read(engine, "slave_passwords", 1).etag
    edit(engine, "slave_passwords", 1, old, password="first")
    with pytest.raises(Conflict) as err:
        edit(engine, "slave_passwords", 1, old, password="second")
    assert "first" not in repr(err.value.now)


def test_a_jacuzzi_is_changed_as_one(engine: sa.Engine) -> None:
    first = confine(engine, "Linux", "w2", "w1")
    assert first.row == {"builder": "Linux", "machines": ["w1", "w2"]}
    assert confine(engine, "Linux", "w1", "w2", etag=first.etag) == first
    confine(engine, "Linux", "w2", "w3", etag=first.etag)
    with pytest.raises(Conflict):
        confine(engine, "Linux", "w1", etag=first.etag)
    confine(engine, "Linux")
    recorded = [(action, changes["worker_id"]) for _, _, action, changes in audit(engine)]
    assert sorted(recorded[:2]) == [("add", [None, 1]), ("add", [None, 2])]
    assert recorded[2:] == [
        ("delete", [1, None]),
        ("add", [None, 3]),
        ("delete", [2, None]),
        ("delete", [3, None]),
    ]
