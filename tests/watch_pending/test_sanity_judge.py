"""What sanity finds: one row a class, and beside it the near miss that is none."""

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import (
    EAST,
    MINUTE,
    NOW,
    WEST,
    make_activity,
    make_config,
    make_instance,
    make_inventory,
    make_on_demand,
    make_open_launch,
    make_spot,
    make_workload,
)
from tests.fleets import (
    DAY,
    DAY_S,
    find,
    kinds,
    make_fleet,
    make_paused,
    make_stuck,
    make_volume,
    nobody,
    remembering,
)
from tests.refusals import make_backoff
from watch_pending.aws_errors import Meaning
from watch_pending.config_machines import Market
from watch_pending.config_sanity import Sanity
from watch_pending.config_stops import StopIdle
from watch_pending.sanity.judge import judge_all, was_decided
from watch_pending.sanity.models import Kind, Sight

HERE = f"{EAST}/i-bld-001"


def machine(sight: dict[str, Any] | None = None, **instance: Any) -> Sight:
    """A fleet of one machine."""
    return make_fleet(make_instance(**instance), **sight or {})


def stopped(*, ago: Any = None, found_s: float | None = None, **more: Any) -> Sight:
    memory = {} if found_s is None else remembering(Kind.LONG_STOPPED, HERE, found_s)
    return machine(
        {"memory": memory}, state="stopped", stopped_at=ago and NOW - ago, age=9 * DAY, **more
    )


def orphan(found_s: float | None = 600.0, *, workload: Any = None, **instance: Any) -> Sight:
    name = instance.pop("name", "strange")
    memory = {} if found_s is None else remembering(Kind.ORPHAN, f"{EAST}/i-{name}", found_s)
    return machine({"memory": memory, "workload": workload or nobody()}, name=name, **instance)


def paused(found_s: float, *, reason: str = "", **changes: Any) -> Sight:
    memory = remembering(Kind.PAUSED, "bld-001", found_s)
    load = make_workload(make_paused(reason=reason))
    return machine({"memory": memory, "workload": load, **changes})


def paused_name(activity: Any = None, **changes: Any) -> Sight:
    return make_fleet(workload=make_workload(activity or make_paused()), **changes)


