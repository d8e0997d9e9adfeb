"""dbinit on each kind of database: it creates, it refuses, it forgets by force only."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from farmhand.errors import BadInput
from farmhand.tables.farm import workers
from farmhand.tables.records import schema_info
from farmhand.upgrades import newest_revision, read_revision
from slavealloc.bulk.dbadmin import init_database
from tests.allocators import make_places_database
from tests.bulk_farm import (
    call,
    direct,
    dump,
    is_shipped,
    is_small_farm,
    load,
    make_dump,
    make_run,
    make_worker,
    opened,
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
    """A database as dbinit makes it."""
    make_places_database(database_url).dispose()
    return database_url


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A dump of the small farm."""
    path = tmp_path / "farm.dump"
    path.write_bytes(make_dump())
    return path


def test_dbinit_makes_an_empty_farm_without_a_name_and_twice_is_once(
    database_url: str, tmp_path: Path
) -> None:
    direct(init_database, make_run(), database_url, None, force=False)
    taken = dump(database_url, tmp_path)
    assert is_shipped(taken)
    assert json.loads(taken.splitlines()[0])["farm"] is None
    with opened(database_url) as engine:
        assert read_revision(engine) == newest_revision()
    direct(init_database, make_run(), database_url, None, force=False)
    direct(init_database, make_run(), database_url, None, force=True)
    assert dump(database_url, tmp_path) == taken


@pytest.mark.fault(
    "dbinit on a database with workers in it",
    "refused with what it has and --force; nothing is lost",
)
@one_kind
def test_dbinit_refuses_a_farm_with_rows_and_loses_nothing(
    url: str, file: Path, tmp_path: Path
) -> None:
    load(url, file)
    for given in (None, file):
        for dry_run in (False, True):
            with pytest.raises(BadInput, match=f"{COUNTED}.*2 workers.*--force"):
                direct(init_database, make_run(dry_run=dry_run), url, given, force=False)
    assert is_small_farm(dump(url, tmp_path))


@only_sqlite
def test_dbinit_counts_a_template_of_ones_own(url: str) -> None:
    with opened(url) as engine, engine.begin() as connection:
        connection.execute(sa.text("UPDATE tac_templates SET template = 'x' WHERE id = 1"))
    with pytest.raises(BadInput, match="it has 1 tac_templates;"):
        direct(init_database, make_run(), url, None, force=False)


def test_dbinit_by_force_forgets_everything(url: str, file: Path, tmp_path: Path) -> None:
    load(url, file)
    direct(init_database, make_run(dry_run=True), url, None, force=True)
    assert is_small_farm(dump(url, tmp_path))
    direct(init_database, make_run(), url, None, force=True)
    assert is_shipped(dump(url, tmp_path))


@one_kind
def test_dbinit_by_force_loads_a_dump_in_the_place_of_what_is_there(
    url: str, file: Path, tmp_path: Path
) -> None:
    direct(init_database, make_run(), url, file, force=False)
    assert is_small_farm(dump(url, tmp_path))
    direct(init_database, make_run(), url, file, force=True)
    assert is_small_farm(dump(url, tmp_path))


@pytest.mark.fault(
    "dbinit --force with a dump that is cut", "refused with file and line; nothing is lost"
)
def test_dbinit_by_force_with_a_bad_dump_loses_nothing(
    url: str, file: Path, tmp_path: Path
) -> None:
    load(url, file)
    cut = tmp_path / "cut.dump"
    cut.write_bytes(make_dump()[:-1])
    with pytest.raises(BadInput, match=r"cut\.dump:\d+: the dump is cut"):
        direct(init_database, make_run(), url, cut, force=True)
    assert is_small_farm(dump(url, tmp_path))


@pytest.mark.fault("dbinit with a file that is no dump", "refused; no table is made")
def test_dbinit_with_a_bad_dump_creates_nothing(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "bad.dump").write_bytes(b"no dump\n")
    with pytest.raises(BadInput, match="is no dump"):
        direct(init_database, make_run(), database_url, tmp_path / "bad.dump", force=False)
    with opened(database_url) as engine:
        assert sa.inspect(engine).get_table_names() == []


def test_dbinit_that_only_shows_touches_nothing(
    database_url: str, file: Path, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    direct(init_database, make_run(dry_run=True), database_url, file, force=False)
    says = f"revision none → {newest_revision()}; removed nothing; loaded 2 pools"
    assert says in capsys.readouterr().out
    if kind == "sqlite":
        assert [path.name for path in tmp_path.iterdir()] == ["farm.dump"]
    else:
        with opened(database_url) as engine:
            assert sa.inspect(engine).get_table_names() == []


@pytest.mark.fault(
    "dbinit on another farm's database", "refused, with --force too: it belongs to farm …"
)
@only_sqlite
def test_dbinit_refuses_another_farms_database(url: str) -> None:
    with opened(url) as engine, engine.begin() as connection:
        connection.execute(schema_info.update().values(farm="prod"))
    for force in (False, True):
        with pytest.raises(BadInput, match='belongs to farm "prod"'):
            direct(init_database, make_run(), url, None, force=force)
    direct(init_database, make_run(FARMHAND_FARM="prod"), url, None, force=True)


@pytest.mark.fault(
    "dbinit on a database with tables of somebody else",
    "refused, with --force too: use another database",
)
def test_dbinit_refuses_tables_that_are_not_ours(database_url: str, tmp_path: Path) -> None:
    with opened(database_url) as engine, engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE masters (masterid INTEGER)"))
    with pytest.raises(BadInput, match=r"not farmhand's \(masters\): use another database"):
        direct(init_database, make_run(), database_url, None, force=True)


@only_sqlite
def test_dbinit_refuses_an_older_farm_with_rows_before_it_upgrades(url: str) -> None:
    with opened(url) as engine, engine.begin() as connection:
        connection.execute(workers.insert(), [make_worker(1, pool_id=None)])
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(BadInput, match="it has 1 workers;"):
        direct(init_database, make_run(), url, None, force=False)
    with opened(url) as engine:
        assert read_revision(engine) == "0000"


@one_kind
def test_the_commands_work_without_any_configuration(
    database_url: str, file: Path, tmp_path: Path
) -> None:
    made = call(tmp_path, "dbinit", "-D", database_url)
    assert (made.code, made.out, made.err) == (0, "", "")
    loaded = call(tmp_path, "dbload", "-D", database_url, "-", source=make_dump())
    assert (loaded.code, loaded.out, loaded.err) == (0, "", "")
    taken = call(tmp_path, "dbdump", "-D", database_url)
    assert (taken.code, taken.err) == (0, "")
    assert is_small_farm(taken.out.encode())
    refused = call(tmp_path, "dbload", "-D", database_url, str(file))
    assert (refused.code, refused.out) == (2, "")
    assert len(refused.err.splitlines()) == 1
    assert "is not empty" in refused.err
