"""A run's numbers as a Prometheus textfile, and to Graphite where one is configured."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from farmhand.errors import BadInput

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

log = logging.getLogger(__name__)
LAST_SUCCESS = "farmhand_last_success_timestamp_seconds"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One number with its labels; `name` without the `farmhand_` in front."""

    name: str
    help: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


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


def push_to_graphite(host: str, port: int, prefix: str, samples: Iterable[Sample]) -> None:
    """Send the numbers in Graphite's plain protocol; a Graphite that is away costs a warning."""
    from prometheus_client.bridge.graphite import GraphiteBridge

    bridge = GraphiteBridge((host, port), registry=_make_registry(samples), timeout_seconds=10)
    try:
        bridge.push(prefix)
    except OSError as err:
        log.warning("graphite %s:%s: %s", host, port, err)


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
