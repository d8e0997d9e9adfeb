"""What watch-pending refuses before it starts anything: user data, and dollars per hour."""

import pytest

from tests.farm import BUILD, TRY, Farm

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        pytest.param("x" * 16385, "user data has 16385 bytes, EC2 takes 16384", id="too large"),
        pytest.param("{{ hostnam }}", "'hostnam' is undefined", id="undefined variable"),
    ],
)
def test_user_data_that_can_t_be_is_refused_before_anything_starts(
    farm: Farm, template: str, reason: str
) -> None:
    (farm.directory / "bad.j2").write_text(template)
    farm.watch["instance_types"]["try-linux64"]["user_data"] = "bad.j2"
    farm.add_pending(TRY)
    farm.add_pending(BUILD)
    done = farm.run()
    assert (done.code, farm.names()) == (3, ["bld-linux64-001"])
    assert f"{farm.directory}/bad.j2" in done.err
    assert reason in done.err
    assert [row["name"] for row in farm.rows("SELECT name FROM launches")] == farm.names()


def test_a_plan_of_which_nothing_can_be_begun_leaves_the_rest_of_the_run_alone(farm: Farm) -> None:
    (farm.directory / "bad.j2").write_text("{{ hostnam }}")
    farm.watch["instance_types"]["try-linux64"]["user_data"] = "bad.j2"
    farm.watch["max_launches_per_run"] = 1
    farm.add_pending(TRY, priority=1)  # first, so that it is all of the first plan
    farm.add_pending(BUILD)
    assert (farm.run().code, farm.names()) == (3, ["bld-linux64-001"])


def test_no_more_is_launched_than_dollars_per_hour_allow(farm: Farm) -> None:
    farm.watch["max_usd_per_hour"] = 0.12
    farm.add_pending(count=3)
    done = farm.run("--json")
    assert (done.code, len(farm.names())) == (0, 2)
    cut = done.json["demands"][0]["cuts"][0]
    assert (cut["by"], cut["from"], cut["to"]) == ("max_usd_per_hour", 3, 2)


def test_a_cap_in_dollars_with_an_unknown_price_launches_nothing_and_says_so(farm: Farm) -> None:
    farm.watch["max_usd_per_hour"] = 100
    farm.watch["spot"] = {}
    farm.watch["on_demand"]["limits"]["global"]["bld-linux64"] = 5
    farm.add_pending()
    done = farm.run("--json")
    assert (done.code, farm.names()) == (0, [])
    assert "no usd_per_hour for c7i.xlarge" in str(done.json["demands"][0]["cuts"])
