"""A night of bad days: no promise is broken while it lasts, and in the morning all is in order."""

import random

import pytest

from tests.farm import Farm
from tests.journal import launches, read, shared_database
from tests.night import Night, settle

pytestmark = pytest.mark.integration
LONG = [pytest.mark.soak, pytest.mark.timeout(3600)]


@pytest.mark.parametrize(
    ("kind", "seed", "rounds"),
    [
        ("sqlite", 1, 6),
        *(pytest.param("sqlite", seed, 150, marks=LONG) for seed in (2, 3)),
        *(pytest.param("mariadb", seed, 150, marks=LONG) for seed in (4, 5)),
    ],
)
def test_after_a_night_of_bad_days_the_farm_is_in_order(
    farm: Farm, kind: str, seed: int, rounds: int, request: pytest.FixtureRequest
) -> None:
    settle(farm)
    with shared_database(kind, farm, request) as engine:
        night = Night(farm=farm, engine=engine, dice=random.Random(seed))
        for _ in range(rounds):
            night.fall()  # and checks, each time, what must always hold
        night.dawn()
        assert night.unknown() == {}
        ended = {row["state"] for row in read(engine, launches)}
        assert ended <= {"seen", "failed", "expired"}
        morning = farm.run("--dry-run", "--json").json
        assert [each for each in morning["demands"] if each["unmet"] and not each["cuts"]] == []
