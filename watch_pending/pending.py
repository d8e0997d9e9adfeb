"""Buildbot's scheduler database → what waits, and who could take it. Read only, never migrated.

Its tables changed shape twice; `detect_shape` tells by looking which it is, not by a version.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.errors import BadInput
from watch_pending.models import PendingRequests, WorkerStatus

# Masters of 0.8.0 to 0.8.4 claim anew every hour; an older claim is as good as none.
RECLAIM_S = 3600

requests = sa.table(
    "buildrequests",
    *map(sa.column, ("id", "buildsetid", "builderid", "buildername", "priority", "complete")),
    *map(sa.column, ("claimed_at", "submitted_at")),
).alias("br")
claims = sa.table("buildrequest_claims", sa.column("brid")).alias("c")
builders = sa.table("builders", sa.column("id"), sa.column("name")).alias("b")
buildsets = sa.table("buildsets", sa.column("id"))
sourcestamps = sa.table("buildset_sourcestamps", sa.column("buildsetid")).alias("x")
masters = sa.table("masters", sa.column("id"), sa.column("active")).alias("m")
builder_masters = sa.table("builder_masters", sa.column("builderid"), sa.column("masterid")).alias(
    "bm"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """What a scheduler database looks like.

    `claims`: a column of the request (0.8.0 to 0.8.4) or a table. `builder`: the request holds its
    name (0.8) or its id (0.9 and later). `workers`: their table, if connections are known.
    """

    claims: Literal["column", "table"]
    builder: Literal["name", "id"]
    has_sourcestamps: bool
    workers: Literal["workers", "buildslaves"] | None
    worker_columns: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """Requests submitted between `max_age_s` and `min_age_s` before `now` count."""

    now: datetime
    min_age_s: float
    max_age_s: float


def detect_shape(connection: Connection) -> Shape:
    """Look which shape the database has; raises BadInput for one that Buildbot never had."""
    inspector = sa.inspect(connection)
    tables = set(inspector.get_table_names())
    if "buildrequests" not in tables:
        raise BadInput(
            "scheduler_db is not a Buildbot database: it has no table buildrequests; "
            f"it has {', '.join(sorted(tables)[:5]) or 'no tables at all'}"
        )
    columns = {column["name"] for column in inspector.get_columns("buildrequests")}
    claims_kind: Literal["column", "table"]
    if "buildrequest_claims" in tables:
        claims_kind = "table"
    elif "claimed_at" in columns:
        claims_kind = "column"
    else:
        raise BadInput("scheduler_db: nothing says which requests are claimed; unknown Buildbot")
    if "buildername" not in columns and not ("builderid" in columns and "builders" in tables):
        raise BadInput("scheduler_db: buildrequests names no builders; unknown Buildbot")
    workers: Literal["workers", "buildslaves"] | None = None
    if "connected_workers" in tables:
        workers = "workers"
    elif "connected_buildslaves" in tables:
        workers = "buildslaves"
    found = {column["name"] for column in inspector.get_columns(workers)} if workers else set()
    return Shape(
        claims=claims_kind,
        builder="name" if "buildername" in columns else "id",
        has_sourcestamps="buildset_sourcestamps" in tables,
        workers=workers,
        worker_columns=frozenset(found),
    )


def read_pending(
    connection: Connection, shape: Shape, window: Window
) -> tuple[PendingRequests, ...]:
    """Count the requests that wait and can start, by builder.

    Without a source stamp, or where no active master has the builder, a request never starts, so it
    is not counted.
    """
    rows: Sequence[Any] = connection.execute(pending_statement(connection, shape, window)).all()
    if not _is_exact(connection, shape, rows):
        rows = connection.execute(pending_statement(connection, shape, window, exact=True)).all()
    if shape.builder == "id":
        served = _read_served(connection)
        rows = [row for row in rows if row.builder in served]
    return tuple(
        PendingRequests(
            builder=decode(row.name),
            priority=int(row.priority or 0),
            requests=int(row.n),
            oldest=datetime.fromtimestamp(row.oldest, UTC),
        )
        for row in rows
    )


def _is_exact(connection: Connection, shape: Shape, rows: Sequence[Any]) -> bool:
    """Say whether the quick count is right: one name a group, and every buildset stamped."""
    if shape.builder == "name" and any(row.name != row.last_name for row in rows):
        return False
    if not rows or not shape.has_sourcestamps:
        return True
    first, last = min(row.first_set for row in rows), max(row.last_set for row in rows)
    return bool(connection.scalar(stamps_statement(connection, first, last)))


def _waiting(shape: Shape, window: Window, *, exact: bool) -> sa.Select[Any]:
    now = window.now
    statement: sa.Select[Any] = sa.select(sa.literal(1)).where(
        requests.c.complete == 0,
        requests.c.submitted_at > int((now - timedelta(seconds=window.max_age_s)).timestamp()),
        requests.c.submitted_at <= int((now - timedelta(seconds=window.min_age_s)).timestamp()),
    )
    statement = statement.where(is_unclaimed(shape, int(now.timestamp()) - RECLAIM_S))
    if exact and shape.has_sourcestamps:
        same_set = sourcestamps.c.buildsetid == requests.c.buildsetid
        statement = statement.where(sa.exists().where(same_set))
    return statement


def is_unclaimed(shape: Shape, stale: int) -> sa.ColumnElement[bool]:
    """Make the condition that no master has claimed a request, or none since it is `stale`."""
    if shape.claims == "table":
        return ~sa.exists().where(claims.c.brid == requests.c.id)
    claimed_at = requests.c.claimed_at
    return sa.or_(claimed_at.is_(None), claimed_at == 0, claimed_at < stale)


def pending_statement(
    connection: Connection, shape: Shape, window: Window, *, exact: bool = False
) -> sa.Select[Any]:
    """Make the query that counts what waits: builder → how many, priority, oldest, buildsets.

    Grouping is by an expression, never by a bare column: the planners of SQLite and MariaDB would
    walk that column's index with one random read a row, six times slower at a million rows. For the
    same reason only the `exact` query asks of each request whether it has a source stamp.
    """
    waiting = _waiting(shape, window, exact=exact)
    sums: tuple[sa.Label[Any], ...] = (
        sa.func.count().label("n"),
        sa.func.max(requests.c.priority).label("priority"),
        sa.func.min(requests.c.submitted_at).label("oldest"),
        sa.func.min(requests.c.buildsetid).label("first_set"),
        sa.func.max(requests.c.buildsetid).label("last_set"),
    )
    if shape.builder == "name":
        name = sa.func.min(requests.c.buildername).label("name")
        last_name = sa.func.max(requests.c.buildername).label("last_name")
        return waiting.with_only_columns(name, last_name, *sums).group_by(
            *_grouping(connection, exact=exact)
        )
    builder = sa.literal_column("br.builderid+0", sa.Integer)
    grouped = (
        waiting.with_only_columns(builder.label("builder"), *sums).group_by(builder).subquery("g")
    )
    return sa.select(builders.c.name, grouped).select_from(
        grouped.join(builders, builders.c.id == grouped.c.builder)
    )


def stamps_statement(connection: Connection, first: int, last: int) -> sa.Select[Any]:
    """Make the query whether all buildsets from one id to another have a source stamp.

    Of the two ways to count distinct ids, each is twice as fast as the other somewhere.
    """
    stamped_set = sourcestamps.c.buildsetid
    within = stamped_set.between(first, last)
    if connection.dialect.name == "sqlite":
        stamped = sa.select(sa.func.count(sa.distinct(stamped_set))).where(within)
    else:
        grouped = sa.select(stamped_set).where(within).group_by(stamped_set).subquery()
        stamped = sa.select(sa.func.count()).select_from(grouped)
    sets = sa.select(sa.func.count()).where(buildsets.c.id.between(first, last))
    return sa.select(sets.scalar_subquery() == stamped.scalar_subquery())


def _read_served(connection: Connection) -> set[int]:
    """Read the ids of the builders that an active master has; apart, because joining it is slow."""
    return set(
        connection.scalars(
            sa.select(builder_masters.c.builderid)
            .distinct()
            .select_from(builder_masters.join(masters, masters.c.id == builder_masters.c.masterid))
            .where(masters.c.active == 1)
        )
    )


def _grouping(connection: Connection, *, exact: bool) -> tuple[sa.ColumnElement[Any], ...]:
    """Group by builder name, byte by byte, without walking its index.

    On MariaDB the short way may put two names into one group, which the caller sees by their
    minimum and maximum; grouping the text itself, or its MD5, takes twice as long.
    """
    dialect = connection.dialect.name
    if dialect == "sqlite":
        return (sa.literal_column("+br.buildername"),)
    if dialect in {"mysql", "mariadb"}:
        if exact:
            return (sa.literal_column("unhex(md5(br.buildername))"),)
        return (
            sa.literal_column("crc32(br.buildername)"),
            sa.literal_column("length(br.buildername)"),
        )
    return (requests.c.buildername,)


def read_workers(connection: Connection, shape: Shape) -> dict[str, WorkerStatus] | None:
    """Read how Buildbot sees each worker, by name; None where the database can't tell (0.8)."""
    if shape.workers is None:
        return None
    name = shape.workers
    worker_id = "workerid" if name == "workers" else "buildslaveid"
    wanted = ("id", "name", *sorted({"paused", "graceful"} & shape.worker_columns))
    workers = sa.table(name, *map(sa.column, wanted)).alias("w")
    connected = sa.table(f"connected_{name}", sa.column(worker_id), sa.column("masterid"))
    builds = sa.table(
        "builds", *map(sa.column, ("buildrequestid", "complete_at", worker_id))
    ).alias("bl")
    is_connected = set(
        connection.scalars(
            sa.select(connected.c[worker_id])
            .select_from(connected.join(masters, masters.c.id == connected.c.masterid))
            .where(masters.c.active == 1)
        )
    )
    is_building = set(
        connection.scalars(
            sa.select(builds.c[worker_id])
            .select_from(requests.join(builds, builds.c.buildrequestid == requests.c.id))
            .where(requests.c.complete == 0, builds.c.complete_at.is_(None))
        )
    )
    return {
        decode(row.name): WorkerStatus(
            name=decode(row.name),
            connected=row.id in is_connected,
            building=row.id in is_building,
            paused=bool(getattr(row, "paused", 0)),
            graceful=bool(getattr(row, "graceful", 0)),
        )
        for row in connection.execute(sa.select(workers))
    }


