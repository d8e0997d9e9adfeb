"""One plan after another in the same run: what was learned, and the sum of it all; pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from watch_pending.backoffs import without_disproved
from watch_pending.models import Cut, DemandPlan, OpenLaunch, Outcome, Plan, Snapshot, Status


def with_outcomes(snapshot: Snapshot, outcomes: Iterable[Outcome]) -> Snapshot:
    """Add to a snapshot what launching has shown, so that it can be planned on again.

    A machine that was launched, or may have been, counts as in flight from now on. One that was
    launched disproves the back-offs that it was let through.
    """
    outcomes = tuple(outcomes)
    started = [item for item in outcomes if item.status in {Status.LAUNCHED, Status.UNKNOWN}]
    launched = [item.launch for item in outcomes if item.status is Status.LAUNCHED]
    learned = [item.exhausted for item in outcomes if item.exhausted is not None]
    return replace(
        snapshot,
        open_launches=(*snapshot.open_launches, *(_open_launch(item) for item in started)),
        exhausted=(*snapshot.exhausted, *dict.fromkeys(learned)),
        backoffs=without_disproved(snapshot.backoffs, launched),
        launched_this_run=snapshot.launched_this_run + len(started),
    )


def _open_launch(outcome: Outcome) -> OpenLaunch:
    launch = outcome.launch
    return OpenLaunch(
        token=outcome.token,
        name=launch.name,
        instance_type=launch.instance_type,
        market=launch.offer.market,
        region=launch.offer.region,
        availability_zone=launch.offer.availability_zone,
        subnet=launch.subnet,
        ec2_type=launch.offer.ec2_type,
        ami=launch.offer.ami,
    )


def settle(plans: Sequence[Plan], outcomes: Iterable[Outcome]) -> Plan:
    """Sum up the plans of one run, each made after the one before was applied.

    Its launches are those that happened, or may have; its cuts are the first plan's and those that
    are left at the end.
    """
    started = {item.launch for item in outcomes if item.status in {Status.LAUNCHED, Status.UNKNOWN}}
    demands = []
    for waves in zip(*(plan.demands for plan in plans), strict=True):
        # One that failed may have been planned again just as it was, and then have happened.
        planned = dict.fromkeys(launch for wave in waves for launch in wave.launches)
        launches = tuple(launch for launch in planned if launch in started)
        cuts = _sum_cuts(waves, len(launches))
        demands.append(replace(waves[0], launches=launches, cuts=tuple(dict.fromkeys(cuts))))
    return replace(plans[0], demands=tuple(demands))


def _sum_cuts(waves: Sequence[DemandPlan], launched: int) -> tuple[Cut, ...]:
    """List the cuts that are left; what a back-off held may have come in a later wave."""
    first, last = waves[0], waves[-1]
    if launched < len(first.launches):
        return first.cuts + last.cuts
    if not any(cut.by == "backoff" for cut in first.cuts):
        return first.cuts
    return last.cuts or (first.cuts if launched < first.need else ())
