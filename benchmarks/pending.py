"""Pending requests → demand: the original's loop, the bare query, and ours, at a million rows.

`python -m benchmarks.pending METHOD URL NOW` measures one method in a process of its own.
"""

import re
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.measure import Measured, answer, in_process
from benchmarks.results import Kind, Part, Row
from farmhand.db import make_engine, parse_url
from tests import scheduler_bulk, scheduler_schemas, services
from watch_pending.buildermap import compile_buildermap, match_builder
from watch_pending.demand import group_demands
from watch_pending.pending import (
    Window,
    detect_shape,
    pending_statement,
    read_pending,
    stamps_statement,
)
from watch_pending.source_models import Jacuzzis

SIZES = (10_000, 100_000, 1_000_000)
BUILDERS = 1000
MIN_AGE_S, MAX_AGE_S = 10.0, 86400.0
REPEATS = {"naive": 1, "bare": 5, "ours": 5}


def buildermap() -> dict[str, str]:
    """Make 55 patterns, as many as production's; the last ones match most."""
    pairs = {f"^Nothing like this {number}.* build": "bld-linux64" for number in range(50)}
    pairs |= {"Android.*": "bld-linux64", "Rev\\d.*": "tst-linux64", "Ubuntu.*": "tst-linux64"}
    return pairs | {"Linux.* try": "try-linux64", "Linux.*": "bld-linux64"}


def make_window(now: datetime) -> Window:
    """Count requests as the defaults do."""
    return Window(now=now, min_age_s=MIN_AGE_S, max_age_s=MAX_AGE_S)


def naive(connection: sa.Connection, now: datetime) -> dict[str, int]:
    """Do as the original: fetch every row, and try the patterns on each."""
    shape = detect_shape(connection)
    name = "br.buildername" if shape.builder == "name" else "b.name"
    join = "" if shape.builder == "name" else "JOIN builders b ON b.id = br.builderid"
    rows = connection.execute(
        sa.text(
            f"SELECT {name}, br.id FROM buildrequests br {join} WHERE br.complete = 0 "
            "AND br.submitted_at > :newer AND br.submitted_at <= :older AND NOT EXISTS "
            "(SELECT 1 FROM buildrequest_claims c WHERE c.brid = br.id)"
        ),
        {"newer": now.timestamp() - MAX_AGE_S, "older": now.timestamp() - MIN_AGE_S},
    ).fetchall()
    counts: Counter[str] = Counter()
    patterns = buildermap()
    for builder, _ in rows:
        for pattern, instance_type in patterns.items():
            if re.match(pattern, builder):
                counts[instance_type] += 1
                break
    return dict(counts)


def ours(connection: sa.Connection, now: datetime) -> dict[str, int]:
    """Do as watch-pending does, shape detection included."""
    pending = read_pending(connection, detect_shape(connection), make_window(now))
    demands, _ = group_demands(pending, compile_buildermap(buildermap()), Jacuzzis())
    return {demand.instance_type: demand.pending for demand in demands}


def bare(connection: sa.Connection, now: datetime) -> dict[str, int]:
    """Run the same queries by the driver alone, and map the names."""
    shape = detect_shape(connection)
    rows = fetch(connection, pending_statement(connection, shape, make_window(now)))
    if shape.has_sourcestamps:
        first, last = min(row["first_set"] for row in rows), max(row["last_set"] for row in rows)
        fetch(connection, stamps_statement(connection, first, last))
    rules = compile_buildermap(buildermap())
    counts: Counter[str] = Counter()
    for row in rows:
        rule = match_builder(rules, row["name"])
        if rule:
            counts[rule.instance_type] += int(row["n"])
    return dict(counts)


def fetch(connection: sa.Connection, statement: sa.Select[Any]) -> list[dict[str, Any]]:
    """Run a statement past SQLAlchemy."""
    sql = str(statement.compile(connection, compile_kwargs={"literal_binds": True}))
    cursor = connection.connection.cursor()
    cursor.execute(sql.replace("%%", "%"))
    columns = [column[0] for column in cursor.description]
    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


METHODS: dict[str, Any] = {"naive": naive, "bare": bare, "ours": ours}


def measure(method: str, url: str, now: float) -> None:
    """Measure one method in this process, and print it."""
    engine = make_engine(parse_url(url, "benchmark"), timeout_s=600, read_only=True)
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT 1"))
        moment = datetime.fromtimestamp(now, UTC)
        answer(lambda: METHODS[method](connection, moment), REPEATS[method])


def measure_all(quick: bool) -> list[Row]:
    """Measure every method on every database, at each size; of the old schema, at the largest."""
    found: list[Row] = []
    most = SIZES[0] if quick else SIZES[-1]
    work = [("B", most), *(("C", size) for size in SIZES if size <= most)]
    with tempfile.TemporaryDirectory(prefix="farmhand-bench-") as folder:
        for shape, rows in work:
            url = f"sqlite:///{folder}/{shape}-{rows}.sqlite"
            found += _compare("SQLite", shape, url, rows)
        if "mariadb" not in services.missing_services():
            with services.running_mariadb(Path(folder), buffer_pool="1G") as server:
                for shape, rows in work:
                    url = server.create_database(f"bench_{shape.lower()}_{rows}")
                    found += _compare("MariaDB", shape, url, rows)
    return found


def _compare(database: str, shape: Any, url: str, rows: int) -> list[Row]:
    engine = make_engine(parse_url(url, "benchmark"), timeout_s=3600)
    scheduler_schemas.create_shape(engine, shape)
    names = scheduler_bulk.realistic_builder_names(BUILDERS)
    now = time.time()
    scheduler_bulk.bulk_requests(engine, shape, rows, names, submitted_at=int(now) - 60)
    if database == "MariaDB":
        with engine.connect() as connection:
            sets = ", buildset_sourcestamps, buildsets" if shape == "C" else ""
            connection.exec_driver_sql(f"ANALYZE TABLE buildrequests, buildrequest_claims{sets}")
    engine.dispose()
    found: dict[str, Measured] = {
        method: in_process("benchmarks.pending", method, url, str(now)) for method in METHODS
    }
    if len({str(sorted(dict(item.answer).items())) for item in found.values()}) != 1:  # type: ignore[call-overload]
        raise SystemExit(f"{database} {shape}: the methods do not agree: {found}")
    schema = "Buildbot 0.9 and newer" if shape == "C" else "Buildbot 0.8"
    return [
        Row(
            case=f"{database}, {schema}",
            size=rows,
            method=SAID[method],
            kind=KINDS[method],
            value=item.seconds * 1000,
            unit="ms",
            also={"MiB": item.memory_mib},
        )
        for method, item in found.items()
    ]


KINDS = {"naive": Kind.NAIVE, "bare": Kind.FLOOR, "ours": Kind.OURS}
SAID = {
    "naive": "every row fetched, every pattern tried",
    "bare": "the same queries by the driver alone",
    "ours": "watch-pending",
}
PART = Part(
    name="pending",
    title="Pending requests → machines needed",
    about="What watch-pending reads from Buildbot's database, and what it makes of it, beside the "
    "original's loop over all rows. 1,000 builders, 55 patterns.",
    sized_by="pending requests",
    about_s=330,
    measure=measure_all,
)


if __name__ == "__main__":
    measure(sys.argv[1], sys.argv[2], float(sys.argv[3]))
