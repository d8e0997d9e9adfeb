"""Plans and outcomes as JSON and as tables; pure but for `print_plan`."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from farmhand.output import format_time, print_table
from watch_pending.models import Launch, Outcome, Plan, Status


def plan_to_json(
    farm: str, now: datetime, plan: Plan, outcomes: Iterable[Outcome]
) -> dict[str, Any]:
    """Format what `run --json` and `run --dry-run --json` print; docs/watch-pending.md has the contract."""
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
                "launches": group_launches(item.launches),
                "unmet": item.unmet,
            }
            for item in plan.demands
        ],
        "outcomes": [outcome_to_json(outcome) for outcome in outcomes],
    }


def group_launches(launches: Iterable[Launch]) -> list[dict[str, Any]]:
    """Group launches that differ in name only."""
    groups: dict[Any, list[str]] = {}
    for launch in launches:
        groups.setdefault(launch.offer, []).append(launch.name)
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
        for offer, names in groups.items()
    ]


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
    done = {outcome.launch: outcome for outcome in outcomes}
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
    launches = [*plan.launches, *(launch for launch in done if launch not in plan.launches)]
    if launches:
        print_table(
            [
                "machine",
                "market",
                "EC2 type",
                "zone",
                "USD/h",
                "would start" if dry_run else "result",
            ],
            [
                [
                    launch.name,
                    launch.offer.market.value,
                    launch.offer.ec2_type,
                    launch.offer.availability_zone,
                    format_price(launch.offer.price_usd_per_hour),
                    describe_result(done.get(launch), launch),
                ]
                for launch in launches
            ],
        )
    if plan.unmatched:
        print_table(
            ["builder that no pattern matches", "pending"],
            [[builder, count] for builder, count in plan.unmatched.items()],
        )


def describe_demand(instance_type: str, workers: frozenset[str] | None) -> str:
    """Name a demand: its instance type, and how many workers its jacuzzi has."""
    return instance_type if workers is None else f"{instance_type} (jacuzzi of {len(workers)})"


def describe_result(outcome: Outcome | None, launch: Launch) -> str:
    """Say what became of a launch, or what image it would start from."""
    if outcome is None:
        return launch.offer.ami
    if outcome.status is Status.LAUNCHED:
        return str(outcome.instance_id)
    return f"{outcome.status.value.replace('_', ' ')}: {outcome.reason}"


def format_price(price: float | None) -> str:
    """Format dollars per hour."""
    return "unknown" if price is None else f"{price:.4f}"


def count_by_status(outcomes: Iterable[Outcome]) -> Mapping[Status, int]:
    """Count outcomes; every status is there."""
    counts = dict.fromkeys(Status, 0)
    for outcome in outcomes:
        counts[outcome.status] += 1
    return counts
