"""The queries on the farm database: the journal of launches, what was seen, whose turn it is."""

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa

from farmhand.db import db_now, make_engine
from farmhand.queries import insert_run
from farmhand.tables import launches as tables
from farmhand.tables.farm import workers
from tests.builders import EAST, WEST, make_instance
from watch_pending import instance_queries, queries
from watch_pending.config_machines import Market
from watch_pending.models import Instance, InventoryWorker, Launch, Offer
from watch_pending.request import PreparedLaunch

pytestmark = pytest.mark.integration
launches, instances, planner = tables.launches, tables.instances, tables.planner
UNSEEN_S, RENEWED_S = queries.UNSEEN_S, queries.RENEWED_S
FARM = "test"
THREADS, ROUNDS = 4, 8


@pytest.fixture
def db(migrated: sa.Engine) -> sa.Engine:
    """A farm database with an empty journal, at generation 0."""
    with migrated.begin() as connection:
        for table in (launches, instances, workers):
            connection.execute(table.delete())
        connection.execute(planner.update().values(generation=0))
    return migrated


def make_prepared(name: str = "bld-001") -> PreparedLaunch:
    offer = Offer(
        market=Market.SPOT,
        region=EAST,
        availability_zone="us-east-1a",
        ec2_type="c7i.xlarge",
        ami="ami-1",
        price_usd_per_hour=0.1,
        max_price_usd_per_hour=0.2,
    )
    launch = Launch(instance_type="bld", name=name, subnet="subnet-1", offer=offer)
    return PreparedLaunch(launch=launch, token=f"token-{name}", request={"UserData": "secret"})


def plan(db: sa.Engine, *names: str, generation: int = 0) -> bool:
    """Journal one launch for each name."""
    prepared, run_id = [make_prepared(name) for name in names], make_run(db)
    with db.begin() as connection:
        return queries.write_plan(connection, prepared, generation=generation, run_id=run_id)


def make_run(db: sa.Engine) -> int:

    with db.begin() as connection:
        return insert_run(connection, command="c", verb="v", host="h", started_at=datetime.now(UTC))


def claim(db: sa.Engine, name: str = "bld-001") -> bool:
    with db.begin() as connection:
        return queries.claim_call(connection, f"token-{name}")


def renew(db: sa.Engine, token: str) -> None:
    with db.begin() as connection:
        queries.renew(connection, [token])


def close(db: sa.Engine, instance_id: str | None, error: str | None = None) -> None:
    with db.begin() as connection:
        queries.close_launch(connection, "token-bld-001", instance_id=instance_id, error=error)


def see(db: sa.Engine, *seen: Instance) -> None:
    with db.begin() as connection:
        instance_queries.write_sightings(connection, seen)


def expire(db: sa.Engine, *regions: str) -> int:
    with db.begin() as connection:
        return queries.expire(connection, regions=regions)


def age(db: sa.Engine, column: sa.Column[Any], seconds: float) -> None:
    """Move a time of all rows into the past, by the database's clock."""
    with db.begin() as connection:
        connection.execute(sa.update(column.table).values({column.name: db_now(-seconds)}))


def rows(db: sa.Engine, table: sa.Table) -> list[Any]:
    with db.connect() as connection:
        return list(connection.execute(sa.select(table).order_by(*table.primary_key.columns)))


def states(db: sa.Engine) -> list[str]:
    return [row.state for row in rows(db, launches)]


def open_names(db: sa.Engine) -> list[str]:
    with db.connect() as connection:
        return [item.name for item, recent in queries.read_open_launches(connection) if recent]


def known(db: sa.Engine) -> dict[str, tuple[Instance, bool]]:
    with db.connect() as connection:
        return instance_queries.read_known_instances(connection, FARM, 600)


def test_a_plan_is_written_once_for_a_generation(db: sa.Engine) -> None:
    assert plan(db, "bld-001", "bld-002")
    assert not plan(db, "bld-003")
    assert plan(db, "bld-003", generation=1)
    assert [(row.name, row.generation) for row in rows(db, launches)] == [
        ("bld-001", 1),
        ("bld-002", 1),
        ("bld-003", 2),
    ]
    with db.connect() as connection:
        assert queries.read_generation(connection) == 2


