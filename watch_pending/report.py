"""Plans and outcomes as JSON and as tables; pure but for `print_plan`."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from farmhand.output import format_time, print_table
from watch_pending.models import Launch, Offer, Outcome, Plan, Status


def plan_to_json(
    farm: str, now: datetime, plan: Plan, outcomes: Iterable[Outcome]
) -> dict[str, Any]:
    """Format what `run --json` and `run --dry-run --json` print: docs/watch-pending.md."""
    matched = sum(item.demand.pending for item in plan.demands)
    return {
        "farm": farm,
        "now": format_time(now),
        "pending": matched + sum(plan.unmatched.values()),
        "matched": matched,
        "unmatched": dict(plan.unmatched),
        "demands": [
            {
                "instance_type": item.demand.instance_type,
                "workers": None if item.demand.workers is None else sorted(item.demand.workers),
                "pending": item.demand.pending,
                "idle": item.capacity.idle,
                "in_flight": item.capacity.in_flight,
                "need": item.need,
                "cuts": [
                    {"by": cut.by, "from": cut.before, "to": cut.after, "reason": cut.reason}
                    for cut in item.cuts
                ],
                "launches": launches_to_json(item.launches),
                "unmet": item.unmet,
            }
            for item in plan.demands
        ],
        "outcomes": [outcome_to_json(outcome) for outcome in outcomes],
    }


def launches_to_json(launches: Iterable[Launch]) -> list[dict[str, Any]]:
    """Format launches as JSON, those that differ in name only as one."""
    return [
        {
            "market": offer.market.value,
            "region": offer.region,
            "availability_zone": offer.availability_zone,
            "ec2_type": offer.ec2_type,
            "ami": offer.ami,
            "max_price_usd_per_hour": offer.max_price_usd_per_hour,
            "price_usd_per_hour": offer.price_usd_per_hour,
            "names": names,
        }
        for offer, names in group_by_offer(launches).items()
    ]


def group_by_offer(launches: Iterable[Launch]) -> dict[Offer, list[str]]:
    """Group launches: offer → names."""
    groups: dict[Offer, list[str]] = {}
    for launch in launches:
        groups.setdefault(launch.offer, []).append(launch.name)
    return groups


def outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    """Format how one launch ended."""
    return {
        "name": outcome.launch.name,
        "instance_type": outcome.launch.instance_type,
        "status": outcome.status.value,
        "instance_id": outcome.instance_id,
        "market": outcome.launch.offer.market.value,
        "region": outcome.launch.offer.region,
        "availability_zone": outcome.launch.offer.availability_zone,
        "ec2_type": outcome.launch.offer.ec2_type,
        "reason": outcome.reason,
    }


def print_plan(plan: Plan, outcomes: Sequence[Outcome], *, dry_run: bool) -> None:
    """Print what was decided and what became of it, as tables."""
    print_table(
        [
            "instance type",
            "pending",
            "idle",
            "in flight",
            "need",
            "launch",
            "unmet",
            "why not more",
        ],
        [
            [
                describe_demand(item.demand.instance_type, item.demand.workers),
                item.demand.pending,
                item.capacity.idle,
                item.capacity.in_flight,
                item.need,
                len(item.launches),
                item.unmet,
                "; ".join(dict.fromkeys(cut.reason for cut in item.cuts)),
            ]
            for item in plan.demands
        ],
        none="Nothing that farmhand could start a machine for is waiting.",
    )
    head = ["market", "EC2 type", "zone", "USD/h"]
    if dry_run and plan.launches:
        groups = group_by_offer(plan.launches)
        print_table(
            ["would start", *head, "from", "names"],
            [
                [len(names), *describe_offer(offer), offer.ami, shorten_names(names)]
                for offer, names in groups.items()
            ],
        )
    elif outcomes:
        print_table(
            ["machine", *head, "result"],
            rows_of_outcomes(outcomes),
        )
    if plan.unmatched:
        print_table(
            ["builder that no pattern matches", "pending"],
            [[builder, count] for builder, count in plan.unmatched.items()],
        )


def describe_demand(instance_type: str, workers: frozenset[str] | None) -> str:
    """Name a demand: its instance type, and how many workers its jacuzzi has."""
    return instance_type if workers is None else f"{instance_type} (jacuzzi of {len(workers)})"


def describe_offer(offer: Offer) -> list[str]:
    """Say where a machine starts, and what it costs an hour; by columns."""
    price = offer.price_usd_per_hour
    return [
        offer.market.value,
        offer.ec2_type,
        offer.availability_zone,
        "unknown" if price is None else f"{price:.4f}",
    ]


def shorten_names(names: Sequence[str]) -> str:
    """List names, the middle of many left out.

    >>> shorten_names(["bld-1", "bld-2", "bld-3", "bld-4"])
    'bld-1, bld-2 … bld-4'
    """
    return ", ".join(names) if len(names) <= 3 else f"{names[0]}, {names[1]} … {names[-1]}"


def rows_of_outcomes(outcomes: Iterable[Outcome]) -> list[list[object]]:
    """Make a row of each machine, but one of all that an offer without capacity could not give."""
    rows: list[list[object]] = []
    refused: dict[tuple[str, Offer, str], int] = {}
    for item in outcomes:
        offer = item.launch.offer
        if item.status in {Status.NO_CAPACITY, Status.NOT_TRIED}:
            key = (item.launch.instance_type, offer, item.reason)
            refused[key] = refused.get(key, 0) + 1
        else:
            rows.append([item.launch.name, *describe_offer(offer), describe_result(item)])
    rows += [
        [f"({count} {instance_type} not here)", *describe_offer(offer), reason]
        for (instance_type, offer, reason), count in refused.items()
    ]
    return rows


def describe_result(outcome: Outcome) -> str:
    """Say what became of a launch."""
    if outcome.status is Status.LAUNCHED:
        return str(outcome.instance_id)
    return f"{outcome.status.value.replace('_', ' ')}: {outcome.reason}"


def count_by_status(outcomes: Iterable[Outcome]) -> Mapping[Status, int]:
    """Count outcomes; every status is there."""
    counts = dict.fromkeys(Status, 0)
    for outcome in outcomes:
        counts[outcome.status] += 1
    return counts
