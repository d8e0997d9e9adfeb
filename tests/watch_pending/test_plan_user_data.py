"""Plans say why nothing could be had at all: user data, rules, priorities."""

from tests.builders import (
    EAST,
    REGIONS,
    WEST,
    make_config,
    make_on_demand,
    make_pending,
    make_snapshot,
)
from tests.plans import make_plan, only, plan_for
from watch_pending.config_machines import Spot
from watch_pending.models import Cut, Exhausted

BAD = Exhausted(reason="bld.j2:3: 'hostnam' is undefined", instance_type="bld")


def test_user_data_that_cannot_be_rendered_is_one_cut_and_no_offer_is_tried() -> None:
    plan = only(plan_for(5, {"exhausted": (BAD,)}, on_demand=make_on_demand()))
    assert plan.cuts == (Cut(by="user_data", before=5, after=0, reason=BAD.reason),)
    assert (plan.launches, plan.rejected) == ((), ())


def test_what_was_learned_of_a_type_in_one_region_leaves_the_other() -> None:
    here = Exhausted(reason="refused", instance_type="bld", region=EAST)
    plan = only(plan_for(5, {"exhausted": (here,)}))
    assert {launch.offer.region for launch in plan.launches} == {WEST}


def test_another_types_user_data_stops_nothing() -> None:
    other = Exhausted(reason="bad", instance_type="try")
    assert only(plan_for(5, {"exhausted": (other,)})).unmet == 0


def test_on_demand_names_the_regions_whose_priority_is_0() -> None:
    config = make_config(
        spot=Spot(), on_demand=make_on_demand(), region_priorities=dict.fromkeys(REGIONS, 0)
    )
    cut = only(make_plan(make_snapshot(make_pending()), config)).cuts[-1]
    reason = "the priority of us-east-1 is 0; the priority of us-west-2 is 0"
    assert cut == Cut(by="on_demand.offers", before=1, after=0, reason=reason)
