"""Up to a million build requests in any of the three shapes, and names for their builders."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from tests.scheduler_schemas import SchedulerRows, Shape, When, make_column, sha1, to_epoch

_SCRATCH = sa.Table(
    "bulk_scratch",
    sa.MetaData(),
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
    *map(make_column, ("builderid:int", "buildername:256")),
    mysql_engine="InnoDB",
)


class _BulkRows(SchedulerRows):
    """Adds rows by the thousand."""

    def set_checks(self, *, on: bool) -> None:
        """Turn the foreign keys' checks off or on: a million of them take their time."""
        if self.connection.dialect.name == "mysql":
            self.connection.exec_driver_sql(f"SET unique_checks={on:d}, foreign_key_checks={on:d}")
        if self.connection.dialect.name == "postgresql":
            role = "origin" if on else "replica"
            self.connection.exec_driver_sql(f"SET LOCAL session_replication_role = {role}")

    def insert_select(self, table: str, fields: Mapping[str, Any], *where: Any) -> None:
        """Insert rows in the order of the first field, which InnoDB does much faster.

        MariaDB has no statistics of new tables: it must read them as the fields name them.
        """
        first, *others = fields.values()
        query = sa.select(first, *others).where(*where).order_by(first)
        query = query.prefix_with("STRAIGHT_JOIN", dialect="mysql")
        self.connection.execute(sa.insert(self.tables[table]).from_select(list(fields), query))

    def next_id(self, *tables: str) -> int:
        largest = [sa.select(sa.func.max(self.tables[name].c.id)) for name in tables]
        return 1 + max(self.connection.scalar(query) or 0 for query in largest)

    def reset_sequences(self, *tables: str) -> None:
        """Let PostgreSQL number on after ids that were given explicitly."""
        if self.connection.dialect.name == "postgresql":
            for name in tables:
                sequence = sa.func.pg_get_serial_sequence(name, "id")
                self.connection.execute(
                    sa.select(sa.func.setval(sequence, self.next_id(name), False))
                )


def bulk_requests(
    engine: sa.Engine,
    shape: Shape,
    rows: int,
    builders: Sequence[str],
    *,
    submitted_at: When,
    spread_s: int = 6 * 3600,
    claimed_percent: int = 5,
    complete_percent: int = 20,
    workers: Sequence[str] = (),
) -> Counter[str]:
    """Add up to a million requests by INSERT ... SELECT and count the pending ones by builder.

    They were submitted during the `spread_s` seconds up to `submitted_at`, with priorities 0 to 2.
    In shape C the `workers`, which must exist, built the completed ones.
    """
    assert rows <= 1_000_000
    assert len(builders) <= 1000
    newest, period = to_epoch(submitted_at), len(builders)
    taken = complete_percent + claimed_percent
    _SCRATCH.create(engine)
    with engine.begin() as connection:
        farm = _BulkRows(connection, shape, active=True)
        farm.set_checks(on=False)
        _fill_scratch(farm, builders)
        base = farm.next_id("buildsets", "buildrequests")
        low, high, key = _SCRATCH.alias(), _SCRATCH.alias(), _SCRATCH.alias()
        n = 1000 * high.c.n + low.c.n
        where = [n < rows, key.c.n == n % period]
        done = _bucket(n, period) < complete_percent
        fields: dict[str, Any] = {"id": base + n, "submitted_at": newest - n % spread_s}
        fields["complete"] = sa.case((done, 1), else_=0)
        fields["complete_at"] = sa.case((done, newest), else_=sa.null())
        fields["results"] = sa.case((done, 0), else_=sa.null() if shape == "A" else -1)
        source = _literals(farm.source_key())
        farm.insert_select("buildsets", fields | (source if shape != "C" else {}), *where)
        fields |= {"buildsetid": base + n, "priority": n % 3}
        name = "builderid" if shape == "C" else "buildername"
        fields[name] = key.c[name]
        if shape == "A":
            fields["claimed_at"] = sa.case((_bucket(n, period) < taken, newest), else_=0)
        farm.insert_select("buildrequests", fields, *where)
        if shape != "A":
            _add_bulk_claims(farm, base, at=newest, period=period, percent=taken)
        if shape == "C":
            sets = farm.tables["buildsets"].c
            fields = {"buildsetid": sets.id, **source}
            farm.insert_select("buildset_sourcestamps", fields, sets.id >= base)
        if workers:
            _add_bulk_builds(farm, base, workers)
        farm.set_checks(on=True)
        farm.reset_sequences("buildsets", "buildrequests")
    _SCRATCH.drop(engine)
    return Counter(builders[n % period] for n in range(rows) if _bucket(n, period) >= taken)


