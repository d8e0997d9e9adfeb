"""dbimport on each kind of database: twice is once, an error writes nothing, what it leaves."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from farmhand.errors import BadInput
from farmhand.tables.farm import masters, worker_passwords, workers
from slavealloc.bulk.dbadmin import import_files
from tests.allocators import make_places_database
from tests.bulk_farm import DATA, NOON, body, call, direct, dump, make_run, opened, rows_of
from tests.integration.conftest import one_kind

pytestmark = pytest.mark.integration
only_sqlite = pytest.mark.parametrize("kind", ["sqlite"])
OPTIONS = {
    "slave_data": "workers.csv",
    "master_data": "masters.csv",
    "master_json": "production-masters.json",
    "password_data": "passwords.csv",
    "jacuzzi_data": "jacuzzis.csv",
}


@pytest.fixture
def url(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database as `slavealloc dbinit` makes it, and the example files to change and to import."""
    monkeypatch.chdir(tmp_path)
    for path in DATA.iterdir():
        shutil.copy(path, tmp_path)
    make_places_database(database_url).dispose()
    return database_url


def import_some(url: str, *, enable: bool = False, dry_run: bool = False, **files: Any) -> None:
    direct(import_files, make_run(dry_run=dry_run, as_json=True), url, enable=enable, **files)


def import_all(url: str, **more: Any) -> None:
    files: dict[str, Any] = {name: Path(file) for name, file in OPTIONS.items()}
    import_some(url, **files, templates=(Path("linux64.tac.j2"),), **more)


def imported(capsys: pytest.CaptureFixture[str]) -> Any:
    """What the import said."""
    return json.loads(capsys.readouterr().out)


def worker(url: str, directory: Path, name: str = "bld-linux64-001") -> dict[str, Any]:
    """A worker's row."""
    return next(row for row in rows_of(dump(url, directory), "workers") if row["name"] == name)


def test_everything_is_imported_and_twice_is_once(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import_all(url, dry_run=True)
    shown = imported(capsys)
    import_all(url)
    assert imported(capsys) == {**shown, "dry_run": False}
    assert shown["workers"] == {"added": 3, "changed": 0, "unchanged": 0}
    assert shown["masters"]["added"] == 3
    assert shown["created"]["pool"] == ["build-scl3", "tests-scl3"]
    first = dump(url, tmp_path)
    import_all(url)
    again = imported(capsys)
    assert again["created"] == {}
    assert {again[name]["added"] for name in again if name not in {"created", "dry_run"}} == {0}
    assert again["workers"]["unchanged"] == 3
    assert body(dump(url, tmp_path)) == body(first)


@one_kind
def test_what_is_imported_is_what_the_files_say(url: str, tmp_path: Path) -> None:
    import_all(url)
    taken = dump(url, tmp_path)
    pools = {row["id"]: row["name"] for row in rows_of(taken, "pools")}
    found = [
        (row["nickname"], row["http_port"], pools[row["pool_id"]], row["enabled"])
        for row in rows_of(taken, "masters")
    ]
    assert found == [
        ("bm81-build1", 8001, "build-scl3", False),
        ("bm82-headless", 0, "build-scl3", False),
        ("bm01-tests1-windows", 8201, "tests-scl3", False),
    ]
    passwords = [(row["distro_id"], row["password"]) for row in rows_of(taken, "worker_passwords")]
    assert passwords == [(None, "for all"), (1, " with blanks ")]
    windows = worker(url, tmp_path, "t-w864-ix-001")
    assert windows["basedir"] == "C:\\slave"
    assert windows["notes"] == "bug 1234: disk\nswapped twice, watch it"
    assert len(rows_of(taken, "jacuzzis")) == 2
    templates = {row["name"]: row["template"] for row in rows_of(taken, "tac_templates")}
    assert templates["linux64"] == (DATA / "linux64.tac.j2").read_text()


@one_kind
def test_what_is_new_is_enabled_when_asked(url: str, tmp_path: Path) -> None:
    import_all(url, enable=True)
    taken = dump(url, tmp_path)
    rows = [*rows_of(taken, "workers"), *rows_of(taken, "masters")]
    assert {row["enabled"] for row in rows} == {True}


@one_kind
def test_an_import_leaves_what_people_and_machines_said(url: str, tmp_path: Path) -> None:
    import_all(url)
    with opened(url) as engine, engine.begin() as connection:
        (first, *_) = connection.execute(sa.select(masters.c.id).order_by(masters.c.id)).scalars()
        said = {"enabled": True, "notes": "watch it", "last_seen_at": NOON}
        said |= {"locked_master_id": first, "current_master_id": first}
        connection.execute(workers.update().values(said))
        connection.execute(masters.update().values(enabled=True, notes="new disk"))
    before = worker(url, tmp_path)
    text = Path("workers.csv").read_text().replace("/builds/slave,centos6", "/b,centos7")
    Path("workers.csv").write_text(text)
    import_all(url)
    after = worker(url, tmp_path)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"basedir", "distro_id"}
    assert {row["notes"] for row in rows_of(dump(url, tmp_path), "masters")} == {"new disk"}


