"""Which builds go first: purely by age, name and what is kept."""

from hypothesis import given
from hypothesis import strategies as st

from runner.chores.builds import BuildDirectory, plan_purge, read_keep

NAMES = st.sampled_from(["a", "b", "rel-1", "rel-2", "info", "new\nline"])
BUILDS = st.lists(
    st.builds(BuildDirectory, base=st.just("/b"), name=NAMES, changed=st.floats(0, 100)),
    unique_by=lambda each: each.name,
)


def order(*ages: tuple[str, float], keep: str = "", max_age_s: float = 1e9) -> str:
    found = [BuildDirectory(base="/b", name=name, changed=100 - age) for name, age in ages]
    purge = plan_purge(found, read_keep(keep.split()), max_age_s, now=100)
    return " ".join([*(each.name for each in purge.old), "|", *(each.name for each in purge.spare)])


def test_the_oldest_goes_first() -> None:
    assert order(("b", 5), ("a", 9), ("c", 7)) == "| a c b"


def test_what_is_too_old_goes_in_any_case() -> None:
    assert order(("b", 5), ("a", 9), max_age_s=9) == "a | b"


def test_a_name_is_kept_for_ever_or_up_to_an_age() -> None:
    keep = "info rel-*:8s"
    assert order(("info", 99), ("rel-1", 7), ("rel-2", 8), ("a", 1), keep=keep) == "| rel-2 a"


def test_what_is_kept_goes_not_even_when_it_is_too_old() -> None:
    assert order(("info", 99), ("rel-1", 7), keep="info rel-*:8s", max_age_s=1) == "|"


def test_of_two_patterns_the_one_that_keeps_longer_holds() -> None:
    assert order(("rel-1", 7), keep="rel-*:8s rel-1:1s") == "|"


def test_one_of_tomorrow_is_the_newest() -> None:
    assert order(("a", 1), ("late", -9)) == "| a late"


@given(BUILDS, st.permutations(range(6)))
def test_how_they_are_found_does_not_matter(found: list[BuildDirectory], mixed: list[int]) -> None:
    again = [found[index] for index in mixed if index < len(found)]
    keep = {"rel-*": 50.0, "info": float("inf")}
    assert plan_purge(found, keep, 70, now=100) == plan_purge(again, keep, 70, now=100)


@given(BUILDS)
def test_all_that_may_go_is_planned_once_and_in_order(found: list[BuildDirectory]) -> None:
    purge = plan_purge(found, {"info": float("inf")}, 70, now=100)
    planned = [*purge.old, *purge.spare]
    assert sorted(each.changed for each in planned) == [each.changed for each in planned]
    assert {each.name for each in planned} == {each.name for each in found} - {"info"}
