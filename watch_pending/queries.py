"""SQL on the farm database: the journal of launches, the planner, the inventory.

Expiries and claims are compared with the database's clock.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from farmhand.chunks import chunked
from farmhand.db import claim, db_now
from farmhand.tables.farm import jacuzzis, workers
from farmhand.tables.launches import backoffs, instances, launches, planner, stops
from watch_pending.config_machines import Market
from watch_pending.models import InventoryWorker, OpenLaunch
from watch_pending.request import PreparedLaunch

log = logging.getLogger(__name__)
# A launch nobody has seen after this long never happened, and an instance gone this long is gone.
UNSEEN_S = 300
# Its call must end well before that: whoever finds it expired may give its name again.
CALL_MOST_S = UNSEEN_S - 60
# A launch whose call waits is renewed by its run; one that is not, for so long, has lost its run.
RENEWED_S = 60
OPEN_STATES = ("planned", "called", "launched")
KEPT_S = 90 * 86400
CHUNK = 500

# The last that is known of a launch: its call's end, else its call, else the plan.
_begun_at = sa.func.coalesce(launches.c.closed_at, launches.c.called_at, launches.c.created_at)
_is_open = launches.c.state.in_(OPEN_STATES)
_is_planned = launches.c.state == "planned"
# It was never called, and never will be.
_is_dead = sa.and_(_is_planned, launches.c.created_at <= db_now(-RENEWED_S))


def read_generation(connection: Connection) -> int:
    """Read the planner's generation; before anything else that a plan rests on."""
    return int(connection.execute(sa.select(planner.c.generation)).scalar_one())


def read_open_launches(connection: Connection) -> tuple[tuple[OpenLaunch, bool], ...]:
    """Read the launches whose instance nobody has seen: (launch, whether it still may be)."""
    recently = sa.and_(_begun_at > db_now(-UNSEEN_S), sa.not_(_is_dead)).label("recently")
    statement = sa.select(launches, recently, _begun_at.label("begun_at")).where(_is_open)
    return tuple(
        (
            OpenLaunch(
                **read_machine(row),
                begun_at=row.begun_at,
            ),
            bool(row.recently),
        )
        for row in connection.execute(statement.order_by(launches.c.id))
    )


def read_machine(row: Any) -> dict[str, Any]:
    """Read what launches and instances have in common: the fields of a Machine."""
    return {
        "token": row.token,
        "name": row.name,
        "instance_type": row.instance_type,
        "market": Market(row.market),
        "region": row.region,
        "availability_zone": row.availability_zone,
        "subnet": row.subnet,
        "ec2_type": row.ec2_type,
        "ami": row.ami or "",
    }


def read_stopping(connection: Connection) -> dict[str, str]:
    """Read which machines are on their way out: instance id → name."""
    statement = sa.select(stops.c.instance_id, stops.c.name).where(stops.c.closed_at.is_(None))
    return {row.instance_id: row.name for row in connection.execute(statement)}


def read_inventory(connection: Connection) -> tuple[InventoryWorker, ...]:
    """Read all workers; one of an unknown market counts as disabled, which keeps its name."""
    markets = {market.value: market for market in Market}
    found = []
    for row in connection.execute(sa.select(workers).order_by(workers.c.name)):
        known = not row.market or row.market in markets
        if not known:
            log.warning(
                'worker %s is left out: its market "%s" is none of %s, NULL',
                row.name,
                row.market,
                ", ".join(markets),
            )
        found.append(
            InventoryWorker(
                name=row.name,
                instance_type=row.instance_type,
                market=markets.get(row.market),
                enabled=known and bool(row.enabled),
            )
        )
    return tuple(found)


def read_jacuzzis(connection: Connection) -> dict[str, list[str]]:
    """Read who may use which workers: builder → names."""
    joined = jacuzzis.join(workers, workers.c.id == jacuzzis.c.worker_id)
    found: dict[str, list[str]] = {}
    for builder, name in connection.execute(
        sa.select(jacuzzis.c.builder, workers.c.name).select_from(joined)
    ):
        found.setdefault(builder, []).append(name)
    return found


def chunks(values: Iterable[str]) -> Iterator[Sequence[str]]:
    """Cut values, sorted, into lists for IN (…), which databases bound."""
    return chunked(sorted(values), CHUNK)


