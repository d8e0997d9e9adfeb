"""Builder name → instance type, by an ordered list of patterns; pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One line of the buildermap; `index` counts from 0."""

    index: int
    pattern: str
    instance_type: str
    regex: re.Pattern[str]


def compile_buildermap(buildermap: Mapping[str, str]) -> tuple[Rule, ...]:
    """Compile pattern → instance type, in its order.

    Raises re.error for a pattern that does not compile; the configuration refuses those earlier.
    """
    return tuple(
        Rule(index=index, pattern=pattern, instance_type=instance_type, regex=re.compile(pattern))
        for index, (pattern, instance_type) in enumerate(buildermap.items())
    )


def match_builder(rules: Iterable[Rule], builder: str) -> Rule | None:
    """Find the first rule that matches at the builder name's start.

    >>> rules = compile_buildermap({"Linux .* l10n": "bld-l10n", "Linux": "bld"})
    >>> match_builder(rules, "Linux x86-64 l10n").instance_type
    'bld-l10n'
    >>> match_builder(rules, "Old Linux") is None
    True
    """
    return next((rule for rule in rules if rule.regex.match(builder)), None)


def matching_rules(rules: Iterable[Rule], builder: str) -> tuple[Rule, ...]:
    """List every rule that matches; only the first one counts."""
    return tuple(rule for rule in rules if rule.regex.match(builder))


def find_shadowed(rules: tuple[Rule, ...], builders: Iterable[str]) -> dict[Rule, Rule]:
    """Find rules that match builders but never first: shadowed rule → the rule that takes the most.

    Rules that match none of `builders` are not among them: nothing is known about those.
    """
    takers: dict[Rule, dict[Rule, int]] = {}
    winners: set[Rule] = set()
    for builder in builders:
        matched = matching_rules(rules, builder)
        if matched:
            winners.add(matched[0])
        for rule in matched[1:]:
            counts = takers.setdefault(rule, {})
            counts[matched[0]] = counts.get(matched[0], 0) + 1
    return {
        rule: max(counts, key=lambda taker: (counts[taker], -taker.index))
        for rule, counts in takers.items()
        if rule not in winners
    }
