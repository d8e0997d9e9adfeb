"""Names made from patterns: what is made matches, and shows every branch."""

import re

import pytest

from watch_pending.check.pattern_samples import LONG, Fill, ends, long_names, sample_names

PATTERNS = [
    "Linux",
    "^Linux( x86-64)? (build|nightly)$",
    r"^WINNT (5.2|6\.1)( x86-64)? \S+ [a-f][^x]\d\w\s\D\W",
    "(?:a|b)+c{2,3}d*?e?",
    "(?i)linux.*",
    r"\bAndroid\b .+ [-_ ]",
    r"release-.*[_-](win(32|64)|linux)_\d{4}",
    "[^a-z]+x",
    "(?P<kind>opt|debug) x",
    "(?>try|build) [\\d]",
    "a++b",
    "",
]


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("fill", [Fill(), Fill(words=("try", "build"))], ids=["bare", "filled"])
def test_what_is_made_of_a_pattern_without_looks_matches_it(pattern: str, fill: Fill) -> None:
    names = sample_names(pattern, fill, 100)
    assert names
    assert [name for name in names if not re.match(pattern, name)] == []


def test_every_branch_and_option_is_shown() -> None:
    assert set(sample_names("^(TB )?(Android|Linux).* (nightly|valgrind)", Fill(), 100)) == {
        f"{start}{system} {end}"
        for start in ("", "TB ")
        for system in ("Android", "Linux")
        for end in ("nightly", "valgrind")
    }


def test_gaps_take_words_with_and_without_a_blank() -> None:
    fill = Fill(words=("try",))
    assert set(sample_names("^Linux.* x", fill, 9)) == {"Linux x", "Linux try x", "Linuxtry x"}
    assert set(sample_names(r"^Linux \S+$", fill, 9)) == {"Linux x", "Linux try"}


def test_few_are_spread_over_all() -> None:
    names = sample_names("(a|b|c|d)(a|b|c|d)(a|b|c|d)", Fill(), 4)
    assert {name[0] for name in names} == set("abcd")


@pytest.mark.parametrize(
    "pattern", ["(" * 60 + "a|b" + ")*" * 60, "(a?){90}", "(.*){9}x", "x{5000}"]
)
def test_a_pattern_that_offers_very_much_gives_few_names_and_short_ones(pattern: str) -> None:
    names = long_names(pattern, 60)
    assert 0 < len(names) <= 60
    assert {len(name) > LONG for name in names} == {False}


def test_of_a_pattern_that_is_nested_too_deeply_there_are_none() -> None:
    assert long_names("(" * 400 + "a" + ")" * 400, 60) == []


@pytest.mark.parametrize(
    ("pattern", "closed"), [("^a$", True), (r"a\Z", True), ("a", False), ("$a", False), ("", False)]
)
def test_whether_anything_may_follow(pattern: str, closed: bool) -> None:
    assert ends(pattern) is closed
