"""A small farm as a dump, and the direct-database verbs called on it."""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import chdir, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from farmhand.command import Result, Run
from farmhand.db import make_engine, parse_url
from slavealloc.bulk.dbadmin import dump_database, load_database
from slavealloc.bulk.dump import BY_NAME, Header, format_dump
from slavealloc.cli import main
from slavealloc.models import SHIPPED_NAMES
from slavealloc.settings import load_settings
from tests import processes
from tests.processes import Command, Finished
from tests.run_here import run_here

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATE = datetime(2026, 11, 21, 23, 59, 59, 123456, tzinfo=UTC)
ROOT = Path(__file__).parent.parent
STDIN = 0
DATA = ROOT / "tests/data/slavealloc"
SILO = ("distro", "bitlength", "speed", "purpose", "datacenter", "trustlevel", "environment")

Rows = list[tuple[str, dict[str, Any]]]


def small_farm() -> Rows:
    """Return rows of every table, with all that is hard to carry from database to database."""
    return [
        ("pools", {"id": 2, "name": "build-scl3"}),
        ("pools", {"id": 7, "name": "Build-scl3 "}),
        *((f"{name}s", {"id": 3, "name": f"{name} é 🦊"}) for name in SILO),
        ("tac_templates", {"id": 1, "name": "buildbot-worker", "template": None}),
        ("tac_templates", {"id": 2, "name": "buildslave", "template": "ours: {{ basedir }}\n"}),
        ("tac_templates", {"id": 9, "name": "linux64", "template": "100 % % \\ '\"\r\n"}),
        ("masters", make_master(4, nickname="bm4", http_port=8001, datacenter_id=3)),
        ("masters", make_master(5, nickname="bm5", enabled=False, notes="gone\n😢")),
        ("worker_passwords", make_password(1, None, "s3cret")),
        ("worker_passwords", make_password(2, 3, " other ")),
        ("workers", make_worker(10, tac_template_id=9, locked_master_id=5, notes="")),
        ("workers", make_worker(11, **{f"{name}_id": 3 for name in SILO}, last_seen_at=LATE)),
        ("allocations", make_allocation(100, 11, 4, LATE)),
        ("allocations", make_allocation(101, 10, None, NOON)),
        ("jacuzzis", {"builder": "Linux", "worker_id": 10}),
        ("jacuzzis", {"builder": "l10n", "worker_id": 10}),
        ("jacuzzis", {"builder": "l10n", "worker_id": 11}),
        ("jacuzzis", {"builder": "Ångström", "worker_id": 11}),
        ("audit", make_audit(1, 10, {"notes": ["é", None]})),
    ]


def make_master(id_: int, **more: Any) -> dict[str, Any]:
    row = {"id": id_, "nickname": f"bm{id_}", "fqdn": "m.example.org", "http_port": 0}
    row |= {"pb_port": 9001, "pool_id": 2, "datacenter_id": None, "enabled": True, "notes": None}
    return row | more


def make_password(id_: int, distro_id: int | None, password: str) -> dict[str, Any]:
    return {"id": id_, "pool_id": 2, "distro_id": distro_id, "password": password}


def make_worker(id_: int, **more: Any) -> dict[str, Any]:
    columns = BY_NAME["workers"].c.keys()
    row = dict.fromkeys(columns) | {"id": id_, "name": f"w-{id_}", "enabled": True, "pool_id": 2}
    return row | more


def make_allocation(id_: int, worker: int, master: int | None, at: datetime) -> dict[str, Any]:
    row = {"id": id_, "worker_id": worker, "master_id": master, "at": at}
    return row | {"reason": "moved", "host": "h/1/x"}


def make_audit(id_: int, worker: int, changes: Mapping[str, Any]) -> dict[str, Any]:
    row = {"id": id_, "at": NOON, "who": "jane", "table_name": "workers", "row_id": worker}
    row |= {"row_name": f"w-{worker}", "action": "edit", "changes": json.dumps(changes)}
    return row | {"why": "bug 1 🦊"}


