"""The server's numbers, as /metrics shows them to Prometheus."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from slavealloc.pages import Outcome
from slavealloc.ui.dashboard import MasterLoad


class Numbers:
    """Counts since the server started; one set for each server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter(
            "farmhand_slavealloc_gettac",
            "Machines that asked for their buildbot.tac, by what they got.",
            ["outcome"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "farmhand_slavealloc_gettac_seconds",
            "How long they waited for it.",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=self.registry,
        )
        self.batch = Histogram(
            "farmhand_slavealloc_batch_size",
            "How many were placed in one transaction.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=self.registry,
        )
        self.moves = Counter(
            "farmhand_slavealloc_moves",
            "Workers sent to another master than before.",
            registry=self.registry,
        )
        self.unavailable = Counter(
            "farmhand_slavealloc_unavailable",
            "Requests turned away because the database did not answer.",
            registry=self.registry,
        )
        self.loads = Gauge(
            "farmhand_slavealloc_master_workers",
            "Workers of a master that asked of late.",
            ["master", "pool", "enabled"],
            registry=self.registry,
        )
        self._answered = {outcome: self.answers.labels(outcome) for outcome in Outcome}

    def count(self, outcome: Outcome, seconds: float) -> None:
        """Count an answer, and how long it took."""
        self._answered[outcome].inc()
        self.seconds.observe(seconds)

    def show_loads(self, loads: Iterable[MasterLoad]) -> None:
        """Say how many workers each master has now."""
        self.loads.clear()
        for load in loads:
            enabled = "true" if load.enabled else "false"
            self.loads.labels(load.nickname, load.pool, enabled).set(load.live)

    def render(self) -> bytes:
        """Write them in Prometheus's text format."""
        return generate_latest(self.registry)
