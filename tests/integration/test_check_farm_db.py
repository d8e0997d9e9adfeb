"""`check` opens the farm database as a run would, and says what is wrong with it."""

import pytest
import sqlalchemy as sa

from tests.farm import Farm

pytestmark = pytest.mark.integration


def codes(farm: Farm) -> tuple[int, list[tuple[str, str]]]:
    done = farm.run("check", "--json")
    return done.code, [(item["code"], item["message"]) for item in done.json["errors"]]


def test_a_default_farm_database_that_does_not_exist_yet_is_no_finding(farm: Farm) -> None:
    farm.forget_database()
    assert codes(farm) == (0, [])
    assert not (farm.directory / "state/farmhand.db").exists()


@pytest.mark.fault(
    "check, and the farm database is not right: {id}", "exit 2, an error farm_db that says why"
)
@pytest.mark.parametrize(
    ("statement", "message"),
    [
        pytest.param("DROP TABLE alembic_version", "has no tables yet", id="no tables"),
        pytest.param("UPDATE alembic_version SET version_num='0000'", "revision 0000", id="old"),
        pytest.param("UPDATE schema_info SET farm='other'", 'belongs to farm "other"', id="other"),
    ],
)
def test_a_farm_database_that_is_not_ours_is_an_error(
    farm: Farm, statement: str, message: str
) -> None:
    with farm.database.begin() as connection:
        connection.execute(sa.text(statement))
    exit_code, [(code, said)] = codes(farm)
    assert (exit_code, code) == (2, "farm_db")
    assert message in said


@pytest.mark.fault(
    "check, and the farm database is away", "exit 4, an error farm_db with its address"
)
def test_a_farm_database_that_does_not_answer_ends_in_4(farm: Farm) -> None:
    farm.settings["database"] = "mysql://farm@127.0.0.1:1/farm"
    exit_code, [(code, said)] = codes(farm)
    assert (exit_code, code) == (4, "farm_db")
    assert "127.0.0.1" in said


def test_a_type_without_workers_is_a_warning(farm: Farm) -> None:
    farm.watch["instance_types"]["bld-linux64"]["names"] = "workers"
    warnings = farm.run("check", "--json").json["warnings"]
    where = "instance_types.bld-linux64.names"
    assert (where, "no_workers") in [(item["where"], item["code"]) for item in warnings]
