"""A connection between two transactions: no needless round trip, and nothing left over."""

from typing import Any

import pytest
import sqlalchemy as sa

from farmhand.db import make_engine, parse_url
from tests.services import DatabaseServer

pytestmark = pytest.mark.integration
WHO = {"mysql": "SELECT CONNECTION_ID()", "postgresql": "SELECT pg_backend_pid()"}
END = {"mysql": "KILL {}", "postgresql": "SELECT pg_terminate_backend({}, 10000)"}
TRIPS = "SHOW SESSION STATUS WHERE variable_name IN ('Com_rollback', 'Com_admin_commands')"


def connect_to(server: DatabaseServer) -> sa.Engine:
    database = "mysql" if server.scheme == "mysql" else "postgres"
    return make_engine(parse_url(server.url(database), "test"), timeout_s=10)


def ask(engine: sa.Engine, statement: str) -> list[Any]:
    with engine.begin() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(statement)]


def test_a_connection_in_use_is_neither_pinged_nor_rolled_back(mariadb: DatabaseServer) -> None:
    engine = connect_to(mariadb)
    assert ask(engine, TRIPS) == ask(engine, TRIPS)
    engine.dispose()


@pytest.mark.fault("the database cut an idle connection", "it is replaced without an error")
def test_an_idle_connection_that_was_cut_is_replaced(server: DatabaseServer) -> None:
    engine = connect_to(server)

    @sa.event.listens_for(engine, "checkin")
    def _age(_: object, record: Any) -> None:
        record.info["used_at"] -= 60

    [(who,)] = ask(engine, WHO[server.scheme])
    server.execute(END[server.scheme].format(who))
    assert ask(engine, WHO[server.scheme]) != [(who,)]
    engine.dispose()


@pytest.mark.fault(
    "a transaction was left open on a connection",
    "it is rolled back before anybody else gets the connection",
)
def test_what_was_left_open_is_undone(server: DatabaseServer) -> None:
    engine = connect_to(server)
    server.execute("CREATE TABLE left_open (n INTEGER)")
    try:
        connection = engine.raw_connection()
        connection.cursor().execute("INSERT INTO left_open VALUES (1)")
        connection.close()
        assert ask(engine, "SELECT n FROM left_open") == []
    finally:
        server.execute("DROP TABLE left_open")
        engine.dispose()
