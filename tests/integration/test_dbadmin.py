"""dbinit, dbdump and dbload on each kind of database."""

import hashlib
import json
import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from farmhand.db import FarmDb
from farmhand.errors import BadInput, Unavailable
from farmhand.tables.farm import workers
from farmhand.tables.records import schema_info
from farmhand.upgrades import newest_revision, read_revision
from slavealloc import bulk_queries
from slavealloc.dbadmin import dump_database, init_database, load_database
from tests.bulk_farm import (
    body,
    call,
    count,
    make_dump,
    make_run,
    make_worker,
    opened,
    rows_of,
    small_farm,
)

pytestmark = pytest.mark.integration
SHIPPED = ["buildbot-worker", "buildslave"]
COUNTED = "2 pools, 1 distros, 1 bitlengths, 1 speeds"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where no farmhand.yml is."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def url(database_url: str) -> str:
    """A database as dbinit makes it."""
    init_database(make_run(), database_url, None, force=False)
    return database_url


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A dump of the small farm."""
    path = tmp_path / "farm.dump"
    path.write_bytes(make_dump())
    return path


def load(url: str, file: Path, *, scrub: bool = False, dry_run: bool = False) -> None:
    load_database(make_run(dry_run=dry_run), url, file, scrub=scrub)


def dump(url: str, directory: Path) -> bytes:
    """Dump a database."""
    path = directory / "taken.dump"
    dump_database(make_run(), url, path)
    return path.read_bytes()


def shipped_only(taken: bytes) -> bool:
    """Whether a dump is that of an empty database."""
    names = [row["name"] for row in rows_of(taken, "tac_templates")]
    return names == SHIPPED and len(body(taken)) == len(SHIPPED)


def is_equal(taken: bytes) -> bool:
    return body(taken) == body(make_dump())


# dbinit


def test_dbinit_makes_an_empty_farm_without_a_name(url: str, tmp_path: Path) -> None:
    taken = dump(url, tmp_path)
    assert shipped_only(taken)
    assert json.loads(taken.splitlines()[0])["farm"] is None
    with opened(url) as engine:
        assert read_revision(engine) == newest_revision()


def test_dbinit_twice_is_once(url: str, tmp_path: Path) -> None:
    before = dump(url, tmp_path)
    init_database(make_run(), url, None, force=False)
    init_database(make_run(), url, None, force=True)
    assert dump(url, tmp_path) == before


def test_dbinit_refuses_a_farm_with_rows_and_loses_nothing(
    url: str, file: Path, tmp_path: Path
) -> None:
    load(url, file)
    for given in (None, file):
        for dry_run in (False, True):
            with pytest.raises(BadInput, match=f"{COUNTED}.*2 workers.*--force"):
                init_database(make_run(dry_run=dry_run), url, given, force=False)
    assert is_equal(dump(url, tmp_path))


def test_dbinit_counts_a_template_of_ones_own(url: str) -> None:
    with opened(url) as engine, engine.begin() as connection:
        connection.execute(sa.text("UPDATE tac_templates SET template = 'x' WHERE id = 1"))
    with pytest.raises(BadInput, match="it has 1 tac_templates;"):
        init_database(make_run(), url, None, force=False)


def test_dbinit_by_force_forgets_everything(url: str, file: Path, tmp_path: Path) -> None:
    load(url, file)
    init_database(make_run(dry_run=True), url, None, force=True)
    assert is_equal(dump(url, tmp_path))
    init_database(make_run(), url, None, force=True)
    assert shipped_only(dump(url, tmp_path))


def test_dbinit_by_force_loads_a_dump_in_the_place_of_what_is_there(
    url: str, file: Path, tmp_path: Path
) -> None:
    init_database(make_run(), url, file, force=False)
    assert is_equal(dump(url, tmp_path))
    init_database(make_run(), url, file, force=True)
    assert is_equal(dump(url, tmp_path))


def test_dbinit_by_force_with_a_bad_dump_loses_nothing(
    url: str, file: Path, tmp_path: Path
) -> None:
    load(url, file)
    cut = tmp_path / "cut.dump"
    cut.write_bytes(make_dump()[:-1])
    with pytest.raises(BadInput, match=r"cut\.dump:\d+: the dump is cut"):
        init_database(make_run(), url, cut, force=True)
    assert is_equal(dump(url, tmp_path))


def test_dbinit_with_a_bad_dump_creates_nothing(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "bad.dump").write_bytes(b"no dump\n")
    with pytest.raises(BadInput, match="is no dump"):
        init_database(make_run(), database_url, tmp_path / "bad.dump", force=False)
    with opened(database_url) as engine:
        assert sa.inspect(engine).get_table_names() == []


def test_dbinit_that_only_shows_touches_nothing(
    database_url: str, file: Path, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init_database(make_run(dry_run=True), database_url, file, force=False)
    assert "revision none → 0002; removed nothing; loaded 2 pools" in capsys.readouterr().out
    if kind == "sqlite":
        assert [path.name for path in tmp_path.iterdir()] == ["farm.dump"]
    else:
        with opened(database_url) as engine:
            assert sa.inspect(engine).get_table_names() == []


def test_dbinit_refuses_another_farms_database(url: str) -> None:
    with opened(url) as engine, engine.begin() as connection:
        connection.execute(schema_info.update().values(farm="prod"))
    for force in (False, True):
        with pytest.raises(BadInput, match='belongs to farm "prod"'):
            init_database(make_run(), url, None, force=force)
    init_database(make_run(FARMHAND_FARM="prod"), url, None, force=True)


def test_dbinit_refuses_tables_that_are_not_ours(database_url: str, tmp_path: Path) -> None:
    with opened(database_url) as engine, engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE masters (masterid INTEGER)"))
    with pytest.raises(BadInput, match=r"not farmhand's \(masters\): use another database"):
        init_database(make_run(), database_url, None, force=True)


def test_dbinit_refuses_an_older_farm_with_rows_before_it_upgrades(url: str) -> None:
    with opened(url) as engine, engine.begin() as connection:
        connection.execute(workers.insert(), [make_worker(1, pool_id=None)])
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(BadInput, match="it has 1 workers;"):
        init_database(make_run(), url, None, force=False)
    with opened(url) as engine:
        assert read_revision(engine) == "0001"


# dbload


def test_a_dump_loads_into_each_database_and_comes_out_the_same(
    url: str, file: Path, tmp_path: Path
) -> None:
    load(url, file)
    assert is_equal(dump(url, tmp_path))


def test_ids_go_on_above_the_highest_loaded_and_never_go_back(url: str, file: Path) -> None:
    def add(name: str) -> int:
        with opened(url) as engine, engine.begin() as connection:
            key = connection.execute(workers.insert().values(name=name)).inserted_primary_key
        return int(key[0]) if key else 0

    load(url, file)
    first = add("new")
    assert first > 11
    init_database(make_run(), url, file, force=True)
    assert add("newer") > first


def test_a_database_that_is_not_empty_is_refused_and_stays(
    url: str, file: Path, tmp_path: Path
) -> None:
    load(url, file)
    for dry_run in (True, False):
        with pytest.raises(BadInput, match=f"is not empty: it has {COUNTED}"):
            load(url, file, dry_run=dry_run)
    assert is_equal(dump(url, tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda dump: dump[: len(dump) // 2], "is cut", id="cut"),
        pytest.param(lambda dump: dump.replace(b'"0002"', b'"0999"'), "upgrade farmhand", id="new"),
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
    assert shipped_only(dump(url, tmp_path))


def test_an_older_dump_loads_with_defaults(url: str, tmp_path: Path) -> None:
    lines = [
        {"farmhand_dump": 1, "version": "0.0.9", "revision": "0001", "farm": None},
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
    assert [row["name"] for row in rows_of(taken, "tac_templates")] == SHIPPED


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
    assert is_equal(text.encode())


def test_loading_that_only_shows_writes_nothing(
    url: str, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load(url, file, dry_run=True)
    assert "loaded 2 pools, 1 distros" in capsys.readouterr().out
    assert shipped_only(dump(url, tmp_path))


def test_rows_in_one_table_twice_the_batch_are_all_loaded(url: str, tmp_path: Path) -> None:
    many = [("workers", make_worker(i, pool_id=None)) for i in range(1, 2502)]
    (tmp_path / "many.dump").write_bytes(make_dump(many))
    load(url, tmp_path / "many.dump")
    assert count(url, "workers") == 2501


# dbdump


def test_a_dump_is_of_one_moment(url: str, file: Path, kind: str, tmp_path: Path) -> None:
    if kind == "sqlite":
        pytest.skip("nobody can write while SQLite is read")
    load(url, file)
    with opened(url) as engine:
        database = FarmDb(engine=engine, url=engine.url, embedded=False)
        with bulk_queries.snapshot(database) as connection:
            rows = bulk_queries.read_all(connection)
            names = [next(rows)[0].name]
            init_database(make_run(), url, None, force=True)
            names += [table.name for table, _ in rows]
    assert names == [name for name, _ in small_farm()]


def test_any_farms_database_can_be_dumped_and_says_whose_it_is(url: str, tmp_path: Path) -> None:
    with opened(url) as engine, engine.begin() as connection:
        connection.execute(schema_info.update().values(farm="prod"))
    assert json.loads(dump(url, tmp_path).splitlines()[0])["farm"] == "prod"


def test_loading_gives_a_database_no_name(url: str, file: Path) -> None:
    load(url, file)
    with opened(url) as engine, engine.begin() as connection:
        assert connection.execute(sa.select(schema_info.c.farm)).scalars().all() == [None]


def test_a_dump_in_a_file_is_for_its_owner_only_and_whole(url: str, tmp_path: Path) -> None:
    path = tmp_path / "farm.dump"
    path.write_text("the one before")
    path.chmod(0o644)
    dump_database(make_run(), url, path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert shipped_only(path.read_bytes())
    with opened(url) as engine, engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE jacuzzis"))
    before = path.read_bytes()
    with pytest.raises(Unavailable, match="jacuzzis"):
        dump_database(make_run(), url, path)
    assert path.read_bytes() == before
    assert not list(tmp_path.glob(".farm.dump*"))


def test_the_commands_work_without_any_configuration(
    database_url: str, file: Path, tmp_path: Path
) -> None:
    made = call(tmp_path, "dbinit", "-D", database_url)
    assert (made.returncode, made.stdout, made.stderr) == (0, b"", b"")
    loaded = call(tmp_path, "dbload", "-D", database_url, "-", source=make_dump())
    assert (loaded.returncode, loaded.stdout, loaded.stderr) == (0, b"", b"")
    taken = call(tmp_path, "dbdump", "-D", database_url)
    assert (taken.returncode, taken.stderr) == (0, b"")
    assert is_equal(taken.stdout)
    refused = call(tmp_path, "dbload", "-D", database_url, str(file))
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert len(refused.stderr.splitlines()) == 1
    assert b"is not empty" in refused.stderr
