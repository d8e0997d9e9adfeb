"""What a scan says: log lines with the original's words, a table, JSON, metrics."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from farmhand.metrics import Sample
from farmhand.output import print_table
from scanner.classify import BUILDERFAIL_NOTES
from scanner.models import Action, Daemon, Fate, Next

log = logging.getLogger("scanner")
QUIET = frozenset((Action.NOTHING, Action.FOLLOW, Action.READY, Action.WAIT))
HELP: Mapping[str, str] = {
    "daemons": "Daemons that the last scan looked at.",
    "daemons_by_state": "Daemons by what they said, or that they said nothing.",
    "started": "Jobs that daemons took in the last scan.",
    "ended": "Builds that ended in the last scan, by their state.",
    "requeued": "Jobs that the last scan queued again.",
    "rescued": "Daemons that had what was not theirs.",
    "disabled": "Daemons that the last scan disabled.",
    "queue": "Jobs in the queue, by status.",
}


@dataclass(kw_only=True, slots=True)
class Report:
    """What a scan has seen and done so far; of each daemon the last verdict."""

    names: dict[int, str] = field(default_factory=dict)
    verdicts: dict[int, tuple[Action, str]] = field(default_factory=dict)
    states: dict[int, str] = field(default_factory=dict)
    ended: Counter[str] = field(default_factory=Counter)
    started: int = 0
    requeued: int = 0
    rescued: int = 0
    disabled: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def seen(self, daemons: Iterable[Daemon]) -> None:
        """Note whom this scan looks at."""
        self.names |= {daemon.id: daemon.name for daemon in daemons}

    def trouble(self, line: str) -> None:
        """Note what somebody must look at; once, however many builds it stops."""
        if line not in self.troubles:
            self.troubles.append(line)
            log.error("%s", line)

    def warn(self, lines: Iterable[str]) -> None:
        """Warn of each thing once."""
        for line in lines:
            if line not in self.warnings:
                self.warnings.append(line)
                log.warning("%s", line)


def tell(report: Report, following: Next) -> None:
    """Log one verdict, with its reason, and count it."""
    daemon, verdict, change = following.daemon, following.verdict, following.change
    report.verdicts[daemon.id] = (verdict.action, verdict.reason)
    report.states[daemon.id] = _state(following)
    if verdict.rescued:
        report.rescued += 1
        log.warning("Builder '%s' rescued from '%s'", daemon.name, verdict.reason)
    elif following.then is Action.COLLECT:
        log.debug("%s: is collected from: %s", daemon.name, verdict.reason)
    elif verdict.reason == BUILDERFAIL_NOTES:
        log.warning("***** %s has failed *****", daemon.name)
    elif verdict.critical:
        log.critical("%s", verdict.reason)
    elif verdict.action is Action.REQUEUE:
        log.warning("%s: %s", daemon.name, verdict.reason)
    else:
        level = logging.DEBUG if verdict.action in QUIET else logging.INFO
        log.log(level, "%s: %s: %s", daemon.name, verdict.action, verdict.reason)
    if following.disabled is not None:
        report.disabled.append(daemon.name)
        log.error("%s is disabled: %s", daemon.name, following.disabled)
    if change is not None and change.fate is Fate.ENDED:
        report.ended[change.state.value] += 1
        log.info("build %d (%s) is %s", change.job.build_id, change.job.name, change.state)
    elif change is not None and change.fate is Fate.REQUEUED:
        report.requeued += 1
        log.info("job %s (%s) is queued again", change.job.cookie, change.job.name)


def _state(following: Next) -> str:
    if following.disabled is not None or not following.daemon.enabled:
        return "disabled"
    if following.verdict.action is Action.MISS:
        return "silent"
    return (following.daemon.last_state or "unknown").lower()


def print_report(report: Report, *, dry_run: bool) -> None:
    """Print what there is to say of each daemon, for people."""
    rows = [
        (report.names.get(key, key), report.states.get(key, ""), action.value, reason)
        for key, (action, reason) in sorted(report.verdicts.items())
    ]
    would = "would do" if dry_run else "did"
    print_table(("daemon", "state", would, "why"), rows, "no daemons: scanner daemon add NAME URL")


def report_to_json(farm: str, report: Report) -> dict[str, Any]:
    """Say the same for scripts."""
    return {
        "farm": farm,
        "daemons": [
            {
                "daemon": report.names.get(key),
                "state": report.states.get(key),
                "action": action.value,
                "reason": reason,
            }
            for key, (action, reason) in sorted(report.verdicts.items())
        ],
        "started": report.started,
        "requeued": report.requeued,
        "rescued": report.rescued,
        "ended": dict(sorted(report.ended.items())),
        "disabled": report.disabled,
        "warnings": report.warnings,
        "errors": report.troubles,
    }


def make_samples(report: Report, queue: Mapping[str, int]) -> tuple[Sample, ...]:
    """Count what a scan has seen and done."""
    counts: Sequence[tuple[str, float]] = (
        ("daemons", len(report.names)),
        ("started", report.started),
        ("requeued", report.requeued),
        ("rescued", report.rescued),
        ("disabled", len(report.disabled)),
    )
    samples = [_sample(name, value) for name, value in counts]
    for name, label, numbers in (
        ("daemons_by_state", "state", Counter(report.states.values())),
        ("ended", "state", report.ended),
        ("queue", "status", queue),
    ):
        samples += [_sample(name, n, **{label: key}) for key, n in sorted(numbers.items())]
    return tuple(samples)


def _sample(name: str, value: float, **labels: str) -> Sample:
    return Sample(name=f"scanner_{name}", help=HELP[name], value=value, labels=labels)