def test_the_generation_rises_also_where_nothing_could_be_prepared(db: sa.Engine) -> None:
    assert plan(db)
    assert not plan(db, "bld-001")
    assert states(db) == []


def test_the_journal_holds_a_digest_and_never_the_request(db: sa.Engine) -> None:
    plan(db, "bld-001")
    (row,) = rows(db, launches)
    assert row.request_sha256 == make_prepared().digest
    assert "secret" not in str(row)
    assert (row.state, row.ami, row.max_price_usd_per_hour) == ("planned", "ami-1", 0.2)


def test_a_call_is_claimed_once(db: sa.Engine) -> None:
    plan(db, "bld-001")
    assert claim(db)
    assert not claim(db)
    assert states(db) == ["called"]


def test_a_call_is_not_claimed_once_its_launch_is_too_old(db: sa.Engine) -> None:
    plan(db, "bld-001")
    age(db, launches.c.created_at, RENEWED_S)
    assert not claim(db)


def test_a_launch_that_its_run_does_not_renew_is_given_up_whatever_answered(db: sa.Engine) -> None:
    plan(db, "bld-001")
    age(db, launches.c.created_at, RENEWED_S - 5)
    assert (open_names(db), expire(db)) == (["bld-001"], 0)
    age(db, launches.c.created_at, RENEWED_S)
    assert (open_names(db), expire(db)) == ([], 1)
    (row,) = rows(db, launches)
    assert (row.state, row.error) == ("expired", "its run ended before the call")


def test_a_launch_is_renewed_while_it_waits_and_not_once_it_is_lost(db: sa.Engine) -> None:
    plan(db, "bld-001")
    (row,) = rows(db, launches)
    age(db, launches.c.created_at, RENEWED_S - 5)
    renew(db, row.token)
    assert claim(db)
    plan(db, "bld-002", generation=1)
    lost = rows(db, launches)[-1]
    age(db, launches.c.created_at, RENEWED_S)
    renew(db, lost.token)
    assert expire(db) == 1


def test_a_launch_with_an_instance_stays_open_until_it_is_seen(db: sa.Engine) -> None:
    plan(db, "bld-001")
    claim(db)
    close(db, "i-1")
    assert states(db) == ["launched"]
    assert open_names(db) == ["bld-001"]
    see(db, make_instance("bld-001", instance_id="i-1"))
    assert states(db) == ["seen"]
    assert open_names(db) == []


def test_a_launch_without_an_instance_frees_its_name_at_once(db: sa.Engine) -> None:
    plan(db, "bld-001")
    claim(db)
    close(db, None, "no capacity")
    (row,) = rows(db, launches)
    assert (row.state, row.error, row.closed_at is None) == ("failed", "no capacity", False)
    assert open_names(db) == []


def test_a_closed_launch_is_not_closed_again(db: sa.Engine) -> None:
    plan(db, "bld-001")
    see(db, make_instance("bld-001", instance_id="i-1"))
    close(db, None, "late")
    assert states(db) == ["seen"]


def test_an_unseen_launch_is_open_for_five_minutes_after_its_call(db: sa.Engine) -> None:
    plan(db, "bld-001")
    age(db, launches.c.created_at, RENEWED_S - 5)
    claim(db)
    age(db, launches.c.created_at, 3 * UNSEEN_S)
    age(db, launches.c.called_at, UNSEEN_S - 5)
    assert open_names(db) == ["bld-001"]
    assert expire(db, EAST) == 0
    age(db, launches.c.called_at, UNSEEN_S)
    assert open_names(db) == []
    assert expire(db, EAST) == 1
    assert expire(db, EAST) == 0
    assert states(db) == ["expired"]


def test_an_expired_launch_whose_instance_shows_up_is_seen_after_all(db: sa.Engine) -> None:
    plan(db, "bld-001")
    age(db, launches.c.created_at, UNSEEN_S)
    assert expire(db, EAST) == 1
    see(db, make_instance("bld-001", instance_id="i-1"))
    assert [(row.state, row.instance_id) for row in rows(db, launches)] == [("seen", "i-1")]


def test_an_instance_comes_back_as_it_was_seen(db: sa.Engine) -> None:
    seen = make_instance("bld-001", instance_id="i-1", farm=FARM, launched_at=datetime.now(UTC))
    see(db, seen)
    assert known(db) == {"i-1": (seen, True)}
    see(db, replace(seen, state="stopping"))
    assert known(db) == {"i-1": (replace(seen, state="stopping"), True)}


