from hypothesis import given
from hypothesis import strategies as st

from slavealloc.ui.conflict import choose_edit, compare_edits
from slavealloc.ui.fields import FIELDS, Values

SEEN: Values = {"notes": "disk", "pool_id": 1, "enabled": True}
texts = st.fixed_dictionaries(
    {name: st.sampled_from([None, "a", "b"]) for name in ("notes", "basedir", "instance_type")}
)
edits = st.dictionaries(st.sampled_from(["notes", "basedir"]), st.sampled_from([None, "a", "c"]))


def test_what_only_they_changed_is_theirs() -> None:
    (found,) = compare_edits("workers", SEEN, {}, {**SEEN, "pool_id": 2})
    assert (found.column, found.seen, found.mine, found.now) == ("pool_id", 1, 1, 2)
    assert not found.is_contested
    assert not found.prefers_mine


def test_what_only_the_form_changed_is_mine() -> None:
    (found,) = compare_edits("workers", SEEN, {"notes": "cpu"}, SEEN)
    assert found.prefers_mine
    assert not found.is_contested


def test_what_both_changed_is_for_a_person_to_choose() -> None:
    (found,) = compare_edits("workers", SEEN, {"notes": "cpu"}, {**SEEN, "notes": "fan"})
    assert found.is_contested
    assert not found.prefers_mine


def test_what_both_changed_alike_is_not_contested() -> None:
    (found,) = compare_edits("workers", SEEN, {"notes": "cpu"}, {**SEEN, "notes": "cpu"})
    assert not found.is_contested


@given(seen=texts, mine=edits, now=texts)
def test_nothing_is_lost(seen: Values, mine: Values, now: Values) -> None:
    found = {each.column: each for each in compare_edits("workers", seen, mine, now)}
    for column in FIELDS["workers"]:
        wanted = mine.get(column, seen.get(column))
        if column not in found:
            assert seen.get(column) == wanted == now.get(column)
        else:
            assert (found[column].mine, found[column].now) == (wanted, now.get(column))


def test_of_the_form_only_what_was_chosen_is_kept() -> None:
    mine: Values = {"notes": "cpu", "pool_id": 3, "enabled": False}
    assert choose_edit({"notes": "mine", "pool_id": "theirs"}, mine) == {"notes": "cpu"}