@only_sqlite
def test_columns_that_the_file_has_not_stay(url: str, tmp_path: Path) -> None:
    import_all(url)
    before = worker(url, tmp_path)
    Path("few.csv").write_text("name,pool\nbld-linux64-001,other\n")
    import_some(url, slave_data=Path("few.csv"))
    after = worker(url, tmp_path)
    assert {name for name in before if before[name] != after[name]} == {"pool_id"}


@one_kind
def test_passwords_that_stand_twice_are_changed_together(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import_all(url)
    with opened(url) as engine, engine.begin() as connection:
        row = {"pool_id": 1, "distro_id": None, "password": "another"}
        connection.execute(worker_passwords.insert().values(row))
    for changed in (1, 0):
        capsys.readouterr()
        import_some(url, password_data=Path("passwords.csv"))
        counts = imported(capsys)["passwords"]
        assert counts == {"added": 0, "changed": changed, "unchanged": 2 - changed}
    passwords = [row["password"] for row in rows_of(dump(url, tmp_path), "worker_passwords")]
    assert passwords == ["for all", " with blanks ", "for all"]


@one_kind
def test_a_jacuzzi_is_replaced_and_others_stay(url: str, tmp_path: Path) -> None:
    import_all(url)
    Path("j.csv").write_text("builder,worker\nl10n,t-w864-ix-001\n")
    import_some(url, jacuzzi_data=Path("j.csv"))
    Path("j.csv").write_text("builder,worker\nl10n,bld-linux64-001\n")
    import_some(url, jacuzzi_data=Path("j.csv"))
    taken = dump(url, tmp_path)
    names = {row["id"]: row["name"] for row in rows_of(taken, "workers")}
    pairs = [(row["builder"], names[row["worker_id"]]) for row in rows_of(taken, "jacuzzis")]
    assert pairs == [
        ("Linux x86-64 build", "bld-linux64-001"),
        ("Linux x86-64 build", "bld-linux64-spot-001"),
        ("l10n", "bld-linux64-001"),
    ]


@only_sqlite
def test_each_row_that_an_import_changes_is_in_the_audit(url: str, tmp_path: Path) -> None:
    import_all(url)
    first = rows_of(dump(url, tmp_path), "audit")
    assert {row["action"] for row in first} == {"add"}
    assert "build-scl3/*" in [row["row_name"] for row in first]
    Path("passwords.csv").write_text("pool,distro,password\nbuild-scl3,*,distinctive\n")
    Path("w.csv").write_text("name,pool,notes\nbld-linux64-001,tests-scl3,bug 7\n")
    Path("j.csv").write_text("builder,worker\nl10n,bld-linux64-001\n")
    import_some(url, password_data=Path("passwords.csv"), slave_data=Path("w.csv"))
    import_some(url, jacuzzi_data=Path("j.csv"))
    taken = dump(url, tmp_path)
    pools = {row["name"]: row["id"] for row in rows_of(taken, "pools")}
    moved = {"pool_id": [pools["build-scl3"], pools["tests-scl3"]]}
    ids = {row["name"]: row["id"] for row in rows_of(taken, "workers")}
    served = {"builder": [None, "l10n"], "worker_id": [None, ids["bld-linux64-001"]]}
    later = rows_of(taken, "audit")[len(first) :]
    assert all(row["who"].endswith("@h") and row["why"] == "dbimport" for row in later)
    found = {row["table_name"]: (row["row_name"], json.loads(row["changes"])) for row in later}
    assert found == {
        "workers": ("bld-linux64-001", {**moved, "notes": [None, "bug 7"]}),
        "worker_passwords": ("build-scl3/*", {"password": ["(hidden)", "(hidden)"]}),
        "jacuzzis": ("l10n", served),
    }


@pytest.mark.fault(
    "one line of a CSV is wrong", "dbimport names file, line and what is wrong; nothing is written"
)
@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("workers.csv", "W.x,,,,,,,,,p,,,,", 'workers.csv:6: name: "W.x" is no worker\'s name'),
        ("workers.csv", "w,,,,,,,,,p,,,nope,", 'workers.csv:6: tac_template: unknown template "n'),
        ("masters.csv", "m,h,,98x,,p", 'masters.csv:4: pb_port: "98x" is no port (1 to 65535)'),
        ("masters.csv", "bm01-tests1-windows,h,,1,,p", "already stands in masters.csv:4"),
        ("passwords.csv", "build-scl3,*,other", 'passwords.csv:4: distro: "build-scl3, *" already'),
        ("jacuzzis.csv", "b,nobody", 'jacuzzis.csv:4: worker: unknown worker "nobody"'),
        ("linux64.tac.j2", "{{ nonsense }}", "linux64.tac.j2:1: unknown field"),
        ("linux64.tac.j2", "{% if %}", "linux64.tac.j2:"),
        ("production-masters.json", "x", "production-masters.json:21: is not valid JSON"),
    ],
)
@only_sqlite
def test_one_error_and_nothing_is_written(
    url: str, tmp_path: Path, file: str, line: str, message: str
) -> None:
    before = dump(url, tmp_path)
    with Path(file).open("a") as text:
        text.write(line + "\n")
    with pytest.raises(BadInput) as caught:
        import_all(url)
    assert message in str(caught.value)
    assert body(dump(url, tmp_path)) == body(before)


