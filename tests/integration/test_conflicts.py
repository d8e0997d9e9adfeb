"""Two transactions that lock each other out, on real servers: both get done in the end."""

import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from farmhand.conflicts import TRIES, is_conflict, retried
from farmhand.tables.farm import tac_templates
from tests.allocators import make_places_database

pytestmark = pytest.mark.integration


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = make_places_database(database_url)
    with engine.begin() as connection:
        rows = [{"name": name, "template": ""} for name in ("first", "second")]
        connection.execute(tac_templates.insert(), rows)
    yield engine
    engine.dispose()


def take(connection: sa.Connection, name: str, owner: str) -> None:
    columns = tac_templates.c
    connection.execute(
        tac_templates.update().where(columns.name == name).values(template=columns.template + owner)
    )


def owners(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        columns = tac_templates.c
        taken = sa.select(columns.template).where(columns.name.in_(["first", "second"]))
        return sorted(connection.scalars(taken))


@pytest.mark.fault(
    "two transactions deadlock", "the one that the database gave up is tried again; both are done"
)
@pytest.mark.parametrize("kind", ["mariadb", "postgresql"], indirect=True)
def test_a_deadlock_s_loser_tries_again(engine: sa.Engine) -> None:
    both_hold_one = threading.Barrier(2)
    tries: list[str] = []

    @retried
    def work(owner: str, *names: str) -> None:
        tries.append(owner)
        with engine.begin() as connection:
            take(connection, names[0], owner)
            if tries.count(owner) == 1:
                both_hold_one.wait(30)
            take(connection, names[1], owner)

    other = threading.Thread(target=work, args=("b", "second", "first"))
    other.start()
    work("a", "first", "second")
    other.join(60)
    assert len(tries) == 3
    assert {frozenset(each) for each in owners(engine)} == {frozenset("ab")}


@pytest.mark.fault(
    "SQLite stays busy", "the transaction is tried a few times, then the error is told"
)
@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_sqlite_that_stays_busy_is_tried_a_few_times(engine: sa.Engine, database_url: str) -> None:
    tries: list[int] = []
    impatient = sa.create_engine(database_url, connect_args={"timeout": 0})

    @retried
    def work() -> None:
        tries.append(1)
        with impatient.begin() as connection:
            take(connection, "first", "b")

    with engine.begin() as holder:
        take(holder, "first", "a")
        with pytest.raises(sa.exc.OperationalError) as err:
            work()
    impatient.dispose()
    assert len(tries) == TRIES
    assert is_conflict(err.value)


@pytest.mark.fault("a statement fails for another reason than a conflict", "it is tried once")
def test_another_failure_is_not_tried_again(engine: sa.Engine) -> None:
    tries: list[int] = []

    @retried
    def work() -> None:
        tries.append(1)
        with engine.begin() as connection:
            connection.exec_driver_sql("SELECT * FROM nowhere")

    with pytest.raises(sa.exc.DBAPIError):
        work()
    assert len(tries) == 1
