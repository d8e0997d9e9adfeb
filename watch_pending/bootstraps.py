"""Machines that never connect: after some in a row, one at a time until one does; pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from watch_pending.backoff_models import Failures
from watch_pending.config import WatchPending
from watch_pending.demand import boots, own_instances
from watch_pending.models import Machine, Snapshot


@dataclass(kw_only=True, slots=True)
class Breakers:
    """What broken types and AMIs still let through, counted down as a plan takes machines."""

    failures: tuple[Failures, ...]
    booting: list[tuple[str, str]]

    @classmethod
    def open(cls, snapshot: Snapshot, config: WatchPending, now: datetime) -> Self:
        """Find what is broken, and the machines that may yet show the contrary."""
        booting: list[Machine] = [
            instance
            for instance in own_instances(snapshot)
            if instance.last_connected_at is None and boots(instance.launched_at, config, now)
        ]
        booting += snapshot.open_launches
        return cls(
            failures=find_broken(snapshot, config),
            booting=[(machine.instance_type, machine.ami) for machine in booting],
        )

    def why_not(self, instance_type: str, ami: str) -> str | None:
        """Say why no further machine of a type is started from an AMI now, or None."""
        return next(
            (
                explain_failures(failures)
                for failures in self.failures
                if is_of(failures, instance_type, ami)
                and any(is_of(failures, *machine) for machine in self.booting)
            ),
            None,
        )

    def take(self, instance_type: str, ami: str) -> None:
        """Count one machine."""
        self.booting.append((instance_type, ami))


def find_broken(snapshot: Snapshot, config: WatchPending) -> tuple[Failures, ...]:
    """List the types and AMIs of which too many machines in a row never connected.

    There are none where Buildbot does not say who is connected.
    """
    if snapshot.workers is None:
        return ()
    broken = [f for f in snapshot.bootstraps if f.count >= config.max_bootstrap_failures]
    return tuple(sorted(broken, key=lambda f: (f.instance_type, f.ami or "")))


def is_of(failures: Failures, instance_type: str, ami: str) -> bool:
    """Whether a machine is one of those that fail."""
    return failures.instance_type == instance_type and failures.ami in {None, ami}


def explain_failures(failures: Failures) -> str:
    """Say what fails, and what to look at.

    >>> explain_failures(Failures(instance_type="bld", ami="ami-1", count=5)).partition(":")[0]
    'the last 5 machines of bld from ami-1 never connected, so one at a time until one does'
    """
    of = failures.instance_type + (f" from {failures.ami}" if failures.ami else "")
    return (
        f"the last {failures.count} machines of {of} never connected, so one at a time until one "
        "does: look at the console output and the user data of the newest"
    )
