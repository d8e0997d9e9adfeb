"""What `check` finds in a configuration and in what was read."""

from typing import Any

import pytest

from farmhand.findings import Finding
from tests.builders import (
    EAST,
    WEST,
    make_config,
    make_instance_type,
    make_inventory,
    make_on_demand,
    make_rule,
    make_spot,
)
from watch_pending.check.judge import (
    check_launchable,
    check_limits,
    check_workers,
    longest_name,
)
from watch_pending.config_machines import FROM_INVENTORY, Market, Spot

WORKERS = make_config(instance_types={"bld": make_instance_type(FROM_INVENTORY)})


def launchable(**changes: Any) -> list[str]:
    return [item.message for item in check_launchable(make_config(**changes))]


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        pytest.param({"spot": Spot()}, "bld has no spot rule; on demand", id="no rule"),
        pytest.param({"spot": make_spot(0)}, "spot: its global limit is 0", id="spot limit 0"),
        pytest.param(
            {"spot": make_spot(us_east_1=0, us_west_2=0)},
            "spot: its limit is 0 or absent in all its regions",
            id="spot limits of the regions",
        ),
        pytest.param(
            {"spot": Spot()}, "on demand: its global limit is 0 or absent", id="no on-demand limit"
        ),
        pytest.param(
            {"spot": Spot(), "on_demand": make_on_demand(0)},
            "on demand: its global limit is 0",
            id="on-demand limit 0",
        ),
        pytest.param(
            {
                "spot": Spot(),
                "on_demand": make_on_demand(),
                "instance_types": {"bld": make_instance_type(regions=())},
            },
            "none of its regions names an ec2_type",
            id="no region",
        ),
        pytest.param(
            {
                "spot": Spot(),
                "on_demand": make_on_demand(),
                "region_priorities": {EAST: 0, WEST: 0},
            },
            "the priority of all its regions with an ec2_type is 0",
            id="priorities 0",
        ),
        pytest.param(
            {"spot": Spot(), "on_demand": make_on_demand(us_east_1=0, us_west_2=0)},
            "on demand: its limit is 0 in all its regions",
            id="on-demand limits of the regions",
        ),
        pytest.param(
            {"instance_types": {"bld": make_instance_type({Market.ON_DEMAND: "bld-%d"})}},
            "spot: there is no name pattern for it",
            id="no names",
        ),
    ],
)
def test_a_mapped_type_that_nothing_can_launch_is_found(
    changes: dict[str, Any], missing: str
) -> None:
    [message] = launchable(**changes)
    assert missing in message


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="spot"),
        pytest.param({"spot": Spot(), "on_demand": make_on_demand()}, id="on demand"),
        pytest.param({"spot": Spot(), "buildermap": {"Linux": "other"}}, id="not mapped"),
    ],
)
def test_what_can_be_launched_or_is_not_mapped_is_no_finding(changes: dict[str, Any]) -> None:
    assert launchable(**changes) == []


def test_a_type_named_after_workers_of_which_none_is_enabled_is_found() -> None:
    others = make_inventory("try-1", instance_type="try") + make_inventory("bld-9", market=None)
    [finding] = check_workers(WORKERS, others)
    assert (finding.code, finding.where) == ("no_workers", "instance_types.bld.names")
    assert list(check_workers(WORKERS, make_inventory("bld-1"))) == []


def sums(spot: Spot) -> list[Finding]:
    found = check_limits(make_config(spot=spot, on_demand=make_on_demand(us_east_1=1)))
    return [item for item in found if item.code == "regional_sum"]


def test_an_absent_spot_limit_of_a_region_counts_as_0_in_their_sum() -> None:
    limits = {"global": {"bld": 9}, EAST: {"bld": 4}}
    [finding] = sums(Spot(rules={"bld": (make_rule(),)}, limits=limits))
    assert finding.message == "bld: 9 can't be reached, its regions sum to 4"
    assert sums(make_spot(9)) == []


def test_the_longest_name_is_the_patterns_or_a_workers() -> None:
    inventory = make_inventory("bld-1", "bld-long") + make_inventory("x" * 20, instance_type="try")
    assert longest_name("bld", Market.SPOT, make_config(), inventory) == "bld-1000"
    assert longest_name("bld", Market.SPOT, WORKERS, inventory) == "bld-long"
    assert longest_name("bld", Market.ON_DEMAND, WORKERS, inventory) is None
