"""Buildbot's scheduler database → what each worker does. Read only.

Costs a fixed number of statements, whatever the number of workers and builds.
"""

import json
import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.db import read_clock
from watch_pending.pending import RECLAIM_S, Shape, decode, is_unclaimed, requests
from watch_pending.stop_idle.models import Activity, Workload

# Buildbot itself gives up a master that did not write its time for so long.
MASTER_ALIVE_S = 600
# A master that was away so long has been taken out of service.
MASTER_AWAY_S = 86400
# A worker answers a ping at once, or it never will.
PING_S = 120
# Between a request's claim and its build's row lie a few statements. A master writes every minute
# that it lives: what it claimed so long before that, it had given up or lost.
STARTING_S = 60
INSTANCE_ID = re.compile(r"i-[0-9a-f]{8,17}")

claims = sa.table("buildrequest_claims", *map(sa.column, ("brid", "masterid", "claimed_at")))
masters = sa.table("masters", *map(sa.column, ("id", "name", "active", "last_active")))


def read_workload(
    connection: Connection, shape: Shape, launched: Mapping[str, datetime]
) -> Workload:
    """Read what all workers do now; `launched`: worker → when its machine was.

    A build that began long before that is another machine's: a master that lost its worker at the
    wrong moment leaves it open for ever.
    """
    clock = read_clock(connection)
    if shape.workers is None:
        return _read_old_workload(connection, shape, clock)
    alive, away = _read_masters(connection, clock)
    rows = _read_worker_rows(connection, shape)
    connected = _read_connections(connection, shape)
    running = _read_running(connection, shape)
    ended = _read_last_ends(connection, shape)
    has_reasons = "pause_reason" in shape.worker_columns
    workers = {}
    for row in rows:
        name, at = decode(row.name), connected.get(row.id, ())
        since = launched[name].timestamp() - MASTER_ALIVE_S if name in launched else 0
        builds = [
            build.hung
            for build in running.get(row.id, ())
            if build.master in alive and build.started_at > since
        ]
        activity = Activity(
            name=name,
            worker_id=row.id,
            connected=any(master in alive for master in at),
            masters=tuple(sorted(alive[master] for master in at if master in alive)),
            away=tuple(sorted(away[master] for master in at if master in away)),
            building=bool(builds),
            hung=bool(builds) and all(builds),
            paused=bool(getattr(row, "paused", 0)),
            pause_reason=decode(row.pause_reason or "") if has_reasons else None,
            graceful=bool(getattr(row, "graceful", 0)),
            last_build_ended_at=ended.get(row.id),
            host=_read_host(row.info),
        )
        workers[activity.name] = activity
    return Workload(
        clock=clock,
        workers=workers,
        masters_alive=frozenset(alive.values()),
        masters_away=frozenset(away.values()),
        starting=_read_starting(connection, alive),
    )


def read_paused(connection: Connection, shape: Shape, ids: Collection[int]) -> set[int]:
    """Read which of these workers are paused; before 0.9.10 none can be."""
    if "paused" not in shape.worker_columns:
        return set()
    workers = sa.table(shape.workers or "workers", sa.column("id"), sa.column("paused"))
    statement = sa.select(workers.c.id).where(workers.c.id.in_(sorted(ids)), workers.c.paused == 1)
    return set(connection.scalars(statement))


def _read_masters(connection: Connection, clock: datetime) -> tuple[dict[int, str], dict[int, str]]:
    """Read which masters are alive, and which are away and may come back: id → name."""
    alive, away = {}, {}
    for row in connection.execute(sa.select(masters)):
        silent_s = clock.timestamp() - (row.last_active or 0)
        if row.active and silent_s < MASTER_ALIVE_S:
            alive[row.id] = decode(row.name)
        elif silent_s < MASTER_AWAY_S:
            away[row.id] = decode(row.name)
    return alive, away


def _read_worker_rows(connection: Connection, shape: Shape) -> list[Any]:
    known = {"paused", "pause_reason", "graceful"} & shape.worker_columns
    workers = sa.table(str(shape.workers), *map(sa.column, ("id", "name", "info", *sorted(known))))
    return list(connection.execute(sa.select(workers)))


def _worker_id(shape: Shape) -> str:
    return "workerid" if shape.workers == "workers" else "buildslaveid"