def read_builder_names(connection: Connection, shape: Shape) -> tuple[str, ...]:
    """List every builder name the database knows."""
    statement = sa.select(builders.c.name)
    if shape.builder == "name":
        grouping = _grouping(connection, exact=True)
        statement = sa.select(sa.func.min(requests.c.buildername)).group_by(*grouping)
    return tuple(sorted({decode(name) for name in connection.scalars(statement)}))


def read_recent_builders(connection: Connection, shape: Shape, window: Window) -> tuple[str, ...]:
    """List the builders of the requests that were submitted within a window."""
    since = int((window.now - timedelta(seconds=window.max_age_s)).timestamp())
    recent = sa.select(requests).where(requests.c.submitted_at > since)
    if shape.builder == "name":
        grouping = _grouping(connection, exact=True)
        statement = recent.with_only_columns(sa.func.min(requests.c.buildername)).group_by(
            *grouping
        )
    else:
        builder = sa.literal_column("br.builderid+0", sa.Integer)
        ids = recent.with_only_columns(builder.label("id")).group_by(builder).subquery("g")
        statement = sa.select(builders.c.name).join(ids, ids.c.id == builders.c.id)
    return tuple(sorted({decode(name) for name in connection.scalars(statement)}))


def decode(value: str | bytes) -> str:
    """Read a name; drivers hand over bytes where the database does not know the encoding."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