def make_token(id_: int, digest: str) -> dict[str, Any]:
    row = {"id": id_, "name": f"jane-{id_}", "scope": "write", "digest": digest}
    return row | {"created_at": NOON, "last_used_at": None, "revoked_at": LATE}


def make_dump(rows: Iterable[tuple[str, Mapping[str, Any]]] | None = None) -> bytes:
    """Return a dump of rows, sorted as they must be; by default of the small farm."""
    pairs = ((BY_NAME[name], row) for name, row in (small_farm() if rows is None else rows))
    return b"".join(format_dump(Header(farm="prod", taken_at=NOON), pairs))


def body(dump: bytes) -> list[bytes]:
    """Return a dump's rows, without what tells when and where it was taken, or loaded."""
    return [line for line in dump.splitlines()[1:-1] if b'"table_name": "database"' not in line]


def rows_of(dump: bytes, table: str) -> list[dict[str, Any]]:
    """Return a table's rows as they stand in a dump."""
    found = [json.loads(line) for line in body(dump)]
    return [line["row"] for line in found if line["table"] == table]


def make_run(*, dry_run: bool = False, as_json: bool = False, **environ: str) -> Run:
    """Make a call of a verb that no configuration and no farm's name reaches."""
    return Run(
        command="slavealloc",
        verb="test",
        host="h/1/x",
        config_path=None,
        environ={"FARMHAND_STATE": "/nonexistent", **environ},
        now=NOON,
        started=time.monotonic(),
        deadline_s=60,
        dry_run=dry_run,
        json=as_json,
    )


def direct(verb: Callable[..., Result], run: Run, url: str, *args: Any, **options: Any) -> Result:
    """Call a verb as the command line does with -D."""
    return verb(run, load_settings(None, run.environ, url), *args, **options)


def environ(directory: Path) -> dict[str, str]:
    """Return what a command needs and no more: no configuration, a state directory of its own."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "FARMHAND_STATE": str(directory / "state")}


def call(directory: Path, *args: str, source: bytes | None = None) -> Finished:
    """Run slavealloc to its end, in a directory and in the process of the tests."""
    with chdir(directory), _piped(source or b""):
        return run_here(main, args, environ(directory))


@contextmanager
def _piped(source: bytes) -> Iterator[None]:
    """Let stdin be a pipe with something in it, no more than a pipe takes at once."""
    kept = os.dup(STDIN)
    reading, writing = os.pipe()
    os.write(writing, source)
    os.close(writing)
    os.dup2(reading, STDIN)
    os.close(reading)
    try:
        yield
    finally:
        os.dup2(kept, STDIN)
        os.close(kept)


def start(directory: Path, *args: str) -> Command:
    """Start slavealloc as a process of its own, in a directory."""
    return processes.start("slavealloc.cli", *args, environ=environ(directory), directory=directory)


@contextmanager
def opened(url: str) -> Iterator[sa.Engine]:
    """Open a database to look at it."""
    engine = make_engine(parse_url(url, "test"), timeout_s=60)
    try:
        yield engine
    finally:
        engine.dispose()


def count(url: str, table: str) -> int:
    """Count a table's rows."""
    with opened(url) as engine, engine.begin() as connection:
        statement = sa.select(sa.func.count()).select_from(BY_NAME[table])
        return int(connection.execute(statement).scalar_one())


def load(url: str, file: Path, *, scrub: bool = False, dry_run: bool = False) -> None:
    """Load a dump."""
    direct(load_database, make_run(dry_run=dry_run), url, file, scrub=scrub)


def dump(url: str, directory: Path) -> bytes:
    """Dump a database."""
    path = directory / "taken.dump"
    direct(dump_database, make_run(), url, path)
    return path.read_bytes()


def is_shipped(taken: bytes) -> bool:
    """Whether a dump is that of an empty database."""
    names = [row["name"] for row in rows_of(taken, "tac_templates")]
    return names == list(SHIPPED_NAMES) and len(body(taken)) == len(names)


def is_small_farm(taken: bytes) -> bool:
    """Whether a dump is that of the small farm."""
    return body(taken) == body(make_dump())
