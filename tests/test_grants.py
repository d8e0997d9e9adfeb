"""The grants of the manual, compared with what the queries in the sources change."""

import pytest
import sqlalchemy as sa

from farmhand.tables import builds, farm, launches, records
from tests.grants import WRITES, find_writes, read_grants, read_statements

# `check_farm` in farmhand.db gives a database its farm's name; no queries.py has that.
NAMED = {"schema_info": {"UPDATE"}}
TABLES = {
    table.name: table
    for module in (builds, farm, launches, records)
    for table in vars(module).values()
    if isinstance(table, sa.Table)
}
USERS = {
    "farm_watch": ("watch_pending", "farmhand"),
    "farm_scanner": ("scanner", "farmhand"),
}
READERS = {"farm_reader": (), "farm_backup": ("runs",), "farm_scans": ()}


@pytest.mark.parametrize("user", USERS)
def test_a_user_may_write_what_its_commands_write_and_nothing_else(user: str) -> None:
    granted = {
        table: verbs & WRITES
        for table, verbs in read_grants("mysql", user).items()
        if verbs & WRITES
    }
    written = {k: v for k, v in find_writes(*USERS[user]).items() if k in TABLES}
    assert granted == {**written, **NAMED}


@pytest.mark.parametrize("user", READERS)
def test_who_reads_may_write_nothing_but_that_it_ran(user: str) -> None:
    grants = read_grants("mysql", user).items()
    assert [table for table, verbs in grants if verbs & WRITES] == [*READERS[user]]


@pytest.mark.parametrize("user", read_statements("mysql"))
def test_both_kinds_of_server_grant_the_same(user: str) -> None:
    if user in {"farm_owner", "farm_demand"}:
        return
    tables = {k: v for k, v in read_grants("postgresql", user).items() if v != {"USAGE"}}
    assert tables == read_grants("mysql", user)
    assert tables.keys() <= {*TABLES, "alembic_version"}


def test_on_postgresql_who_inserts_may_use_the_sequence() -> None:
    for user in read_statements("postgresql"):
        if user in {"farm_owner", "farm_demand"}:
            continue
        grants = read_grants("postgresql", user)
        numbered = {
            f"{table}_id_seq"
            for table, verbs in grants.items()
            if "INSERT" in verbs
            and TABLES[table].c.get("id") is not None
            and TABLES[table].c.id.autoincrement is True
        }
        assert {name for name, verbs in grants.items() if verbs == {"USAGE"}} == numbered, user
