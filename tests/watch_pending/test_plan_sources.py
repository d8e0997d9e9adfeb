"""Plans while a source does not tell: what is held back, and what goes on."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import (
    NOW,
    make_config,
    make_instance,
    make_instance_type,
    make_inventory,
    make_open_launch,
    make_pending,
    make_snapshot,
    make_workers,
)
from tests.plans import cuts, make_plan, names, reasons
from tests.worlds import BUILDERS, World, worlds
from watch_pending.buildermap import compile_buildermap
from watch_pending.config_machines import FROM_INVENTORY
from watch_pending.demand import group_demands, needed_machines
from watch_pending.models import PendingRequests, Plan, Snapshot
from watch_pending.source_models import Jacuzzis, Sources

KNOWN = Jacuzzis.of({"Linux a": ("bld-001",)})


def seen(jacuzzis: Jacuzzis, *pending: PendingRequests, **changes: object) -> Snapshot:
    return make_snapshot(*pending, sources=Sources(jacuzzis=jacuzzis), **changes)


def plan(jacuzzis: Jacuzzis, *pending: PendingRequests) -> Plan:
    return make_plan(seen(jacuzzis, *pending))


def test_an_unknown_jacuzzi_launches_nothing_and_is_last() -> None:
    jacuzzis = replace(KNOWN, unknown={"Linux b": "away"})
    pending = (make_pending("Linux b", priority=9), make_pending("Linux c"))
    planned = plan(jacuzzis, *pending)
    assert names(planned) == ["bld-002"]
    assert [item.demand.builders for item in planned.demands] == [("Linux c",), ("Linux b",)]
    assert (cuts(planned), reasons(planned)) == ({"jacuzzis": (1, 0)}, ["away"])


def test_while_it_is_unknown_who_is_allocated_only_jacuzzis_are_served() -> None:
    jacuzzis = replace(KNOWN, allocated_unknown="away")
    planned = plan(jacuzzis, make_pending("Linux a"), make_pending("Linux b"))
    assert names(planned) == ["bld-001"]
    assert reasons(planned) == ["away"]


def test_different_reasons_are_one_demand() -> None:
    jacuzzis = Jacuzzis(unknown={"Linux a": "2", "Linux b": "1"})
    planned = plan(jacuzzis, make_pending("Linux a", 2), make_pending("Linux b"))
    assert (cuts(planned), reasons(planned)) == ({"jacuzzis": (3, 0)}, ["1; and 1 more"])


def test_who_is_held_takes_no_machine_from_another() -> None:
    jacuzzis = Jacuzzis(unknown={"Linux a": "away"})
    pending = (make_pending("Linux a", priority=9), make_pending("Linux b"))
    snapshot = seen(
        jacuzzis, *pending, instances=(make_instance(),), workers=make_workers("bld-001")
    )
    assert [item.need for item in make_plan(snapshot).demands] == [0, 1]


@given(worlds(), st.frozensets(st.sampled_from(BUILDERS)), st.booleans())
def test_whatever_is_unknown_only_those_it_concerns_are_held(
    world: World, unknown: frozenset[str], nobody_knows: bool
) -> None:
    known = {b: names for b, names in world.config.jacuzzis.items() if b not in unknown}
    jacuzzis = replace(
        Jacuzzis.of(known),
        unknown=dict.fromkeys(unknown, "away"),
        allocated_unknown="away" if nobody_knows else "",
    )
    snapshot = replace(world.snapshot, sources=Sources(jacuzzis=jacuzzis))
    for item in make_plan(snapshot, replace(world.config, jacuzzis={})).demands:
        builders = set(item.demand.builders)
        held = bool(builders & unknown) or (nobody_knows and not builders & known.keys())
        assert bool(item.demand.held) is held
        assert not (held and item.launches)
        assert not held or item.need == 0 or [cut.by for cut in item.cuts] == ["jacuzzis"]


def test_any_machine_may_be_what_a_held_job_needs() -> None:
    jacuzzis = replace(KNOWN, unknown={"Linux b": "away"})
    snapshot = seen(
        jacuzzis,
        make_pending("Linux b"),
        instances=(make_instance(),),
        workers=make_workers("bld-001"),
    )
    demands, _ = group_demands(
        snapshot.pending, compile_buildermap({"Linux": "bld"}), snapshot.sources.jacuzzis
    )
    assert needed_machines(demands, snapshot, make_config(), NOW) == {"bld-001"}


def test_an_unknown_inventory_holds_types_that_are_named_after_workers() -> None:
    snapshot = make_snapshot(make_pending(), sources=Sources(inventory_unknown="away"))
    named = make_config(instance_types={"bld": make_instance_type(FROM_INVENTORY)})
    assert cuts(make_plan(snapshot, named)) == {"inventory": (1, 0)}
    assert names(make_plan(snapshot)) == ["bld-001"]


def test_a_name_in_use_is_not_given_whatever_the_inventory_says() -> None:
    snapshot = make_snapshot(
        make_pending(requests=3),
        inventory=make_inventory("b-1", "b-2", "b-3"),
        open_launches=(make_open_launch("b-1", instance_type="try"),),
        instances=(make_instance("b-2", farm="other"),),
    )
    named = make_config(instance_types={"bld": make_instance_type(FROM_INVENTORY)})
    assert names(make_plan(snapshot, named)) == ["b-3"]
