"""A farm of build daemons for integration tests: its database, its store, scans as processes."""

import gzip
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml

from farmhand.db import make_engine, parse_url, read_clock
from farmhand.tables.builds import attempts, build_files, build_queue, builds, daemons
from scanner import build_queries, operator_queries
from scanner.cli import main as scanner
from tests import processes
from tests.daemon import Daemon, Era, Job
from tests.daemon_server import DaemonFarm, running_daemons
from tests.farm_tables import make_tables
from tests.processes import Command, Finished
from tests.run_here import run_here

ARCHITECTURE = {
    "distribution": "ubuntu",
    "series": "hoary",
    "pocket": "Release",
    "arch_tag": "i386",
}
CHROOT = b"a chroot"
SOURCE = b"a .dsc"
TABLES = {
    "daemons": daemons,
    "builds": builds,
    "queue": build_queue,
    "attempts": attempts,
    "files": build_files,
}


@dataclass(kw_only=True, slots=True)
class ScanFarm:
    """`scanner` is that section of farmhand.yml; change it freely."""

    directory: Path
    engine: sa.Engine
    url: str
    sockets: DaemonFarm
    origin: Daemon
    scanner: dict[str, Any] = field(default_factory=dict)
    daemons: dict[str, Daemon] = field(default_factory=dict)

    @property
    def store(self) -> Path:
        """Where results go."""
        return self.directory / "store"

    # What is in it

    def add_daemon(self, name: str = "bob", era: Era = Era.DICT, **values: Any) -> Daemon:
        """Start a daemon, and let the scanner look after it."""
        daemon = self.sockets.add(Daemon(era, arch_tag="i386"))
        self.daemons[name] = daemon
        with self.engine.begin() as connection:
            ids = list(operator_queries.read_processors(connection).values())
            row = {"name": name, "url": daemon.url, "tags": "", **values}
            operator_queries.insert_daemon(connection, row, ids)
        return daemon

    def add_build(self, name: str = "hello", *, score: int = 0, **values: Any) -> int:
        """Queue a build of one source file; return its number."""
        with self.engine.begin() as connection:
            processor = next(iter(operator_queries.read_processors(connection).values()))
            row = {
                **ARCHITECTURE,
                "source": name,
                "version": "1.0-1",
                "processor_id": processor,
                "component": "main",
                "arch_indep": False,
                "args": "{}",
                "tags": "",
                **values,
            }
            sha1 = self.origin.put(SOURCE)
            source = (f"{name}.dsc", sha1, self.origin.url_of(sha1))
            return build_queries.insert_build(connection, row, [source], score)

    def set_chroot(self, content: bytes | None = CHROOT) -> None:
        """Give the architecture its chroot, or none."""
        file: tuple[str | None, str | None] = (None, None)
        if content is not None:
            sha1 = self.origin.put(content)
            file = (sha1, self.origin.url_of(sha1))
        with self.engine.begin() as connection:
            title = "The Hoary Hedgehog Release for i386 (x86)"
            build_queries.write_chroot(connection, ARCHITECTURE, title, file)

    # Commands

    def write_config(self) -> Path:
        """Write farmhand.yml as it is now, at once: a command may be reading it."""
        path = self.directory / "farmhand.yml"
        written = path.with_suffix(".new")
        section = {"store": str(self.store), **self.scanner}
        document = {"farm": "test", "database": self.url, "scanner": section}
        written.write_text(yaml.safe_dump(document, sort_keys=False))
        return written.replace(path)

    def start(self, *args: str, host: str = "manager") -> Command:
        """Start a command of the scanner's and do not wait for it."""
        environ = self.environ(host)
        return processes.start("scanner.cli", *args, environ=environ, directory=self.directory)

    def environ(self, host: str) -> dict[str, str]:
        """What a command of a host finds around it; the configuration is written anew."""
        return {
            "FARMHAND_STATE": str(self.directory / host),
            "FARMHAND_HOST": host,
            "FARMHAND_CONFIG": str(self.write_config()),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(__file__).parent.parent),
        }

    def run(self, *args: str, host: str = "manager") -> Finished:
        """Run a command of the scanner's to its end, in this process: that is quicker."""
        return run_here(scanner, args, self.environ(host))

    def scan(self, *args: str, host: str = "manager") -> Finished:
        """Scan once."""
        return self.run("scan", "--json", *args, host=host)

    def scan_until_ended(self, *build_ids: int, most: int = 20) -> None:
        """Scan again and again until these builds have ended."""
        for _ in range(most):
            done = self.scan()
            assert done.code in {0, 3}, done
            if not set(build_ids) & {row["build_id"] for row in self.rows("queue")}:
                return
        raise AssertionError(f"they never ended: {self.rows('queue')}")

    # A look at it

    def rows(self, table: str, *where: Any) -> list[Mapping[str, Any]]:
        """Read a table, oldest first."""
        found = TABLES[table]
        statement = sa.select(found).where(*where).order_by(*found.primary_key.columns)
        with self.engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(statement)]

    def build(self, build_id: int) -> Mapping[str, Any]:
        """Read one build."""
        return self.rows("builds", builds.c.id == build_id)[0]

    def daemon_row(self, name: str = "bob") -> Mapping[str, Any]:
        """Read one daemon."""
        return self.rows("daemons", daemons.c.name == name)[0]

    def log(self, build_id: int) -> bytes:
        """Read a build's stored log."""
        path = self.store / f"builds/{build_id}" / str(self.build(build_id)["log_name"])
        return gzip.decompress(path.read_bytes())

    def manifest(self, build_id: int) -> Any:
        """Read a build's manifest."""
        return json.loads((self.store / f"builds/{build_id}/manifest.json").read_text())

    def change(self, table: str, **values: Any) -> None:
        """Change all rows of a table, as nobody else would."""
        with self.engine.begin() as connection:
            connection.execute(TABLES[table].update().values(**values))

    def age(self, table: str, column: str, seconds: float) -> None:
        """Let something have happened so long ago."""
        with self.engine.begin() as connection:
            past = read_clock(connection) - timedelta(seconds=seconds)
            found = TABLES[table].c[column]
            connection.execute(
                TABLES[table].update().where(found.is_not(None)).values({found: past})
            )

    def orphan(self) -> None:
        """Let the leases of runs that were killed lapse."""
        self.age("daemons", "owned_until", 1)
        self.age("builds", "publish_until", 1)


@contextmanager
def running_scan_farm(directory: Path, url: str, *, empty: bool = True) -> Iterator[ScanFarm]:
    """Make a farm without daemons: one processor, one architecture with its chroot.

    `empty`: the database has no tables yet.
    """
    engine = make_engine(parse_url(url, "test"), timeout_s=30)
    if empty:
        make_tables(engine)
    origin = Daemon()
    with running_daemons(origin) as sockets:
        farm = ScanFarm(directory=directory, engine=engine, url=url, sockets=sockets, origin=origin)
        with engine.begin() as connection:
            operator_queries.insert_processor(connection, "i386", "x86")
        farm.set_chroot()
        try:
            yield farm
        finally:
            engine.dispose()


__all__ = ["Daemon", "Era", "Job", "ScanFarm", "running_scan_farm"]