ON_ITS_WAY = {"stopping": {"i-bld-001": "bld-001"}}
WRONG: dict[str, tuple[Kind, Sight]] = {
    "a type nobody has configured": (Kind.UNKNOWN_TYPE, machine(instance_type="bdl")),
    "no type": (Kind.UNKNOWN_TYPE, machine(instance_type="")),
    "a state nobody knows": (Kind.UNKNOWN_STATE, machine(moz_state="raedy")),
    "no state": (Kind.UNKNOWN_STATE, machine(moz_state="")),
    "stopped for two days": (Kind.LONG_STOPPED, stopped(ago=2 * DAY)),
    "found stopped two days ago": (Kind.LONG_STOPPED, stopped(found_s=2 * DAY_S)),
    "up for two days": (Kind.LONG_RUNNING, machine(age=2 * DAY)),
    "loaned": (Kind.LOANED, machine(loaned_to="joe")),
    "an orphan seen twice": (Kind.ORPHAN, orphan()),
    "without a name, seen twice": (Kind.ORPHAN, orphan(name="")),
    "no launch on record": (Kind.NO_JOURNAL, machine({"journal": frozenset()})),
    "an instance that is gone": (Kind.NO_INSTANCE, make_fleet(missing=(make_instance(),))),
    "a launch never shown": (Kind.NO_INSTANCE, make_fleet(missing=(make_open_launch(),))),
    "a volume on its own": (Kind.UNATTACHED_VOLUME, make_fleet(volumes=(make_volume(),))),
    "impaired": (Kind.IMPAIRED, machine({"impaired": {"i-bld-001": "system check"}})),
    "two of a name": (
        Kind.NAME_TWICE,
        make_fleet(make_instance(), make_instance(instance_id="i-2", region=WEST)),
    ),
    "paused for two days": (Kind.PAUSED, paused(2 * DAY_S)),
    "a paused name": (Kind.PAUSED_NAME, paused_name()),
    "a stop that is stuck": (Kind.STUCK_STOP, make_fleet(stuck=(make_stuck(),))),
    "bad settings": (
        Kind.BAD_SETTINGS,
        make_fleet(bad_settings=(make_backoff(Meaning.BAD_SETTINGS),)),
    ),
    "on demand where none may be": (Kind.LIMIT_EXCEEDED, machine(market=Market.ON_DEMAND)),
}
RIGHT: dict[str, tuple[Kind, Sight]] = {
    "another farm's type": (Kind.UNKNOWN_TYPE, machine(instance_type="x", farm="staging")),
    "nobody's type": (Kind.UNKNOWN_TYPE, machine(instance_type="x", farm=None)),
    "terminated": (Kind.UNKNOWN_TYPE, machine(instance_type="x", state="terminated")),
    "disabled with a reason": (Kind.UNKNOWN_STATE, machine(moz_state="disabled: bug 1")),
    "stopped for a day": (Kind.LONG_STOPPED, stopped(ago=DAY)),
    "first found stopped": (Kind.LONG_STOPPED, stopped()),
    "stopped and loaned": (Kind.LONG_STOPPED, stopped(ago=2 * DAY, loaned_to="joe")),
    "another farm's, stopped": (Kind.LONG_STOPPED, stopped(ago=2 * DAY, farm="staging")),
    "up for a day": (Kind.LONG_RUNNING, machine(age=DAY)),
    "up for long and loaned": (Kind.LONG_RUNNING, machine(age=2 * DAY, loaned_to="joe")),
    "another farm's loan": (Kind.LOANED, machine(loaned_to="joe", farm="staging")),
    "an orphan seen once": (Kind.ORPHAN, orphan(None)),
    "an orphan seen twice in a row": (Kind.ORPHAN, orphan(599)),
    "an orphan that boots": (Kind.ORPHAN, orphan(age=MINUTE)),
    "another farm's orphan": (Kind.ORPHAN, orphan(farm="staging")),
    "a name of a pattern": (Kind.ORPHAN, orphan(name="bld-9999")),
    "a name Buildbot knows": (
        Kind.ORPHAN,
        orphan(workload=make_workload(make_activity("strange", connected=False))),
    ),
    "a Buildbot that can't tell": (Kind.ORPHAN, orphan(workload=make_workload(workers=None))),
    "on record by its id": (
        Kind.NO_JOURNAL,
        machine({"journal": frozenset({"i-bld-001"})}, token=None),
    ),
    "older than the journal": (
        Kind.NO_JOURNAL,
        machine({"journal": frozenset()}, age=91 * DAY),
    ),
    "an attached volume": (
        Kind.UNATTACHED_VOLUME,
        make_fleet(volumes=(make_volume(state="in-use"),)),
    ),
    "another farm's volume": (
        Kind.UNATTACHED_VOLUME,
        make_fleet(volumes=(make_volume(farm="staging"),)),
    ),
    "another farm's impaired": (
        Kind.IMPAIRED,
        machine({"impaired": {"i-bld-001": "system check"}}, farm="staging"),
    ),
    "two of a name, one gone": (
        Kind.NAME_TWICE,
        make_fleet(make_instance(), make_instance(instance_id="i-2", state="terminated")),
    ),
    "two of a name, one another farm's": (
        Kind.NAME_TWICE,
        make_fleet(make_instance(), make_instance(instance_id="i-2", farm="staging")),
    ),
    "paused for a day": (Kind.PAUSED, paused(DAY_S)),
    "paused on its way out": (Kind.PAUSED, paused(2 * DAY_S, snapshot=ON_ITS_WAY)),
    "another's worker, paused": (Kind.PAUSED_NAME, paused_name(make_paused("their-worker"))),
    "hardware, paused": (
        Kind.PAUSED_NAME,
        paused_name(snapshot={"inventory": make_inventory("bld-001", market=None)}),
    ),
    "a paused name on its way out": (Kind.PAUSED_NAME, paused_name(snapshot=ON_ITS_WAY)),
    "a paused name of a launch": (
        Kind.PAUSED_NAME,
        paused_name(snapshot={"open_launches": (make_open_launch(),)}),
    ),
    "a paused name in a region unseen": (
        Kind.PAUSED_NAME,
        paused_name(listed=frozenset({EAST}), lost={WEST: "no answer"}),
    ),
    "spot within its limit": (Kind.LIMIT_EXCEEDED, machine()),
    "a type no limit knows": (
        Kind.LIMIT_EXCEEDED,
        machine(market=Market.ON_DEMAND, instance_type="x"),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_found(name: str) -> None:
    kind, sight = WRONG[name]
    assert kind in kinds(sight)


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_nearly_wrong_is_not_found(name: str) -> None:
    kind, sight = RIGHT[name]
    assert kind not in kinds(sight)


def test_every_class_has_its_rows() -> None:
    assert {kind for kind, _ in WRONG.values()} == set(Kind)
    no_miss = {Kind.NO_INSTANCE, Kind.STUCK_STOP, Kind.BAD_SETTINGS}  # found in SQL
    assert {kind for kind, _ in RIGHT.values()} == set(Kind) - no_miss


def test_nothing_is_wrong_with_a_farm_that_works() -> None:
    assert judge_all(make_fleet(make_instance()), make_config()) == ()


# Limits


@pytest.mark.parametrize(
    ("config", "subjects"),
    [
        ({"spot": make_spot(2)}, []),
        ({"spot": make_spot(1)}, ["spot.limits.global.bld", "spot.limits.us-east-1.bld"]),
        ({"spot": make_spot(9, us_east_1=1)}, ["spot.limits.us-east-1.bld"]),
        ({"spot": make_spot(), "max_usd_per_hour": 0.3}, []),
        ({"spot": make_spot(), "max_usd_per_hour": 0.29}, ["max_usd_per_hour"]),
    ],
)
def test_a_limit_is_found_when_it_is_passed(config: dict[str, Any], subjects: list[str]) -> None:
    paid = {"token-bld-001": 0.1, "token-bld-002": 0.2}
    sight = make_fleet(make_instance("bld-001"), make_instance("bld-002"), paid=paid)
    assert [each.subject for each in find(sight, make_config(**config))] == subjects


def test_launches_not_seen_yet_count_for_limits() -> None:
    sight = make_fleet(snapshot={"open_launches": (make_open_launch(),)})
    assert kinds(sight, make_config(spot=make_spot(0))) == {Kind.LIMIT_EXCEEDED}


@pytest.mark.parametrize(("regions", "found"), [({}, 0), ({"us_east_1": 0}, 1)], ids=["no", "yes"])
def test_an_absent_regional_limit_on_demand_is_none(regions: dict[str, int], found: int) -> None:
    sight = machine(market=Market.ON_DEMAND)
    assert len(find(sight, make_config(on_demand=make_on_demand(5, **regions)))) == found


# Thresholds, ages and dollars


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({}, True),
        ({"sanity": Sanity(running_s={"bld": 3 * DAY_S})}, False),
        ({"stop_idle": StopIdle(max_age_s={"bld": 3 * DAY_S})}, False),
        ({"stop_idle": StopIdle(max_age_s={"bld": 3600})}, True),
    ],
)
def test_how_long_a_machine_may_run(config: dict[str, Any], found: bool) -> None:
    assert (Kind.LONG_RUNNING in kinds(machine(age=2 * DAY), make_config(**config))) is found


