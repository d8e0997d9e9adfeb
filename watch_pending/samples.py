"""A run's numbers as metrics, with the paths that the original tool had in Graphite; pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from farmhand.metrics import Sample
from watch_pending.config_machines import Market
from watch_pending.demand import own_instances
from watch_pending.models import Outcome, Plan, Snapshot, Status
from watch_pending.source_models import INVENTORY, JACUZZIS, Sources

BY_TYPE = {
    "matched": "Requests that wait and that machines of this type serve.",
    "idle": "Idle machines.",
    "in_flight": "Machines that boot, or are between two rounds.",
    "need": "Machines needed.",
    "launched": "Machines the run launched.",
    "failed": "Launches that failed, or brought no answer.",
    "unmet": "Machines needed that nothing was started for.",
}
KIND = ("region", "instance_type", "ec2_type", "market", "virtualization", "root_device")
# Someone must look: nothing that a limit, money or capacity explains.
BROKEN = frozenset({Status.FAILED, Status.UNKNOWN})
SOURCES = (INVENTORY, JACUZZIS)
# What the original called a market.
LIFE_CYCLE = {Market.SPOT: "spot", Market.ON_DEMAND: "ondemand"}


def make_samples(
    snapshot: Snapshot, plan: Plan, outcomes: Sequence[Outcome], calls: Mapping[str, int]
) -> list[Sample]:
    """Format a run's numbers as metrics."""
    pending = sum(item.requests for item in snapshot.pending)
    samples = [
        Sample(name="pending", help="Requests that wait.", value=pending, graphite="pending"),
        *_by_type(plan, outcomes),
        *_by_kind("running", "Machines of this farm that run.", count_running(snapshot)),
        *_by_kind("started", "Machines the run launched.", count_started(snapshot, outcomes)),
        *_of_sources(snapshot.sources),
        *(
            Sample(name="api_calls", help="EC2 calls of the run.", value=n, labels={"action": a})
            for a, n in calls.items()
        ),
    ]
    return [replace(sample, name=f"watch_pending_{sample.name}") for sample in samples]


def _by_type(plan: Plan, outcomes: Sequence[Outcome]) -> Iterator[Sample]:
    by_type: dict[str, dict[str, int]] = {}
    for item in plan.demands:
        totals = by_type.setdefault(item.demand.instance_type, dict.fromkeys(BY_TYPE, 0))
        totals["matched"] += item.demand.pending
        totals["need"] += item.need
        totals["unmet"] += item.unmet
        totals["idle"] += item.capacity.idle
        totals["in_flight"] += item.capacity.in_flight
    for outcome in outcomes:
        totals = by_type[outcome.launch.instance_type]
        totals["launched"] += outcome.status is Status.LAUNCHED
        totals["failed"] += outcome.status in BROKEN
    for instance_type, totals in sorted(by_type.items()):
        for name, value in totals.items():
            yield Sample(
                name=name,
                help=BY_TYPE[name],
                value=value,
                labels={"instance_type": instance_type},
                graphite="aws_pending" if name == "matched" else "",
            )


def _of_sources(sources: Sources) -> Iterator[Sample]:
    """Say of each server that may be configured whether it told what it should."""
    troubled = {trouble.source for trouble in sources.troubles}
    for source in SOURCES:
        yield Sample(
            name="source_down",
            help="1 where a configured server of names or jacuzzis did not tell what it should.",
            value=source in troubled,
            labels={"source": source},
        )


def count_running(snapshot: Snapshot) -> Counter[tuple[str, ...]]:
    """Count this farm's running machines by kind."""
    return Counter(
        (
            i.region,
            i.instance_type,
            i.ec2_type,
            LIFE_CYCLE[i.market],
            i.virtualization,
            i.root_device,
        )
        for i in own_instances(snapshot)
        if i.state == "running"
    )


def count_started(snapshot: Snapshot, outcomes: Sequence[Outcome]) -> Counter[tuple[str, ...]]:
    """Count the machines that were launched, by kind."""
    images = {(image.region, image.ami): image for image in snapshot.images}
    counts: Counter[tuple[str, ...]] = Counter()
    for launch in (item.launch for item in outcomes if item.status is Status.LAUNCHED):
        offer = launch.offer
        image = images[offer.region, offer.ami]
        root_device = "ebs" if image.ebs_root else "instance-store"
        where = (offer.region, launch.instance_type, offer.ec2_type, LIFE_CYCLE[offer.market])
        counts[*where, image.virtualization, root_device] += 1
    return counts


def _by_kind(name: str, says: str, counts: Counter[tuple[str, ...]]) -> Iterator[Sample]:
    for kind, count in sorted(counts.items()):
        path = ".".join(part.replace(".", "-") or "unknown" for part in kind)
        yield Sample(
            name=name,
            help=says,
            value=count,
            labels=dict(zip(KIND, kind, strict=True)),
            graphite=f"{name}.{path}",
        )