def _bucket(n: Any, period: int) -> Any:
    """Return 0 to 99, spread evenly over each builder's requests; for Python and SQL integers."""
    return (37 * n + 41 * (n // period)) % 100


def _literals(row: Mapping[str, int]) -> dict[str, Any]:
    return {name: sa.literal(value) for name, value in row.items()}


def _fill_scratch(farm: _BulkRows, builders: Sequence[str]) -> None:
    """Number 0 to 999, the first ones beside a builder."""
    rows: list[dict[str, Any]] = [
        {"n": n, "builderid": None, "buildername": None} for n in range(1000)
    ]
    for row, builder in zip(rows, builders, strict=False):
        row |= farm.builder_key(builder)
    farm.connection.execute(sa.insert(_SCRATCH), rows)


def _add_bulk_claims(farm: _BulkRows, base: int, *, at: int, period: int, percent: int) -> None:
    """Claim running and completed requests: a claim outlives its build."""
    requests = farm.tables["buildrequests"].c
    fields = {"brid": requests.id, **_literals(farm.owner_key()), "claimed_at": sa.literal(at)}
    claimed = _bucket(requests.id - base, period) < percent
    farm.insert_select("buildrequest_claims", fields, requests.id >= base, claimed)


def _add_bulk_builds(farm: _BulkRows, base: int, workers: Sequence[str]) -> None:
    requests, worker = farm.tables["buildrequests"].c, farm.tables["workers"].c
    ids = farm.connection.scalars(sa.select(worker.id).where(worker.name.in_(workers))).all()
    fields = {"buildrequestid": requests.id, "number": requests.id, **_literals(farm.owner_key())}
    fields["workerid"] = sa.case(dict(enumerate(ids)), value=requests.id % len(ids))
    fields |= {"builderid": requests.builderid, "started_at": requests.submitted_at}
    fields |= {"complete_at": requests.complete_at, **_literals({"locks_duration_s": 0})}
    fields |= {"results": sa.literal(0), "state_string": sa.literal("build successful")}
    farm.insert_select("builds", fields, requests.id >= base, requests.complete == 1)


def realistic_builder_names(n: int) -> list[str]:
    """Return n builder names as Mozilla's masters had them; more names extend the same list.

    >>> realistic_builder_names(4)[3]
    'Rev3 Fedora 12x64 mozilla-beta opt test mochitest-7'
    """
    branches = ["mozilla-central", "mozilla-inbound", "mozilla-aurora", "mozilla-beta", "try"]
    desktops = ["Linux", "Linux x86-64", "OS X 10.7 64-bit", "WINNT 5.2", "WINNT 6.1 x86-64"]
    builds = [*desktops, "Android 4.0 armv7 API 15+", "Android 4.2 x86", "B2G emulator-kk"]
    kinds = ["build", "leak test build", "pgo-build", "nightly", "debug build", "valgrind"]
    machines = ["Rev3 Fedora 12", "Rev3 Fedora 12x64", "Ubuntu VM 12.04 x64", "Windows 7 32-bit"]
    machines += ["Windows XP 32-bit", "Rev5 MacOSX Mountain Lion 10.8", "Android 4.0 armv7 API 15+"]
    suites = ["crashtest", "jsreftest", "marionette", "xpcshell", "web-platform-tests-1"]
    suites += [f"mochitest-{chunk}" for chunk in range(1, 11)]
    suites += [f"reftest-{chunk}" for chunk in range(1, 5)]
    names = [" ".join(words) for words in itertools.product(builds, branches, kinds)]
    tests = itertools.product(machines, branches, ["opt test", "debug test"], suites)
    names += [" ".join(words) for words in tests]
    assert n <= len(names), f"only {len(names)} names are made up"
    return sorted(names, key=sha1)[:n]