def test_ages_are_ec2s_or_else_since_it_was_first_found() -> None:
    stopped_at = find(stopped(ago=2 * DAY))[-1]
    remembered = find(stopped(found_s=3 * DAY_S))[-1]
    memory = remembering(Kind.LOANED, HERE, 77.0)
    [loaned] = find(machine({"memory": memory}, loaned_to="joe"))
    assert (stopped_at.age_s, remembered.age_s, loaned.age_s) == (2 * DAY_S, 3 * DAY_S, 77.0)


def test_a_stopped_machine_costs_its_volumes_and_one_that_is_up_its_price() -> None:
    attached = make_volume(state="in-use", instance_ids=("i-bld-001",))
    other = make_volume("vol-2", state="in-use", instance_ids=("i-other",))
    sight = replace(stopped(ago=2 * DAY), volumes=(attached, other))
    config = make_config(sanity=Sanity(volume_usd_per_gib_month=0.1))
    assert [each.usd_per_month for each in find(sight, config)] == [10.0]
    up = machine({"paid": {"token-bld-001": 0.5}}, loaned_to="joe")
    assert [each.usd_per_month for each in find(up)] == [365.0]


# What is forgotten


@pytest.mark.parametrize(
    ("kind", "subject", "changes", "decided"),
    [
        (Kind.LOANED, HERE, {}, True),
        (Kind.LOANED, HERE, {"listed": frozenset({WEST})}, False),
        (Kind.UNATTACHED_VOLUME, f"{EAST}/vol-1", {"measured": frozenset({WEST})}, False),
        (Kind.IMPAIRED, HERE, {"checked": frozenset({WEST})}, False),
        (Kind.ORPHAN, HERE, {"workload": None}, False),
        (Kind.PAUSED, "bld-001", {"workload": None}, False),
        (Kind.PAUSED, "bld-001", {"listed": frozenset(), "lost": {EAST: "no"}}, True),
        (Kind.NAME_TWICE, "bld-001", {"listed": frozenset(), "lost": {WEST: "no"}}, False),
        (Kind.NAME_TWICE, "bld-001", {}, True),
        (Kind.STUCK_STOP, HERE, {"listed": frozenset()}, True),
    ],
)
def test_what_was_not_looked_at_is_not_forgotten(
    kind: Kind, subject: str, changes: dict[str, Any], decided: bool
) -> None:
    assert was_decided((kind.value, subject), make_fleet(**changes)) is decided


def test_what_another_release_has_found_is_not_forgotten() -> None:
    assert not was_decided(("ghost", HERE), make_fleet())