def test_an_instance_that_is_terminated_is_gone(db: sa.Engine) -> None:
    running = make_instance("bld-001", instance_id="i-1")
    see(db, running, make_instance("bld-002", instance_id="i-2", state="terminated"))
    assert set(known(db)) == {"i-1"}
    see(db, replace(running, state="terminated"))
    assert known(db) == {}


def test_an_instance_unseen_for_five_minutes_is_gone_where_its_region_answered(
    db: sa.Engine,
) -> None:
    see(db, make_instance("bld-001", instance_id="i-1"))
    assert known(db)["i-1"][1]
    age(db, instances.c.last_seen_at, UNSEEN_S)
    assert not known(db)["i-1"][1]
    expire(db, WEST)
    assert set(known(db)) == {"i-1"}
    expire(db, EAST, WEST)
    assert known(db) == {}


def test_a_connected_workers_instance_is_marked_and_strange_names_are_not(db: sa.Engine) -> None:
    see(db, *(make_instance(f"bld-{n:04}", instance_id=f"i-{n}") for n in range(1200)))
    with db.begin() as connection:
        instance_queries.write_connected(
            connection, ["hardware-1", *(f"bld-{n:04}" for n in range(700))], 600
        )
    found = known(db)
    marked = {key for key, (item, _) in found.items() if item.last_connected_at is not None}
    assert marked == {f"i-{n}" for n in range(700)}
    moment = found["i-1"][0].last_connected_at
    assert moment is not None
    assert abs(datetime.now(UTC) - moment) < timedelta(seconds=5)


def test_the_inventory_has_all_workers(db: sa.Engine) -> None:
    given: list[dict[str, object]] = [
        {"name": "b", "instance_type": "bld", "market": "spot", "enabled": True},
        {"name": "a", "instance_type": "bld", "market": None, "enabled": True},
        {"name": "B", "instance_type": "bld", "market": "on-demand", "enabled": True},
        {"name": "off", "instance_type": "bld", "market": "spot", "enabled": False},
        {"name": "none", "instance_type": None, "market": None, "enabled": True},
    ]
    with db.begin() as connection:
        connection.execute(workers.insert(), given)
        found = set(queries.read_inventory(connection))
    assert found == {
        InventoryWorker(name="b", instance_type="bld", market=Market.SPOT),
        InventoryWorker(name="a", instance_type="bld", market=None),
        InventoryWorker(name="B", instance_type="bld", market=Market.ON_DEMAND),
        InventoryWorker(name="off", instance_type="bld", market=Market.SPOT, enabled=False),
        InventoryWorker(name="none", instance_type=None, market=None),
    }


def test_a_worker_of_an_unknown_market_keeps_its_name_and_is_warned_of(
    db: sa.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    given = {"name": "w", "instance_type": "bld", "market": "ondemand"}
    with db.begin() as connection:
        connection.execute(workers.insert(), given)
        found = queries.read_inventory(connection)
    assert found == (InventoryWorker(name="w", instance_type="bld", market=None, enabled=False),)
    assert [item.message for item in caplog.records if item.name == queries.__name__] == [
        'worker w is left out: its market "ondemand" is none of spot, on-demand, NULL'
    ]


def test_sightings_written_from_all_sides_do_not_get_in_each_others_way(db: sa.Engine) -> None:
    barrier = Barrier(THREADS)
    machines = [make_instance(f"bld-{n:03}", instance_id=f"i-{n:03}") for n in range(200)]

    def write(number: int) -> None:
        engine, chance = make_engine(db.url, timeout_s=60), random.Random(number)
        for _ in range(ROUNDS):
            seen = [
                replace(machine, state=chance.choice(["pending", "running", "stopped"]))
                for machine in chance.sample(machines, 120)
            ]
            barrier.wait(60)
            with engine.begin() as connection:
                instance_queries.write_sightings(connection, seen)
                instance_queries.write_connected(
                    connection, [machine.name for machine in seen[:60]], 600
                )
                queries.expire(connection, regions=[EAST])
        engine.dispose()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(write, range(THREADS)))
    assert set(known(db)) == {machine.instance_id for machine in machines}
