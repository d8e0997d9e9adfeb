"""What all rounds of a machine came to, and what reboots instead of them would have; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from runner.protocol import read_number


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """Sums since a time. `rounds` are those after which the machine went on without a reboot.

    `maintenance_s` is what they took without their worker's life; `connected_s` what those of them
    whose worker was connected, which `connects` counts, waited for that. `halts` are by cause.
    """

    since: str = ""
    rounds: int = 0
    maintenance_s: float = 0.0
    connects: int = 0
    connected_s: float = 0.0
    halts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Saving:
    """The mean round against a reboot; `saved_s` is of all rounds, below zero where they cost."""

    rounds: int
    maintenance_s: float
    connected_s: float | None
    reboot_s: float
    saved_s: float


def read_totals(data: object, now: str) -> Totals:
    """Read what was recorded; what can't be read begins anew.

    >>> read_totals({"since": "x", "rounds": -1}, "y").since
    'y'
    """
    if not isinstance(data, dict) or not isinstance(data.get("since"), str):
        return Totals(since=now)
    halts = data.get("halts")
    numbers = {
        name: read_number(data.get(name))
        for name in ("rounds", "maintenance_s", "connects", "connected_s")
    }
    if not isinstance(halts, dict) or None in numbers.values():
        return Totals(since=now)
    counted = {str(cause): read_number(count) or 0 for cause, count in halts.items()}
    known: dict[str, Any] = {**numbers, "halts": counted}
    return Totals(since=data["since"], **known)


def to_dict(totals: Totals) -> dict[str, Any]:
    """Make what is recorded."""
    return {each.name: getattr(totals, each.name) for each in fields(totals)}


def add_round(totals: Totals, *, maintenance_s: float, connected_s: float | None) -> Totals:
    """Add a round after which the machine goes on."""
    return replace(
        totals,
        rounds=totals.rounds + 1,
        maintenance_s=totals.maintenance_s + maintenance_s,
        connects=totals.connects + (connected_s is not None),
        connected_s=totals.connected_s + (connected_s or 0.0),
    )


def add_halt(totals: Totals, cause: str) -> Totals:
    """Add a halt."""
    return replace(totals, halts={**totals.halts, cause: totals.halts.get(cause, 0) + 1})


def compare(totals: Totals, reboot_s: float) -> Saving | None:
    """Compare with a reboot after each of these rounds; None before there was one.

    What the tasks take is counted as the cost of not rebooting, though most would run after a
    reboot too; a worker has to connect either way.

    >>> compare(Totals(rounds=10, maintenance_s=50), 95).saved_s
    900
    """
    if not totals.rounds:
        return None
    return Saving(
        rounds=totals.rounds,
        maintenance_s=round(totals.maintenance_s / totals.rounds, 3),
        connected_s=round(totals.connected_s / totals.connects, 3) if totals.connects else None,
        reboot_s=reboot_s,
        saved_s=round(totals.rounds * reboot_s - totals.maintenance_s, 3),
    )


def format_saving(saving: Saving) -> str:
    """Say it in a line.

    >>> format_saving(Saving(rounds=9, maintenance_s=5, connected_s=2, reboot_s=95, saved_s=810))
    '9 rounds without a reboot: 5.0 s of maintenance each, where a reboot takes 95 s; 0.2 h saved'
    """
    hours = saving.saved_s / 3600
    words = "1 round" if saving.rounds == 1 else f"{saving.rounds} rounds"
    return (
        f"{words} without a reboot: {saving.maintenance_s:.1f} s of maintenance each, where a "
        f"reboot takes {saving.reboot_s:g} s; {abs(hours):.{1 if abs(hours) >= 0.1 else 3}f} h "
        f"{'saved' if hours >= 0 else 'lost'}"
    )
