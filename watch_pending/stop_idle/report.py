"""What stop-idle decided and did, as JSON and as tables; pure but for `print_stops`."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from farmhand.metrics import Sample
from farmhand.output import format_time, print_table
from watch_pending.report import shorten_names
from watch_pending.stop_idle.models import Fate, Judgement, Kept, Reason, Sight, Stop, StopOutcome


def stops_to_json(
    farm: str, sight: Sight, judgements: Iterable[Judgement], outcomes: Iterable[StopOutcome]
) -> dict[str, Any]:
    """Format what `stop-idle --json` prints: docs/watch-pending.md."""
    judgements = tuple(judgements)
    return {
        "farm": farm,
        "now": format_time(sight.now),
        "stops": [_judgement_to_json(j) for j in judgements if isinstance(j.verdict, Reason)],
        "kept": [_judgement_to_json(j) for j in judgements if isinstance(j.verdict, Kept)],
        "outcomes": [
            {**_stop_to_json(each.stop), "fate": each.fate.value, "why": each.why}
            for each in outcomes
        ],
    }


def _judgement_to_json(judgement: Judgement) -> dict[str, Any]:
    instance = judgement.instance
    return {
        "name": instance.name,
        "instance_id": instance.instance_id,
        "instance_type": instance.instance_type,
        "market": instance.market.value,
        "region": instance.region,
        "launched_at": format_time(instance.launched_at),
        "idle_s": None if judgement.idle_s is None else round(judgement.idle_s),
        "verdict": judgement.verdict.value,
        "why": judgement.why,
        "masters": list(judgement.masters),
    }


def _stop_to_json(stop: Stop) -> dict[str, Any]:
    return {
        "name": stop.name,
        "instance_id": stop.instance_id,
        "instance_type": stop.instance_type,
        "region": stop.region,
        "reason": stop.reason.value,
        "began_at": format_time(stop.began_at),
    }


def print_stops(
    judgements: Sequence[Judgement], outcomes: Sequence[StopOutcome], *, dry_run: bool
) -> None:
    """Print which machines stop, what became of them, and why the others stay."""
    if dry_run:
        stops = [j for j in judgements if isinstance(j.verdict, Reason)]
        print_table(
            ["would stop", "instance type", "market", "instance", "why"],
            [
                [
                    each.instance.name,
                    each.instance.instance_type,
                    each.instance.market.value,
                    each.instance.instance_id,
                    f"{each.verdict.value.replace('_', ' ')}: {each.why}",
                ]
                for each in stops
            ],
            none="No machine would stop.",
        )
    print_table(
        ["on its way out" if dry_run else "machine", "instance type", "instance", "fate", "why"],
        [
            [e.stop.name, e.stop.instance_type, e.stop.instance_id, e.fate.value, e.why]
            for e in outcomes
        ],
        none="" if dry_run else "No machine stops.",
    )
    kept: dict[tuple[str, str], list[Judgement]] = {}
    for each in judgements:
        if isinstance(each.verdict, Kept):
            kept.setdefault((each.verdict.value, each.instance.instance_type), []).append(each)
    print_table(
        ["stays because", "instance type", "machines", "why", "names"],
        [
            [
                verdict.replace("_", " "),
                instance_type,
                len(group),
                group[0].why if len({each.why for each in group}) == 1 else f"{group[0].why}, …",
                shorten_names(sorted(each.instance.name for each in group)),
            ]
            for (verdict, instance_type), group in sorted(kept.items())
        ],
    )


def make_stop_samples(
    judgements: Iterable[Judgement], outcomes: Iterable[StopOutcome], calls: Counter[str]
) -> list[Sample]:
    """Format a run's numbers as metrics; pure."""
    stopped: Counter[tuple[str, ...]] = Counter(
        (each.stop.instance_type, each.stop.reason.value)
        for each in outcomes
        if each.fate is Fate.STOPPED
    )
    kept: Counter[tuple[str, ...]] = Counter(
        (each.instance.instance_type, each.verdict.value)
        for each in judgements
        if isinstance(each.verdict, Kept)
    )
    by_action: Counter[tuple[str, ...]] = Counter({(a,): count for a, count in calls.items()})
    return [
        *map(
            _as_the_original,
            _count("stopped", "Machines the run stopped.", ("instance_type", "reason"), stopped),
        ),
        *_count("kept", "Machines that stay, and why.", ("instance_type", "verdict"), kept),
        *_count("api_calls", "EC2 calls of the run.", ("action",), by_action),
    ]


def _as_the_original(stopped: Sample) -> Sample:
    """Give the path that the original had for it: impaired machines apart from others."""
    impaired = stopped.labels["reason"] == Reason.IMPAIRED
    name = "impaired" if impaired else "stopped"
    return replace(stopped, graphite=f"{name}.{stopped.labels['instance_type']}")


def _count(
    name: str, says: str, labels: Sequence[str], counts: Counter[tuple[str, ...]]
) -> Iterator[Sample]:
    for values, count in sorted(counts.items()):
        yield Sample(
            name=f"watch_pending_stop_idle_{name}",
            help=says,
            value=count,
            labels=dict(zip(labels, values, strict=True)),
        )
