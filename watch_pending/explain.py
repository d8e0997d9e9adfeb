"""`explain`: what a run would do now for a job of a builder, and why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from farmhand.command import Result, Run
from farmhand.output import print_json, print_lines
from watch_pending.buildermap import Rule, match_builder, matching_rules
from watch_pending.models import DemandPlan, PendingRequests, Plan
from watch_pending.run import look, preview
from watch_pending.settings import WatchPendingSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """The answer for one builder; `rule` is None where no pattern matches."""

    builder: str
    rule: Rule | None
    also_matched: tuple[str, ...] = ()
    would_launch: bool = False
    reasons: tuple[str, ...] = ()


def explain_builders(run: Run, settings: WatchPendingSettings, builders: Sequence[str]) -> Result:
    """Plan as if a job of each builder waited, and print what the plan says of it."""
    database = settings.open_database(reading=True)
    submitted = run.now - timedelta(seconds=settings.watch.min_pending_age_s)
    extra = [
        PendingRequests(builder=builder, priority=0, requests=1, oldest=submitted)
        for builder in dict.fromkeys(builders)
    ]
    sight = look(run, settings, database, extra=extra)
    plan, _ = preview(run, settings, sight)
    answers = [explain(builder, plan, sight.rules) for builder in dict.fromkeys(builders)]
    if run.json:
        print_json([to_json(answer) for answer in answers])
    else:
        print_lines(line for answer in answers for line in to_lines(answer))
    return Result(summary={"builders": len(answers)})


def explain(builder: str, plan: Plan, rules: Sequence[Rule]) -> Explanation:
    """Find what a plan does for a builder that it counts as waiting; pure."""
    rule = match_builder(rules, builder)
    if rule is None:
        reason = "no pattern of the buildermap matches, so nothing is launched for it"
        return Explanation(builder=builder, rule=None, reasons=(reason,))
    item = next(item for item in plan.demands if builder in item.demand.builders)
    return Explanation(
        builder=builder,
        rule=rule,
        also_matched=tuple(other.pattern for other in matching_rules(rules, builder)[1:]),
        would_launch=bool(item.launches),
        reasons=tuple(give_reasons(item)),
    )


def give_reasons(item: DemandPlan) -> Iterable[str]:
    """Say in words what becomes of a demand; pure."""
    demand, capacity = item.demand, item.capacity
    if demand.workers is not None:
        names = ", ".join(sorted(demand.workers))
        yield f"its jacuzzi allows {len(demand.workers)} workers: {names}"
    others = f" of {len(demand.builders)} builders" if len(demand.builders) > 1 else ""
    yield (
        f"with this one, {demand.pending} requests{others} wait for {demand.instance_type}; "
        f"{capacity.idle} machines are idle, {capacity.in_flight} in flight: {item.need} needed"
    )
    if item.need and item.launches:
        first = item.launches[0]
        yield f"{len(item.launches)} would start now, first {first.name} from {first.offer.ami}"
    for cut in item.cuts:
        yield f"{cut.by}: {cut.before} wanted, {cut.after} possible: {cut.reason}"
    if item.unmet:
        yield from item.rejected


def to_json(answer: Explanation) -> dict[str, object]:
    """Format an answer as JSON; pure."""
    rule = answer.rule
    return {
        "builder": answer.builder,
        "instance_type": rule.instance_type if rule else None,
        "rule": rule.pattern if rule else None,
        "rule_index": rule.index if rule else None,
        "also_matched": list(answer.also_matched),
        "would_launch": answer.would_launch,
        "reasons": list(answer.reasons),
    }


def to_lines(answer: Explanation) -> Iterable[str]:
    """Format an answer for people; pure."""
    verdict = "would start a machine" if answer.would_launch else "would start no machine"
    yield f"{answer.builder}: {verdict}"
    if answer.rule:
        yield f"  rule {answer.rule.index}: {answer.rule.pattern} → {answer.rule.instance_type}"
    for pattern in answer.also_matched:
        yield f"  also matches, but comes later: {pattern}"
    for reason in answer.reasons:
        yield f"  {reason}"
