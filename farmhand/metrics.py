"""A run's numbers as a Prometheus textfile, and to Graphite where one is configured."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from farmhand.errors import BadInput

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Metric
    from prometheus_client.registry import Collector

    from farmhand.config import GraphiteHost

log = logging.getLogger(__name__)
LAST_SUCCESS = "farmhand_last_success_timestamp_seconds"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One number with its labels; `name` without the `farmhand_` in front.

    `graphite` is the path that the original tools had for it; those of one path add up.
    """

    name: str
    help: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    graphite: str = ""


def run_samples(
    *, command: str, verb: str, exit_code: int, seconds: float, now: datetime
) -> list[Sample]:
    """Say of any run how it ended, and when."""
    labels = {"command": command, "verb": verb}
    samples = [
        Sample(
            name="run_exit_code", help="Exit code of the last run.", value=exit_code, labels=labels
        ),
        Sample(name="run_seconds", help="Duration of the last run.", value=seconds, labels=labels),
        Sample(
            name="run_timestamp_seconds",
            help="Start of the last run.",
            value=now.timestamp(),
            labels=labels,
        ),
    ]
    if exit_code == 0:
        samples.append(
            Sample(
                name=LAST_SUCCESS.removeprefix("farmhand_"),
                help="Start of the last run that exited 0.",
                value=now.timestamp(),
                labels=labels,
            )
        )
    return samples


def write_textfile(path: Path, samples: Iterable[Sample]) -> None:
    """Replace the textfile in one step; a run that failed keeps the time of the last success.

    Raises BadInput when it can't be written.
    """
    from prometheus_client import write_to_textfile

    samples = list(samples)
    if not any(f"farmhand_{sample.name}" == LAST_SUCCESS for sample in samples):
        samples.extend(_read_last_success(path))
    try:
        write_to_textfile(str(path), _make_registry(samples))
    except OSError as err:
        raise BadInput(f"metrics textfile {path}: {err.strerror}") from err


def push_to_graphite(hosts: "Iterable[GraphiteHost]", samples: Sequence[Sample]) -> None:
    """Send the numbers in Graphite's plain protocol; a Graphite that is away costs a warning."""
    from prometheus_client.bridge.graphite import GraphiteBridge

    parts: list[tuple[str, Collector]] = [("", _make_registry(samples))]
    parts += [(path, _Leaves(values)) for path, values in group_by_path(samples).items()]
    for host in hosts:
        address = (host.host, host.port)
        try:
            for path, part in parts:
                bridge = GraphiteBridge(address, registry=part, timeout_seconds=10)
                bridge.push(".".join(filter(None, [host.prefix, path])))
        except OSError as err:
            log.warning("graphite %s:%s: %s", *address, err)


def group_by_path(samples: Iterable[Sample]) -> dict[str, dict[str, float]]:
    """Add up the samples that have a path of their own in Graphite: parent → leaf → sum; pure.

    >>> group_by_path([Sample(name="n", help="", value=2, graphite="stopped.bld")] * 2)
    {'stopped': {'bld': 4}}
    """
    groups: dict[str, dict[str, float]] = {}
    for sample in samples:
        if sample.graphite:
            parent, _, leaf = sample.graphite.rpartition(".")
            leaves = groups.setdefault(parent, {})
            leaves[leaf] = leaves.get(leaf, 0) + sample.value
    return groups


@dataclass(frozen=True, slots=True)
class _Leaves:
    """The numbers below one path, as the bridge collects them: it allows no dots in a name."""

    values: Mapping[str, float]

    def collect(self) -> "Iterable[Metric]":
        """Give them as one metric's samples."""
        from prometheus_client import Metric

        metric = Metric("farmhand", "", "gauge")
        for leaf, value in self.values.items():
            metric.add_sample(leaf, {}, value)
        yield metric


def _make_registry(samples: Iterable[Sample]) -> "CollectorRegistry":
    from prometheus_client import CollectorRegistry, Gauge

    registry = CollectorRegistry()
    gauges: dict[str, Gauge] = {}
    for sample in samples:
        name = f"farmhand_{sample.name}"
        if name not in gauges:
            gauges[name] = Gauge(name, sample.help, sorted(sample.labels), registry=registry)
        gauge = gauges[name].labels(**sample.labels) if sample.labels else gauges[name]
        gauge.set(sample.value)
    return registry


def _read_last_success(path: Path) -> list[Sample]:
    from prometheus_client.parser import text_string_to_metric_families

    try:
        families = list(text_string_to_metric_families(path.read_text("utf-8")))
    except (OSError, ValueError):
        return []
    return [
        Sample(
            name=LAST_SUCCESS.removeprefix("farmhand_"),
            help=family.documentation,
            value=sample.value,
            labels=sample.labels,
        )
        for family in families
        if family.name == LAST_SUCCESS
        for sample in family.samples
    ]
