"""dbdump and dbload on each kind of database: what comes out of one goes into each, or nothing."""

import hashlib
import json
import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from farmhand.db import FarmDb
from farmhand.errors import BadInput, Unavailable
from farmhand.tables.farm import audit, workers
from farmhand.tables.records import runs, schema_info
from farmhand.upgrades import newest_revision
from slavealloc.bulk import queries as bulk_queries
from slavealloc.bulk.dbadmin import dump_database, init_database
from slavealloc.models import SHIPPED_NAMES
from tests.allocators import make_places_database
from tests.bulk_farm import (
    count,
    direct,
    dump,
    is_shipped,
    is_small_farm,
    load,
    make_dump,
    make_run,
    make_token,
    make_worker,
    opened,
    rows_of,
    small_farm,
)
from tests.integration.conftest import one_kind

pytestmark = pytest.mark.integration
only_sqlite = pytest.mark.parametrize("kind", ["sqlite"])
COUNTED = "2 pools, 1 distros, 1 bitlengths, 1 speeds"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where no farmhand.yml is."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def url(database_url: str) -> str:
    """A database as `slavealloc dbinit` makes it."""
    make_places_database(database_url).dispose()
    return database_url


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A dump of the small farm."""
    path = tmp_path / "farm.dump"
    path.write_bytes(make_dump())
    return path


# dbload


def test_a_dump_loads_into_each_database_and_comes_out_the_same(
    url: str, file: Path, tmp_path: Path
) -> None:
    load(url, file)
    assert is_small_farm(dump(url, tmp_path))


def test_ids_go_on_above_the_highest_loaded_and_never_go_back(url: str, file: Path) -> None:
    def add(name: str) -> int:
        with opened(url) as engine, engine.begin() as connection:
            key = connection.execute(workers.insert().values(name=name)).inserted_primary_key
        return int(key[0]) if key else 0

    load(url, file)
    first = add("new")
    assert first > 11
    direct(init_database, make_run(), url, file, force=True)
    assert add("newer") > first


@pytest.mark.fault(
    "dbload into a database that is not empty", "refused with what it has; it stays as it was"
)
@one_kind
def test_a_database_that_is_not_empty_is_refused_and_stays(
    url: str, file: Path, tmp_path: Path
) -> None:
    load(url, file)
    for dry_run in (True, False):
        with pytest.raises(BadInput, match=f"is not empty: it has {COUNTED}"):
            load(url, file, dry_run=dry_run)
    assert is_small_farm(dump(url, tmp_path))


@pytest.mark.fault(
    "dbload, and the dump is: {id}", "refused with file, line and reason; nothing is loaded"
)
@only_sqlite
@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda dump: dump[: len(dump) // 2], "is cut", id="cut"),
        pytest.param(
            lambda dump: dump.replace(f'"{newest_revision()}"'.encode(), b'"0999"'),
            "upgrade farmhand",
            id="new",
        ),
        pytest.param(lambda dump: dump.replace(b"w-10", b"w-99"), "checksum", id="edited"),
        pytest.param(lambda dump: dump + b"more\n", "is no line of a dump", id="more"),
    ],
)
def test_a_bad_dump_is_refused_and_nothing_is_loaded(
    url: str, tmp_path: Path, change: object, message: str
) -> None:
    assert callable(change)
    (tmp_path / "bad.dump").write_bytes(change(make_dump()))
    with pytest.raises(BadInput, match=message) as caught:
        load(url, tmp_path / "bad.dump")
    assert re.match(rf"{re.escape(str(tmp_path))}/bad\.dump:\d+: ", str(caught.value))
    assert is_shipped(dump(url, tmp_path))


@only_sqlite
def test_an_older_dump_loads_with_defaults(url: str, tmp_path: Path) -> None:
    lines = [
        {"farmhand_dump": 1, "version": "0.0.9", "revision": "0000", "farm": None},
        {"table": "workers", "row": {"id": 3, "name": "old"}},
        {"table": "workers", "row": {"id": 4, "name": "off", "enabled": False, "notes": "n"}},
    ]
    raw = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    end = {"rows": 2, "sha256": hashlib.sha256(raw).hexdigest()}
    (tmp_path / "old.dump").write_bytes(raw + json.dumps(end).encode() + b"\n")
    load(url, tmp_path / "old.dump")
    taken = dump(url, tmp_path)
    found = [(row["name"], row["enabled"], row["notes"]) for row in rows_of(taken, "workers")]
    assert found == [("old", True, None), ("off", False, "n")]
    assert [row["name"] for row in rows_of(taken, "tac_templates")] == list(SHIPPED_NAMES)


@pytest.mark.fault(
    "dbload of a text that MariaDB has no room for",
    "refused there, with line and column; other databases load it",
)
def test_a_text_that_only_mariadb_has_no_room_for_is_refused_there(
    url: str, kind: str, tmp_path: Path
) -> None:
    long = [("workers", make_worker(1, pool_id=None, notes="é" * 40_000))]
    (tmp_path / "long.dump").write_bytes(make_dump(long))
    if kind == "mariadb":
        with pytest.raises(BadInput, match=r"long\.dump:2: workers\.notes: is longer than"):
            load(url, tmp_path / "long.dump")
    else:
        load(url, tmp_path / "long.dump")


@one_kind
def test_scrubbing_changes_every_password_and_nothing_else(
    url: str, file: Path, tmp_path: Path
) -> None:
    load(url, file, scrub=True)
    taken = dump(url, tmp_path)
    passwords = [row.pop("password") for row in rows_of(taken, "worker_passwords")]
    assert len(set(passwords) | {"s3cret", " other "}) == 4
    assert all(len(password) >= 24 for password in passwords)
    text = taken.decode()
    for new, old in zip(passwords, ["s3cret", " other "], strict=True):
        text = text.replace(json.dumps(new), json.dumps(old))
    assert is_small_farm(text.encode())


@only_sqlite
def test_a_copy_for_staging_has_no_tokens_and_says_who_loaded_it(url: str, tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(make_dump([*small_farm()[:-1], ("tokens", make_token(1, "d"))]))
    load(url, tmp_path / "t", scrub=True)
    assert count(url, "tokens") == 0
    with opened(url) as engine, engine.connect() as connection:
        row = connection.execute(sa.select(audit)).one()
    assert (row.table_name, row.row_name, row.action) == ("database", "dbload --scrub", "edit")
    assert row.who.endswith("@h")
    assert json.loads(row.changes)["workers"] == [0, 2]


def test_loading_that_only_shows_writes_nothing(
    url: str, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load(url, file, dry_run=True)
    assert "loaded 2 pools, 1 distros" in capsys.readouterr().out
    assert is_shipped(dump(url, tmp_path))


def test_rows_in_one_table_twice_the_batch_are_all_loaded(url: str, tmp_path: Path) -> None:
    many = [("workers", make_worker(i, pool_id=None)) for i in range(1, 2502)]
    (tmp_path / "many.dump").write_bytes(make_dump(many))
    load(url, tmp_path / "many.dump")
    assert count(url, "workers") == 2501


# dbdump


# Nobody can write while SQLite is read.
@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_a_dump_is_of_one_moment(url: str, file: Path) -> None:
    load(url, file)
    with opened(url) as engine:
        database = FarmDb(engine=engine, url=engine.url)
        with bulk_queries.snapshot(database) as connection:
            rows = bulk_queries.read_all(connection)
            names = [next(rows)[0].name]
            direct(init_database, make_run(), url, None, force=True)
            names += [table.name for table, _ in rows]
    assert names == [*(name for name, _ in small_farm()), "audit"]  # the load is recorded too


@only_sqlite
def test_any_farms_database_can_be_dumped_and_says_whose_it_is(url: str, tmp_path: Path) -> None:
    with opened(url) as engine, engine.begin() as connection:
        connection.execute(schema_info.update().values(farm="prod"))
    assert json.loads(dump(url, tmp_path).splitlines()[0])["farm"] == "prod"


@only_sqlite
def test_loading_gives_a_database_no_name(url: str, file: Path) -> None:
    load(url, file)
    with opened(url) as engine, engine.begin() as connection:
        assert connection.execute(sa.select(schema_info.c.farm)).scalars().all() == [None]


@one_kind
def test_a_dump_in_a_file_is_for_its_owner_only_and_whole(url: str, tmp_path: Path) -> None:
    path = tmp_path / "farm.dump"
    path.write_text("the one before")
    path.chmod(0o644)
    direct(dump_database, make_run(), url, path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert is_shipped(path.read_bytes())
    with opened(url) as engine, engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE jacuzzis"))
    before = path.read_bytes()
    with pytest.raises(Unavailable, match="jacuzzis"):
        direct(dump_database, make_run(), url, path)
    assert path.read_bytes() == before
    assert not list(tmp_path.glob(".farm.dump*"))


@only_sqlite
def test_a_dump_is_a_run_among_others_and_a_dry_one_is_not(url: str, tmp_path: Path) -> None:
    direct(dump_database, make_run(dry_run=True), url, tmp_path / "farm.dump")
    assert list(tmp_path.glob("*.dump")) == []
    direct(dump_database, make_run(), url, tmp_path / "farm.dump")
    with opened(url) as engine, engine.begin() as connection:
        (row,) = connection.execute(sa.select(runs.c.exit_code, runs.c.summary))
    assert (row.exit_code, list(row.summary)) == (0, ["rows"])


@only_sqlite
def test_who_may_only_read_gets_his_dump_all_the_same(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(url) as engine, engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE runs"))
    direct(dump_database, make_run(), url, tmp_path / "farm.dump")
    assert is_shipped((tmp_path / "farm.dump").read_bytes())
    assert "this dump is not in `farmhand status`" in caplog.text
