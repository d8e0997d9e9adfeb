"""Which rules take names that a later rule means for machines of other trust; pure.

Trust is told by words: a name is a try job's where it says "try"; an instance type is for try jobs
where its name says so, or where every pattern that maps to it asks for the word.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Self

from watch_pending.buildermap import Rule
from watch_pending.check.pattern_samples import Fill, ends, sample_names

TRY = re.compile(r"(?<![A-Za-z0-9])try", re.IGNORECASE)
MOST_SAMPLES = 200  # of one pair of rules
MOST_PAIRS = 1000
MOST_WORDS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Surprise:
    """A name that `taker` gets, and that `meant` means for machines of other trust.

    `seen` says whether it is a real builder's, and not made from the patterns.
    """

    taker: Rule
    meant: Rule
    builder: str
    seen: bool


def is_try(name: str) -> bool:
    """Whether a name says that it is a try job's, or for such.

    >>> is_try("Linux x86-64 try build"), is_try("graphene_try_win32"), is_try("Linux country")
    (True, True, False)
    """
    return bool(TRY.search(name))


def find_surprises(rules: Sequence[Rule], builders: Iterable[str]) -> list[Surprise]:
    """Find one for each pair of rules, of the builders there are before those that may come."""
    try_types = find_try_types(rules)
    found: dict[tuple[int, int], Surprise] = {}
    for builder in sorted(builders):
        _judge(rules, try_types, builder, found, seen=True)
    phrases = {rule: Phrases.of(rule) for rule in rules}
    for taker, meant in islice(_unlike_pairs(rules, try_types), MOST_PAIRS):
        for name in _names_for_both(taker, meant, phrases[taker]):
            _judge(rules, try_types, name, found, seen=False)
    return [found[pair] for pair in sorted(found)]


def _unlike_pairs(rules: Sequence[Rule], try_types: frozenset[str]) -> Iterator[tuple[Rule, Rule]]:
    """Yield each rule and a later one that is for machines of other trust."""
    for number, meant in enumerate(rules):
        for taker in rules[:number]:
            if (taker.instance_type in try_types) != (meant.instance_type in try_types):
                yield taker, meant


def _judge(
    rules: Sequence[Rule],
    try_types: frozenset[str],
    builder: str,
    found: dict[tuple[int, int], Surprise],
    *,
    seen: bool,
) -> None:
    """Add what a builder's name shows: who takes it, and the first rule that means it otherwise."""
    matched = [rule for rule in rules if rule.regex.match(builder)]
    wanted = is_try(builder)
    if not matched or (matched[0].instance_type in try_types) == wanted:
        return
    for rule in matched[1:]:
        if (rule.instance_type in try_types) == wanted:
            surprise = Surprise(taker=matched[0], meant=rule, builder=builder, seen=seen)
            found.setdefault((matched[0].index, rule.index), surprise)
            return


def find_try_types(rules: Iterable[Rule]) -> frozenset[str]:
    """Name the instance types that are for try jobs, by their own names or by their patterns."""
    asks: dict[str, bool] = {}
    for rule in rules:
        names = sample_names(rule.pattern, Fill(), MOST_SAMPLES)
        asked = bool(names) and all(map(is_try, names))
        asks[rule.instance_type] = asks.get(rule.instance_type, True) and asked
    return frozenset(name for name, asked in asks.items() if asked or is_try(name))


@dataclass(frozen=True, kw_only=True, slots=True)
class Phrases:
    """The words of the names that a rule matches, and those that they end with."""

    words: tuple[str, ...]
    lasts: tuple[str, ...]

    @classmethod
    def of(cls, rule: Rule) -> Self:
        """Collect them from samples."""
        names = [name.split() for name in sample_names(rule.pattern, Fill(), MOST_SAMPLES)]
        words = dict.fromkeys(word for name in names for word in name)
        lasts = dict.fromkeys(name[-1] for name in names if name)
        return cls(words=tuple(words)[:MOST_WORDS], lasts=tuple(lasts)[:MOST_WORDS])


def _names_for_both(taker: Rule, meant: Rule, phrases: Phrases) -> list[str]:
    """Make names that both rules match: the later one's, with words of the earlier one in its gaps.

    What the earlier one ends with is put behind only where nothing of the kind is there yet, and no
    word stands twice: names that nobody would give a builder show nothing.
    """
    names = sample_names(meant.pattern, Fill(words=(*phrases.words, "try")), MOST_SAMPLES)
    if not ends(meant.pattern):
        bare = [name for name in names if not {*phrases.lasts} & {*name.split()}]
        names += [f"{name} {last}" for last in phrases.lasts for name in bare]
    return [
        name
        for name in names[: 4 * MOST_SAMPLES]
        if taker.regex.match(name)
        and meant.regex.match(name)
        and len(set(name.split())) == len(name.split())
    ]