@pytest.mark.fault(
    "a CSV names a worker that does not exist", "dbimport: unknown worker; nothing is written"
)
def test_an_error_that_the_database_tells_writes_nothing(url: str, tmp_path: Path) -> None:
    before = dump(url, tmp_path)
    Path("jacuzzis.csv").write_text("builder,worker\nb,nobody\n")
    with pytest.raises(BadInput, match="unknown worker"):
        import_all(url)
    assert body(dump(url, tmp_path)) == body(before)


@pytest.mark.fault(
    "several CSV files are wrong", "dbimport tells the errors of all of them at once"
)
@only_sqlite
def test_errors_of_all_files_are_told_at_once(url: str, tmp_path: Path) -> None:
    for file in ("workers.csv", "masters.csv", "jacuzzis.csv"):
        Path(file).write_text("nonsense\n")
    with pytest.raises(BadInput) as caught:
        import_all(url)
    files = [line.partition(":")[0] for line in str(caught.value).splitlines()]
    assert list(dict.fromkeys(files)) == ["jacuzzis.csv", "masters.csv", "workers.csv"]


@only_sqlite
def test_the_command_says_what_it_did_and_what_is_wrong(url: str, tmp_path: Path) -> None:
    done = call(tmp_path, "dbimport", "-n", "-D", url, "--slave-data", "workers.csv",
                "--tac-template", "linux64.tac.j2")  # fmt: skip
    assert done.code == 0
    assert done.out.startswith("workers: 3 added, 0 changed, 0 unchanged; templates: 1 added")
    Path("workers.csv").write_text("name,pool\nA,\n")
    wrong = call(tmp_path, "dbimport", "-D", url, "--slave-data", "workers.csv")
    assert wrong.code == 2
    assert len(wrong.err.splitlines()) == 2
    nothing = call(tmp_path, "dbimport", "-D", url)
    assert nothing.code == 2
    assert "--slave-data" in nothing.err
