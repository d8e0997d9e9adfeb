"""What sanity found and did, as JSON, tables and metrics; pure but for `print_findings`."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from farmhand.metrics import Sample
from farmhand.output import format_time, print_lines, print_table
from farmhand.wording import format_span
from watch_pending.models import LIVE_STATES
from watch_pending.money import format_usd
from watch_pending.sanity.models import Fate, Finding, FixOutcome, Kind, Remedy, Sight

SHOWN_AT_MOST = 10  # of a kind


def count_others(sight: Sight) -> dict[str, int]:
    """Count the account's live machines that are not ours: by what they bear."""
    farms = [i.farm for i in sight.snapshot.instances if i.state in LIVE_STATES]
    return {
        "other_farms": sum(farm not in {None, "", sight.snapshot.farm} for farm in farms),
        "untagged": sum(farm in {None, ""} for farm in farms),
    }


def findings_to_json(
    sight: Sight,
    remedies: Iterable[Remedy],
    outcomes: Iterable[FixOutcome],
    lost: dict[str, str],
) -> dict[str, Any]:
    """Format what `sanity --json` prints: docs/sanity.md."""
    remedies = tuple(remedies)
    return {
        "farm": sight.snapshot.farm,
        "now": format_time(sight.now),
        "findings": [_remedy_to_json(each) for each in remedies if each.finding.confirmed],
        "suspects": [_remedy_to_json(each) for each in remedies if not each.finding.confirmed],
        "outcomes": [
            {
                "kind": each.remedy.finding.kind.value,
                "subject": each.remedy.finding.subject,
                "step": each.remedy.step.value if each.remedy.step else None,
                "fate": each.fate.value,
                "why": each.why,
            }
            for each in outcomes
        ],
        "others": count_others(sight),
        "lost": lost,
    }


def _remedy_to_json(remedy: Remedy) -> dict[str, Any]:
    finding = remedy.finding
    cost = finding.usd_per_month
    return {
        "kind": finding.kind.value,
        "subject": finding.subject,
        "id": finding.id or None,
        "name": finding.name or None,
        "instance_type": finding.instance_type or None,
        "region": finding.region,
        "age_s": None if finding.age_s is None else round(finding.age_s),
        "usd_per_month": None if cost is None else round(cost, 2),
        "why": finding.why,
        "fix": remedy.step.value if remedy.step else None,
        "advice": remedy.advice,
    }


def print_findings(
    sight: Sight,
    remedies: Sequence[Remedy],
    outcomes: Sequence[FixOutcome],
    lost: dict[str, str],
) -> None:
    """Print what is wrong: first in sum, with what to do, then one by one."""
    for what, why in lost.items():
        print_lines(
            [f"NOT LOOKED AT: {what}: {why}; what was found there before is left as it is."]
        )
    confirmed = [each for each in remedies if each.finding.confirmed]
    groups: dict[tuple[Kind, str], list[Finding]] = {}
    for each in confirmed:
        groups.setdefault((each.finding.kind, each.advice), []).append(each.finding)
    print_table(
        ["wrong", "count", "where", "oldest", "USD/month", "what to do"],
        [
            [
                in_words(kind),
                len(findings),
                _regions_of(findings),
                format_span(_oldest(findings)),
                _sum_usd(findings),
                advice,
            ]
            for (kind, advice), findings in groups.items()
        ],
        none="Nothing is wrong." if not lost else "Nothing else is known to be wrong.",
    )
    if confirmed:
        print_table(["wrong", "which", "where", "for", "USD/month", "why"], _rows(confirmed))
    if outcomes:
        print_table(
            ["fix", "which", "fate", "why"],
            [
                [
                    (each.remedy.step or "").replace("_", " "),
                    which(each.remedy.finding),
                    each.fate.value.replace("_", " "),
                    each.why,
                ]
                for each in outcomes
            ],
        )
    print_lines(_notes(sight, len(remedies) - len(confirmed)))


def _rows(remedies: Iterable[Remedy]) -> list[list[object]]:
    """Make a row of each finding, the longest first; many of a kind are cut."""
    by_kind: dict[Kind, list[Finding]] = {}
    for remedy in remedies:
        by_kind.setdefault(remedy.finding.kind, []).append(remedy.finding)
    rows: list[list[object]] = []
    for kind, findings in by_kind.items():
        findings.sort(key=lambda each: -(each.age_s or 0.0))
        rows += [
            [
                in_words(kind),
                which(each),
                each.region or "",
                format_span(each.age_s),
                _sum_usd([each]),
                each.why,
            ]
            for each in findings[:SHOWN_AT_MOST]
        ]
        if more := findings[SHOWN_AT_MOST:]:
            cut = f"… {len(more)} more"
            rows.append([in_words(kind), cut, _regions_of(more), "", "", "all: --json"])
    return rows


def _notes(sight: Sight, suspects: int) -> list[str]:
    others = count_others(sight)
    notes = [
        f"Not ours and not judged: {others['other_farms']} machines of other farms, "
        f"{others['untagged']} of none."
    ]
    if suspects:
        notes.append(f"{suspects} suspected, and told of when a later run still finds them so.")
    return notes


def in_words(kind: Kind) -> str:
    """Say a kind in words."""
    return kind.value.replace("_", " ")


def which(finding: Finding) -> str:
    """Say which thing is meant: by its name and EC2's id, as far as it has them."""
    return " ".join(filter(None, (finding.name, finding.id))) or finding.subject


def _regions_of(findings: Iterable[Finding]) -> str:
    """Say how many there are in each region; what is of no region is left out."""
    regions = Counter(each.region for each in findings if each.region)
    return ", ".join(f"{region} {count}" for region, count in sorted(regions.items()))


def _oldest(findings: Iterable[Finding]) -> float | None:
    return max((each.age_s for each in findings if each.age_s is not None), default=None)


def _sum_usd(findings: Iterable[Finding]) -> str:
    """Sum the money up; nothing where it is not about money."""
    known = [each.usd_per_month for each in findings if each.usd_per_month is not None]
    return format_usd(sum(known)) if known else ""


def make_sanity_samples(remedies: Iterable[Remedy], outcomes: Iterable[FixOutcome]) -> list[Sample]:
    """Format a run's numbers as metrics, every kind of them; pure."""
    found = Counter(each.finding.kind for each in remedies if each.finding.confirmed)
    fates = Counter(each.fate for each in outcomes)
    return [
        *(
            Sample(
                name="watch_pending_findings",
                help="What is wrong with the fleet, by kind.",
                value=found[kind],
                labels={"kind": kind.value},
            )
            for kind in Kind
        ),
        *(
            Sample(
                name="watch_pending_fixes",
                help="What the run put right, or could not.",
                value=fates[fate],
                labels={"fate": fate.value},
            )
            for fate in Fate
            if fate is not Fate.WOULD_FIX
        ),
    ]