def take_turn(connection: Connection) -> None:
    """Wait for other writers, until this transaction ends.

    Whoever writes many rows does this first: two that each wait for the other's rows would be
    undone. SQLite has one writer at a time anyway.
    """
    connection.execute(sa.select(planner.c.generation).with_for_update())


def expire(connection: Connection, *, regions: Iterable[str]) -> int:
    """Close what was waited for in vain; return how many launches that were.

    Only in `regions`, those that answered, can anything be found missing; but what was never called
    is nowhere.
    """
    take_turn(connection)
    dead = connection.execute(
        launches.update()
        .where(_is_dead)
        .values(state="expired", closed_at=db_now(), error="its run ended before the call")
    ).rowcount
    connection.execute(
        instances.update()
        .where(
            instances.c.region.in_(tuple(regions)),
            instances.c.state != "gone",
            instances.c.last_seen_at <= db_now(-UNSEEN_S),
        )
        .values(state="gone")
    )
    unseen = connection.execute(
        launches.update()
        .where(_is_open, launches.c.region.in_(tuple(regions)), _begun_at <= db_now(-UNSEEN_S))
        .values(state="expired", closed_at=db_now(), error="no instance was seen within 5 minutes")
    ).rowcount
    return dead + unseen


def prune(connection: Connection) -> None:
    """Forget launches that were closed, instances that were gone, back-offs over 90 days ago."""
    connection.execute(backoffs.delete().where(backoffs.c.until < db_now(-KEPT_S)))
    connection.execute(launches.delete().where(launches.c.closed_at < db_now(-KEPT_S)))
    connection.execute(
        instances.delete().where(
            instances.c.state == "gone", instances.c.last_seen_at < db_now(-KEPT_S)
        )
    )


def win_plan(connection: Connection, generation: int) -> bool:
    """Raise the generation that a plan was made on; False when another plan came first."""
    return claim(
        connection,
        planner.update()
        .where(planner.c.id == 1, planner.c.generation == generation)
        .values(generation=generation + 1),
    )


def write_plan(
    connection: Connection,
    prepared: Sequence[PreparedLaunch],
    *,
    generation: int,
    run_id: int,
) -> bool:
    """Journal a plan's launches, unless another plan came first; say whether it was written.

    The generation rises also where nothing of a plan could be prepared.
    """
    won = win_plan(connection, generation)
    if won and prepared:
        connection.execute(
            launches.insert().values(created_at=db_now()),
            [_launch_row(item, generation=generation + 1, run_id=run_id) for item in prepared],
        )
    return won


def _launch_row(item: PreparedLaunch, *, generation: int, run_id: int) -> dict[str, Any]:
    offer = item.launch.offer
    return {
        "run_id": run_id,
        "generation": generation,
        "state": "planned",
        "token": item.token,
        "request_sha256": item.digest,
        "name": item.launch.name,
        "instance_type": item.launch.instance_type,
        "market": offer.market.value,
        "region": offer.region,
        "availability_zone": offer.availability_zone,
        "subnet": item.launch.subnet,
        "ec2_type": offer.ec2_type,
        "ami": offer.ami,
        "price_usd_per_hour": offer.price_usd_per_hour,
        "max_price_usd_per_hour": offer.max_price_usd_per_hour,
    }


def claim_call(connection: Connection, *tokens: str) -> bool:
    """Take the right to make a call, once; False when one of its launches expired meanwhile."""
    if len(tokens) > 1:
        take_turn(connection)
    result = connection.execute(
        launches.update()
        .where(
            launches.c.token.in_(tokens),
            _is_planned,
            launches.c.created_at > db_now(-RENEWED_S),
        )
        .values(state="called", called_at=db_now())
    )
    return result.rowcount == len(tokens)


def renew(connection: Connection, tokens: Iterable[str]) -> None:
    """Say of launches whose calls wait that their run is still at work."""
    take_turn(connection)
    connection.execute(
        launches.update()
        .where(launches.c.token.in_(sorted(tokens)), _is_planned, sa.not_(_is_dead))
        .values(created_at=db_now())
    )


def close_launch(
    connection: Connection, token: str, *, instance_id: str | None, error: str | None
) -> None:
    """Write how a launch's call ended; without an instance its name is free at once."""
    if instance_id is not None:
        values: dict[str, Any] = {"state": "launched", "instance_id": instance_id}
    else:
        values = {"state": "failed", "error": error}
    connection.execute(
        launches.update()
        .where(launches.c.token == token, launches.c.state.in_(OPEN_STATES))
        .values(closed_at=db_now(), **values)
    )