def _read_connections(connection: Connection, shape: Shape) -> dict[int, list[int]]:
    """Read who is connected where: worker id → master ids."""
    key = _worker_id(shape)
    table = sa.table(f"connected_{shape.workers}", sa.column(key), sa.column("masterid"))
    found: defaultdict[int, list[int]] = defaultdict(list)
    for worker, master in connection.execute(sa.select(table.c[key], table.c.masterid)):
        found[worker].append(master)
    return found


def _builds(shape: Shape) -> sa.TableClause:
    columns = ("id", "buildrequestid", "masterid", "started_at", "complete_at", "state_string")
    return sa.table("builds", *map(sa.column, (*columns, _worker_id(shape))))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Running:
    """A build that runs, and whether it hangs in its first ping; `started_at` in epoch seconds."""

    master: int
    started_at: int
    hung: bool


def _read_running(connection: Connection, shape: Shape) -> dict[int, list[_Running]]:
    """Read what is being built: worker id → its builds.

    How long it pings, its master's clock says, which wrote both times.
    """
    builds = _builds(shape).alias("bl")
    worker = builds.c[_worker_id(shape)]
    started_at = builds.c.started_at
    age_s = masters.c.last_active - started_at
    statement = (
        sa.select(worker, builds.c.masterid, started_at, age_s, builds.c.state_string)
        .select_from(
            requests.join(builds, builds.c.buildrequestid == requests.c.id).join(
                masters, masters.c.id == builds.c.masterid
            )
        )
        .where(requests.c.complete == 0, builds.c.complete_at.is_(None))
    )
    found: defaultdict[int, list[_Running]] = defaultdict(list)
    for worker_id, master, began, running_s, state in connection.execute(statement):
        hung = decode(state or "").startswith("pinging") and running_s > PING_S
        found[worker_id].append(_Running(master=master, started_at=began, hung=hung))
    return found


def _read_last_ends(connection: Connection, shape: Shape) -> dict[int, datetime]:
    """Read when each worker's newest build ended; one that runs has not."""
    builds = _builds(shape)
    worker = builds.c[_worker_id(shape)]
    newest = sa.select(sa.func.max(builds.c.id).label("id")).group_by(worker).subquery("z")
    statement = sa.select(worker, builds.c.complete_at).join(newest, newest.c.id == builds.c.id)
    return {
        worker_id: _to_time(ended)
        for worker_id, ended in connection.execute(statement)
        if ended is not None
    }


def _read_starting(connection: Connection, alive: dict[int, str]) -> frozenset[str]:
    """Find the masters that have claimed a request, lately, and not written its build yet."""
    builds = sa.table("builds", *map(sa.column, ("id", "buildrequestid", "complete_at"))).alias(
        "bl"
    )
    running = sa.exists().where(
        builds.c.buildrequestid == requests.c.id, builds.c.complete_at.is_(None)
    )
    statement = (
        sa.select(claims.c.masterid)
        .select_from(
            requests.join(claims, claims.c.brid == requests.c.id).join(
                masters, masters.c.id == claims.c.masterid
            )
        )
        .where(
            requests.c.complete == 0,
            claims.c.claimed_at > masters.c.last_active - STARTING_S,
            ~running,
        )
        .distinct()
    )
    return frozenset(alive[key] for key in connection.scalars(statement) if key in alive)


def _read_old_workload(connection: Connection, shape: Shape, clock: datetime) -> Workload:
    """Read the tables before 0.9: whether anything is built, and when the last build ended."""
    builds = sa.table("builds", sa.column("finish_time"))
    claimed = ~is_unclaimed(shape, int(clock.timestamp()) - RECLAIM_S)
    busy = sa.select(requests.c.id).where(requests.c.complete == 0, claimed).limit(1)
    ended = connection.scalar(sa.select(sa.func.max(builds.c.finish_time)))
    return Workload(
        clock=clock,
        workers=None,
        masters_alive=frozenset({"?"}),
        busy=connection.scalar(busy) is not None,
        ended_at=None if ended is None else _to_time(ended),
    )


def _read_host(info: str | bytes | None) -> str:
    """Find the instance id that a worker tells of its machine.

    >>> _read_host('{"host": "i-0123456789abcdef0\\\\n"}'), _read_host('{"host": "a Mac"}')
    ('i-0123456789abcdef0', '')
    """
    try:
        host = str(json.loads(info or "{}").get("host") or "").strip()
    except (ValueError, AttributeError):
        return ""
    return host if INSTANCE_ID.fullmatch(host) else ""


def _to_time(epoch: int) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)
