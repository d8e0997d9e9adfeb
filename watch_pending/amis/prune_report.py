"""What `amis prune` decided and did, as JSON, tables and metrics; pure but for `print_prune`."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from farmhand.metrics import Sample
from farmhand.output import format_time, print_table
from watch_pending.amis.models import Fate, Kept, OwnImage, PruneOutcome, PrunePlan
from watch_pending.report import shorten_names


def prune_to_json(
    farm: str,
    now: datetime,
    keep_last: int,
    plan: PrunePlan,
    outcomes: Iterable[PruneOutcome],
) -> dict[str, Any]:
    """Format what `amis prune --json` prints: docs/amis.md."""
    return {
        "farm": farm,
        "now": format_time(now),
        "keep_last": keep_last,
        "prune": [
            {**image_to_json(each.image), "snapshots": list(each.snapshots)} for each in plan.prune
        ],
        "orphans": [
            {"region": each.region, "snapshot": each.snapshot, "ami": each.pruned_ami}
            for each in plan.orphans
        ],
        "kept": [
            {**image_to_json(each.image), "verdict": each.verdict.value, "why": each.why}
            for each in plan.kept
        ],
        "outcomes": [
            {
                "region": each.region,
                "ami": each.ami,
                "snapshot": each.snapshot,
                "instance_type": each.instance_type,
                "fate": each.fate.value,
                "why": each.why,
            }
            for each in outcomes
        ],
    }


def image_to_json(image: OwnImage) -> dict[str, Any]:
    """Format an AMI."""
    return {
        "region": image.region,
        "ami": image.ami,
        "name": image.name,
        "instance_type": image.instance_type,
        "root_device_type": image.root_device_type,
        "created_at": format_time(image.created),
    }


def print_prune(plan: PrunePlan, outcomes: Sequence[PruneOutcome], *, dry_run: bool) -> None:
    """Print which AMIs go, what became of them, and why the others stay."""
    if dry_run:
        print_table(
            ["would go", "region", "instance type", "root", "created", "name", "snapshots"],
            [
                [
                    each.image.ami,
                    each.image.region,
                    each.image.instance_type,
                    each.image.root_device_type,
                    format_time(each.image.created),
                    each.image.name,
                    ", ".join(each.snapshots),
                ]
                for each in plan.prune
            ],
            none="No AMI would go.",
        )
        print_table(
            ["left by a killed run", "region", "AMI"],
            [[each.snapshot, each.region, each.pruned_ami] for each in plan.orphans],
        )
    else:
        print_table(
            ["gone", "region", "of", "fate", "why"],
            [
                [e.snapshot or e.ami, e.region, e.ami if e.snapshot else "", e.fate.value, e.why]
                for e in outcomes
            ],
            none="No AMI goes.",
        )
    print_table(
        ["stays because", "region", "instance type", "AMIs", "why", "which"],
        [
            [
                verdict.replace("_", " "),
                region,
                instance_type or "",
                len(group),
                group[0].why if len({each.why for each in group}) == 1 else f"{group[0].why}, …",
                shorten_names([each.image.ami for each in group]),
            ]
            for (verdict, region, instance_type), group in group_kept(plan.kept).items()
        ],
    )


def group_kept(kept: Iterable[Kept]) -> Mapping[tuple[str, str, str], list[Kept]]:
    """Group what stays by verdict, region and instance type."""
    groups: dict[tuple[str, str, str], list[Kept]] = {}
    for each in kept:
        key = (each.verdict.value, each.image.region, each.image.instance_type or "")
        groups.setdefault(key, []).append(each)
    return dict(sorted(groups.items()))


def make_prune_samples(
    plan: PrunePlan, outcomes: Iterable[PruneOutcome], calls: Counter[str]
) -> Iterator[Sample]:
    """Format a run's numbers as metrics."""
    done = Counter((each.region, each.fate.value) for each in outcomes)
    for region in sorted({region for region, _ in done}):
        for fate in Fate:
            yield Sample(
                name="watch_pending_amis_prune_outcomes",
                help="AMIs and snapshots, by what became of them.",
                value=done[region, fate.value],
                labels={"region": region, "fate": fate.value},
            )
    kept = Counter((each.image.region, each.verdict.value) for each in plan.kept)
    for (region, verdict), count in sorted(kept.items()):
        yield Sample(
            name="watch_pending_amis_prune_kept",
            help="AMIs that stay, and why.",
            value=count,
            labels={"region": region, "verdict": verdict},
        )
    for action, count in sorted(calls.items()):
        yield Sample(
            name="watch_pending_amis_prune_api_calls",
            help="AWS calls of the run.",
            value=count,
            labels={"action": action},
        )
