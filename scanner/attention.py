"""Who needs a human, and why; pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from farmhand.wording import count_of, format_span

# No scan is under way for longer; cron begins one every minute.
LATE_S = 1800
LEAST_FAILED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """What needs a human: a daemon, a processor, an architecture or the scan."""

    what: str
    name: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """How many builds have ended on a daemon lately, and how many of them failed."""

    daemon: str
    ended: int
    failed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """How many jobs wait that need the same; `chroot` is None where they have none."""

    processor: str
    tags: frozenset[str]
    architecture: str
    chroot: str | None
    number: int


def find_silent_scans(last: Mapping[str, Any] | None, now: datetime) -> Iterator[Need]:
    """Say that nobody scans, or what the last scan could not do."""
    if last is None:
        return
    age_s = (now - last["started_at"]).total_seconds()
    host = last["host"].partition("/")[0]
    if age_s > LATE_S:
        yield Need(what="scan", name=host, why=f"the last one was {format_span(age_s)} ago")
    for error in last["errors"]:
        yield Need(what="scan", name=host, why=error)


def find_sick_daemons(daemons: Sequence[Mapping[str, Any]]) -> Iterator[Need]:
    """Say which daemons do nothing."""
    for each in daemons:
        why = _why_sick(each)
        if why is not None:
            yield Need(what="daemon", name=each["daemon"], why=why)


def _why_sick(daemon: Mapping[str, Any]) -> str | None:
    if daemon["mode"] == "disabled":
        return f"disabled: {daemon['notes'] or 'no reason'}"
    if daemon["state"] == "silent":
        return str(daemon["last_error"] or "gives no good answer")
    return None if daemon["processors"] else "builds for no processor"


def find_outliers(records: Sequence[Record]) -> Iterator[Need]:
    """Say on which daemons builds fail that would not elsewhere.

    Half of them and five at least, and twice the share of all others.
    """
    ended, failed = sum(each.ended for each in records), sum(each.failed for each in records)
    for each in records:
        others = (failed - each.failed) / (ended - each.ended) if ended > each.ended else 0
        share = each.failed / each.ended if each.ended else 0
        if each.failed >= LEAST_FAILED and share >= max(0.5, 2 * others):
            why = f"{each.failed} of {each.ended} builds failed on it since yesterday"
            elsewhere = f"elsewhere {failed - each.failed} of {ended - each.ended}"
            yield Need(what="daemon", name=each.daemon, why=f"{why}; {elsewhere}")


def find_stuck_jobs(
    waiting: Sequence[Waiting], daemons: Sequence[Mapping[str, Any]]
) -> Iterator[Need]:
    """Say what waits in vain: without a chroot, or a daemon that takes it."""
    takers = [each for each in daemons if each["mode"] == "auto"]
    for group in waiting:
        many = f"{count_of(group.number, 'build')} {'waits' if group.number == 1 else 'wait'}"
        if group.chroot is None:
            why = f"{many}, and there is no chroot: scanner chroot set"
            yield Need(what="architecture", name=group.architecture, why=why)
        if not any(
            group.processor in each["processors"] and group.tags <= set(each["tags"])
            for each in takers
        ):
            tags = f" for {' '.join(sorted(group.tags))}" if group.tags else ""
            why = f"{many}{tags}, and no daemon takes such"
            yield Need(what="processor", name=group.processor, why=why)
