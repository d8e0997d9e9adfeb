"""Backups by the manual's own lines: taken, the database destroyed, restored; all goes on."""

import os
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa

from farmhand.db import make_engine, parse_url
from tests.bulk_farm import body
from tests.ec2_control import Ec2Server
from tests.farm import Farm
from tests.grants import BLOCK, FARM, drop_all, make_owner
from tests.manual import DOCS, read_sections
from tests.scan_farm import running_scan_farm
from tests.services import DatabaseServer

pytestmark = pytest.mark.integration
CONFIGS = Path(__file__).parent.parent.parent / "configs"
PAGE = read_sections(DOCS / "restore-a-backup.md")
BACKUP, RESTORE = "How do I make a backup?", "How do I restore the database's own dump?"
KINDS = {"sqlite": "SQLite", "mariadb": "MariaDB", "postgresql": "PostgreSQL"}
FIRST_NUMBER = 1_000_000


@dataclass(kw_only=True, slots=True)
class Shelf:
    """A farm's database of one kind, and how the manual's lines reach it from here."""

    kind: str
    url: str
    directory: Path
    server: DatabaseServer | None = None
    environ: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    def do(self, section: str) -> None:
        """Run the lines that a section has for this kind of database."""
        part = PAGE[section].partition(f"\n{KINDS[self.kind]}")[2]
        lines = part.partition("\n\n    ")[2].partition("\n\n")[0].splitlines()
        for line in lines:
            done = subprocess.run(
                [*self._here(*shlex.split(line.strip()))],
                env=self.environ,
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            assert done.returncode == 0, (line, done.stderr)

    def _here(self, program: str, *words: str) -> Iterator[str]:
        """Use this test's server and directories."""
        yield program
        if self.kind == "mariadb" and self.server:
            yield from ("--no-defaults", "--host=127.0.0.1", f"--port={self.server.port}")
            yield f"--user={self.server.user}"
        for word in words:
            yield word.replace("/var/backups/farmhand", str(self.directory)).replace(
                "/var/lib/farmhand", str(self.directory)
            )

    def empty(self) -> None:
        """Destroy it, and make it anew without tables."""
        if self.server is None:
            (self.directory / "farmhand.db").unlink()
        else:
            self.server.drop_database(FARM)
            self.server.create_database(FARM)

    def execute(self, *statements: str) -> None:
        """Run statements as its owner."""
        engine = make_engine(parse_url(self.url, "test"), timeout_s=30)
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))
        engine.dispose()


@pytest.fixture(params=["sqlite", "mariadb", pytest.param("postgresql", marks=pytest.mark.soak)])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
    """A farm database without tables, of each kind."""
    if request.param == "sqlite":
        yield Shelf(kind="sqlite", url=f"sqlite:///{tmp_path}/farmhand.db", directory=tmp_path)
        return
    server: DatabaseServer = request.getfixturevalue(request.param)
    make_owner(server)
    shelf = Shelf(kind=request.param, url=server.url(FARM), directory=tmp_path, server=server)
    shelf.environ |= {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": server.user}
    yield shelf
    drop_all(server)


def dump(farm: Farm, name: str) -> bytes:
    """Take slavealloc's dump."""
    file = farm.directory / name
    assert farm.run("dbdump", str(file), program="slavealloc").code == 0
    return file.read_bytes()


def goes_on(farm: Farm, names: list[str], rows: bytes) -> None:
    """All commands go on, no machine is launched that is there, no row is missing."""
    assert farm.run("run").code == 0
    assert farm.names() == names
    for args in (("stop-idle", "--dry-run"), ("sanity", "--fix")):
        assert farm.run(*args).code == 0
    assert farm.names() == names
    assert body(dump(farm, "again.jsonl")) == body(rows)


def test_a_destroyed_database_comes_back_and_nothing_is_launched_twice(
    shelf: Shelf, ec2: Ec2Server, tmp_path: Path
) -> None:
    farm = Farm.make(tmp_path, ec2)
    farm.settings["database"] = shelf.url
    assert farm.run("db", "upgrade", program="farmhand").code == 0
    files = [f"--{each}-data={CONFIGS}/{each}s.csv" for each in ("master", "password")]
    files.append(f"--slave-data={CONFIGS}/workers.csv")
    assert farm.run("dbimport", *files, "--enable", program="slavealloc").code == 0
    farm.add_pending(count=2)
    assert farm.run("run").code == 0
    rows = dump(farm, "slavealloc.jsonl")
    shelf.do(BACKUP)

    farm.add_pending(count=1)
    assert farm.run("run").code == 0
    names = farm.names()
    assert len(names) == 3
    shelf.empty()
    shelf.do(RESTORE)
    assert farm.run("db", "current", program="farmhand").code == 0
    assert [row["name"] for row in read_launches(shelf)] == names[:2]
    goes_on(farm, names, rows)
    give_new_numbers(shelf)

    shelf.empty()
    assert farm.run("db", "upgrade", program="farmhand").code == 0
    loaded = farm.run("dbload", str(tmp_path / "slavealloc.jsonl"), program="slavealloc")
    assert loaded.code == 0, loaded.err
    assert read_launches(shelf) == []
    goes_on(farm, names, rows)


def read_launches(shelf: Shelf) -> list[sa.RowMapping]:
    engine = make_engine(parse_url(shelf.url, "test"), timeout_s=30)
    with engine.connect() as connection:
        found = connection.execute(sa.text("SELECT name FROM launches ORDER BY id"))
        rows = list(found.mappings())
    engine.dispose()
    return rows


def give_new_numbers(shelf: Shelf) -> None:
    """After the manual's statements, no number of the scanner's queue comes back."""
    texts = BLOCK.findall(PAGE["What do I run afterwards?"])
    text = texts[["mariadb", "postgresql", "sqlite"].index(shelf.kind)]
    shelf.execute(*filter(None, map(str.strip, text.split(";"))))
    with running_scan_farm(shelf.directory, shelf.url, empty=False) as scans:
        scans.add_build()
        assert scans.rows("queue")[0]["id"] >= FIRST_NUMBER
