"""What `check` says of rules: which, where, an example, and what to do."""

from farmhand.findings import Finding
from tests.builders import (
    make_config,
    make_instance_type,
    make_inventory,
    make_on_demand,
    make_spot,
)
from watch_pending.buildermap import compile_buildermap
from watch_pending.check.buildermap import Slow, check_order, check_slow, check_use
from watch_pending.check.judge import check_jacuzzis, check_names
from watch_pending.config_machines import FROM_INVENTORY, Market

RULES = compile_buildermap(
    {"^Linux.* build": "bld", "^Linux try": "try", "^OS X": "mac", "^Linux .*try": "try"}
)
PLACES = {rule.pattern: f"farmhand.yml:{10 + rule.index}" for rule in RULES}


def only(findings: list[Finding]) -> Finding:
    [finding] = findings
    assert not finding.severe
    return finding


def test_a_surprise_names_both_rules_their_lines_an_example_and_the_remedy() -> None:
    found = only(list(check_order(RULES, ["Linux try build"], PLACES)))
    assert (found.code, found.where) == ("trust", 'buildermap["^Linux.* build"]')
    assert found.message == (
        'rule 0 (farmhand.yml:10, bld) takes the builder "Linux try build", which rule 1 '
        "(farmhand.yml:11, try) (and rule 3) means for other machines: move rule 1 above it, "
        'or let rule 0 exclude "try"'
    )


def test_a_made_up_name_is_called_one() -> None:
    assert (
        'takes a name such as "Linux try build"'
        in only(list(check_order(RULES[:2], [], {}))).message
    )


def test_a_slow_pattern_is_told_with_its_figure() -> None:
    slow = [
        Slow(rule=RULES[0], took_s=0.0123, name="x" * 256, endless=False),
        Slow(rule=RULES[1], took_s=0.5, name="y" * 256, endless=True),
    ]
    first, second = check_slow(slow, PLACES)
    assert (first.code, first.where) == ("slow_pattern", 'buildermap["^Linux.* build"]')
    assert "takes 0.012 s for a name of 256 characters" in first.message
    assert "takes more than 0.5 s" in second.message


def test_a_rule_that_matched_nothing_lately_is_told_if_anything_ran() -> None:
    found = only(list(check_use(RULES, ["Linux build", "Linux try", "x"], 30, PLACES)))
    assert (found.code, found.where) == ("unmatched_rule", 'buildermap["^OS X"]')
    assert "none of the 3 builders that had a request in the last 30 days" in found.message
    assert list(check_use(RULES, [], 30, PLACES)) == []


def test_a_rule_that_matches_but_never_first_is_not_of_no_use() -> None:
    rules = compile_buildermap({"^Linux": "bld", "^Linux try": "try"})
    assert list(check_use(rules, ["Linux try"], 30, {})) == []


# Names


def test_names_within_the_limits_that_the_inventory_lacks_are_told() -> None:
    found = only(list(check_names(make_config(spot=make_spot(3)), make_inventory("bld-001"))))
    assert (found.code, found.where) == ("unknown_names", "instance_types.bld.names")
    assert "gives 2 names that the inventory lacks, first bld-002" in found.message


def test_names_that_are_all_there_or_that_nothing_limits_are_no_finding() -> None:
    known = make_inventory("bld-001", "bld-002", instance_type=None, enabled=False)
    assert list(check_names(make_config(spot=make_spot(2)), known)) == []
    assert list(check_names(make_config(spot=make_spot(0)), known)) == []
    named = {"bld": make_instance_type(FROM_INVENTORY)}
    assert list(check_names(make_config(instance_types=named), known)) == []


def test_without_an_inventory_no_name_is_unknown() -> None:
    assert list(check_names(make_config(), ())) == []


def test_each_market_has_its_own_names() -> None:
    names = {Market.SPOT: "s-%d", Market.ON_DEMAND: "d-%d"}
    config = make_config(
        instance_types={"bld": make_instance_type(names)},
        spot=make_spot(1),
        on_demand=make_on_demand(2),
    )
    found = only(list(check_names(config, make_inventory("s-1"))))
    assert "gives 2 names that the inventory lacks, first d-1" in found.message


def test_jacuzzis_from_elsewhere_are_checked_too() -> None:
    found = list(check_jacuzzis(make_config(), {"OS X": ["w"], "Linux": ["stranger"]}))
    assert [(item.code, item.where) for item in found] == [
        ("unmatched_jacuzzi", 'jacuzzis["OS X"]'),
        ("jacuzzi_name", 'jacuzzis["Linux"]'),
    ]
