"""Rules that take what later ones mean for machines of other trust, on real and made-up names."""

import json
from pathlib import Path

import pytest
import yaml

from watch_pending.buildermap import compile_buildermap
from watch_pending.check.trust import Surprise, find_surprises, find_try_types

CONFIGS = Path(__file__).parents[3] / "configs"
# The bugs of the original's own order: a look-ahead that any text before it evades, a broad rule
# for a kind of job, and a branch's name that any branch fits.
ORIGINAL = {
    "^Linux (?!try)\\S+ (pgo-)?build": "bld-linux64",
    "^(TB )?Linux( x86-64)? .*(?!try )valgrind": "bld-linux64",
    "^(TB )?Linux( x86-64)? try.*": "try-linux64",
    "^Firefox \\S+ win(32|64) l10n nightly": "b-2008",
    "^Firefox try win(32|64) l10n": "y-2008",
    "^WINNT (5.2|6.1)( x86-64)?(.*(?! try)).* (pgo-)?build": "b-2008",
    "^WINNT (5.2|6.1)( x86-64)? try": "y-2008",
    "^Ubuntu VM 12.04 x64.*": "tst-linux64",
}


def pairs(buildermap: dict[str, str], *builders: str) -> dict[tuple[int, int], tuple[str, bool]]:
    """Find surprises: (taker, meant) → (builder, seen)."""
    found: list[Surprise] = find_surprises(compile_buildermap(buildermap), builders)
    return {(s.taker.index, s.meant.index): (s.builder, s.seen) for s in found}


def test_the_originals_surprises_are_found_without_any_builder() -> None:
    assert pairs(ORIGINAL) == {
        (1, 2): ("Linux try valgrind", False),
        (3, 4): ("Firefox try win32 l10n nightly", False),
        (5, 6): ("WINNT 5.2 try build", False),
    }


@pytest.mark.parametrize(
    ("builder", "pair"),
    [
        ("WINNT 5.2 try build", (5, 6)),
        ("WINNT 6.1 x86-64 try leak test build", (5, 6)),
        ("Linux x86-64 try valgrind", (1, 2)),
        ("TB Linux try valgrind", (1, 2)),
    ],
)
def test_a_real_builder_is_the_example_where_there_is_one(
    builder: str, pair: tuple[int, int]
) -> None:
    assert pairs(ORIGINAL, builder)[pair] == (builder, True)


@pytest.mark.parametrize(
    "builder",
    ["Linux mozilla-central build", "Linux x86-64 try build", "OS X try", "Ubuntu VM try"],
)
def test_a_builder_that_gets_what_is_meant_for_it_adds_nothing(builder: str) -> None:
    assert pairs(ORIGINAL, builder) == pairs(ORIGINAL)


def test_the_other_way_round_is_found_too() -> None:
    buildermap = {"^Linux": "try-linux64", "^Linux x86-64 nightly": "bld-linux64"}
    assert pairs(buildermap) == {(0, 1): ("Linux x86-64 nightly", False)}


def test_in_the_right_order_there_is_none() -> None:
    order = sorted(ORIGINAL, key=lambda pattern: " try" not in pattern.replace("(?! try)", ""))
    assert pairs({pattern: ORIGINAL[pattern] for pattern in order}) == {}


@pytest.mark.parametrize(
    "second",
    [
        pytest.param({"^Linux try": "bld-linux64"}, id="one type"),
        pytest.param({"^Linux try": "tst", "^Linux x": "tst"}, id="a type for all"),
        pytest.param({"^Linux country": "country"}, id="another word"),
    ],
)
def test_who_asks_for_no_other_trust_is_not_surprised(second: dict[str, str]) -> None:
    assert pairs({"^Linux": "bld-linux64", **second}, "Linux try", "Linux country") == {}


def test_a_type_is_for_try_by_its_name_or_by_all_of_its_patterns() -> None:
    assert find_try_types(compile_buildermap(ORIGINAL)) == {"try-linux64", "y-2008"}
    mixed = ORIGINAL | {"^WINNT .* l10n": "y-2008"}
    assert find_try_types(compile_buildermap(mixed)) == {"try-linux64"}


def test_no_shipped_configuration_has_a_surprise() -> None:
    farm = yaml.safe_load((CONFIGS / "farmhand.yml").read_text())
    assert pairs(farm["watch_pending"]["buildermap"]) == {}
    original = json.loads((CONFIGS / "originals/watch_pending.cfg").read_text())
    assert pairs(original["buildermap"]) == {}
