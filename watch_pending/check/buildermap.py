"""What `check` looks for in the buildermap: rules out of order, slow, or of no use; pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from farmhand.findings import Finding
from watch_pending.buildermap import Rule, find_shadowed
from watch_pending.check.trust import Surprise, find_surprises, is_try

Places = Mapping[str, str]
"""Pattern → file and line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slow:
    """How long a rule takes for a name; `endless` if nobody waited for its end."""

    rule: Rule
    took_s: float
    name: str
    endless: bool


def check_order(
    rules: Sequence[Rule], builders: Iterable[str], places: Places
) -> Iterator[Finding]:
    """Find rules that take what a later one, by its words, means for machines of other trust."""
    by_taker: dict[Rule, list[Surprise]] = {}
    for surprise in find_surprises(rules, builders):
        by_taker.setdefault(surprise.taker, []).append(surprise)
    for taker, surprises in by_taker.items():
        first = min(surprises, key=lambda each: (not each.seen, each.meant.index))
        others = sorted({each.meant.index for each in surprises} - {first.meant.index})
        kind = "the builder" if first.seen else "a name such as"
        word = "rule" if len(others) == 1 else "rules"
        more = f" (and {word} {', '.join(map(str, others))})" if others else ""
        remedy = "exclude" if is_try(first.builder) else "ask for"
        message = (
            f'{describe(taker, places)} takes {kind} "{first.builder}", which '
            f"{describe(first.meant, places)}{more} means for other machines: "
            f'move rule {first.meant.index} above it, or let rule {taker.index} {remedy} "try"'
        )
        yield warn(taker, message, code="trust")


def check_slow(slow: Iterable[Slow], places: Places) -> Iterator[Finding]:
    """Report patterns that take long for a long name."""
    for each in slow:
        took = f"more than {each.took_s:g} s" if each.endless else f"{each.took_s:.3f} s"
        message = (
            f"{describe(each.rule, places)} takes {took} for a name of {len(each.name)} "
            f'characters, "{each.name[:30]}…": repeat nothing that repeats itself'
        )
        yield warn(each.rule, message, code="slow_pattern")


def check_use(
    rules: Sequence[Rule], recent: Collection[str], days: int, places: Places
) -> Iterator[Finding]:
    """Find rules that matched none of the builders that had a request lately."""
    if not recent:
        return
    for rule in rules:
        if not any(rule.regex.match(builder) for builder in recent):
            message = (
                f"{describe(rule, places)} matches none of the {len(recent)} builders that "
                f"had a request in the last {days} days"
            )
            yield warn(rule, message, code="unmatched_rule")


def check_shadows(rules: Sequence[Rule], builders: Iterable[str]) -> Iterator[Finding]:
    """Find rules that can never match, because earlier ones take every name they would."""
    shadowed = find_shadowed(tuple(rules), builders)
    for rule, taker in sorted(shadowed.items(), key=lambda pair: pair[0].index):
        message = f'never comes first: "{taker.pattern}", above it, takes its builders'
        yield warn(rule, message, code="shadowed_rule")


def warn(rule: Rule, message: str, *, code: str) -> Finding:
    """Make a warning about a rule."""
    where = f'buildermap["{rule.pattern}"]'
    return Finding(code=code, where=where, message=message, severe=False)


def describe(rule: Rule, places: Places) -> str:
    """Name a rule: its number, where it stands, what it maps to."""
    place = places.get(rule.pattern)
    return f"rule {rule.index} ({f'{place}, ' if place else ''}{rule.instance_type})"
