"""Builder name → instance type."""

import re

import pytest

from watch_pending.buildermap import compile_buildermap, find_shadowed, match_builder

ODD_NAMES = [
    pytest.param("Linux\nbuild", id="newline"),
    pytest.param("Linux 🦊 build", id="emoji"),
    pytest.param("Linux " + "x" * 10_000, id="10 kB"),
    pytest.param("Linux \x00 build", id="zero byte"),
]


def match(buildermap: dict[str, str], builder: str) -> str | None:
    rule = match_builder(compile_buildermap(buildermap), builder)
    return None if rule is None else rule.instance_type


def shadowed(buildermap: dict[str, str], *builders: str) -> dict[str, str]:
    found = find_shadowed(compile_buildermap(buildermap), builders)
    return {rule.pattern: taker.pattern for rule, taker in found.items()}


@pytest.mark.parametrize(
    ("buildermap", "builder", "instance_type"),
    [
        pytest.param({"Linux": "bld", "Linux try": "try"}, "Linux try", "bld", id="first wins"),
        pytest.param({"Linux try": "try", "Linux": "bld"}, "Linux try", "try", id="order counts"),
        pytest.param({"Linux try": "try", "Linux": "bld"}, "Linux", "bld", id="later rule"),
        pytest.param({"try": "try"}, "Linux try", None, id="anchored at the start"),
        pytest.param({"Linux": "bld"}, "Linux x86-64 build", "bld", id="not anchored at the end"),
        pytest.param({"Linux$": "bld"}, "Linux x86-64", None, id="unless it says so"),
        pytest.param({"Win|.*Linux": "bld"}, "Old Linux", "bld", id="alternatives"),
        pytest.param({"": "bld"}, "anything", "bld", id="empty pattern"),
        pytest.param({"linux": "bld"}, "Linux", None, id="case counts"),
        pytest.param({"(?i)linux": "bld"}, "Linux", "bld", id="flags"),
        pytest.param({}, "Linux", None, id="no rules"),
    ],
)
def test_the_first_rule_that_matches_at_the_start_wins(
    buildermap: dict[str, str], builder: str, instance_type: str | None
) -> None:
    assert match(buildermap, builder) == instance_type


# The originals' own traps, in their file's order.
@pytest.mark.parametrize("builder", ["WINNT 5.2 try build", "WINNT 6.1 x86-64 try leak test build"])
def test_a_rule_for_try_is_of_no_use_behind_a_general_one(builder: str) -> None:
    assert match({"^WINNT .* build": "b-2008", "^WINNT .* try": "y-2008"}, builder) == "b-2008"


@pytest.mark.parametrize("builder", ODD_NAMES)
def test_any_builder_name_can_be_matched(builder: str) -> None:
    assert match({"Linux": "bld"}, builder) == "bld"


def test_rules_are_numbered_from_zero_in_their_order() -> None:
    rules = compile_buildermap({"b": "x", "a": "y"})
    assert [(rule.index, rule.pattern) for rule in rules] == [(0, "b"), (1, "a")]


def test_a_pattern_that_does_not_compile_is_an_error() -> None:
    with pytest.raises(re.error):
        compile_buildermap({"(": "bld"})


@pytest.mark.parametrize(
    ("buildermap", "builders", "expected"),
    [
        pytest.param({"L": "bld", "L try": "try"}, ["L try"], {"L try": "L"}, id="shadowed"),
        pytest.param({"L try": "try", "L": "bld"}, ["L try", "L"], {}, id="each wins once"),
        pytest.param({"L": "bld", "W": "win"}, ["L"], {}, id="unknown when nothing matches it"),
        pytest.param(
            {"A": "1", "B": "2", ".": "3"}, ["A", "B1", "B2"], {".": "B"}, id="who takes the most"
        ),
        pytest.param({"A": "1", "B": "2", ".": "3"}, ["B", "A"], {".": "A"}, id="a tie: the first"),
        pytest.param(
            {"A": "1", "A1": "2", "A.": "3"},
            ["A1"],
            {"A1": "A", "A.": "A"},
            id="only winners take",
        ),
    ],
)
def test_a_shadowed_rule_is_named_with_the_one_that_takes_its_builders(
    buildermap: dict[str, str], builders: list[str], expected: dict[str, str]
) -> None:
    assert shadowed(buildermap, *builders) == expected
