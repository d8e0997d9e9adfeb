"""The address of a list: what it asks for, and that it survives being written and read."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slavealloc.ui.list_asked import (
    FIELDS,
    Asked,
    Sort,
    State,
    format_asked,
    parse_asked,
    turn_sort,
)

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
ASKED = st.builds(
    Asked,
    q=TEXTS.map(lambda text: " ".join(text.split())),
    state=st.none() | st.sampled_from(State),
    names=st.dictionaries(st.sampled_from(FIELDS), TEXTS),
    sort=st.sampled_from(Sort),
    descending=st.booleans(),
    page=st.integers(1, 1000),
)


@given(ASKED)
def test_an_address_asks_for_what_it_was_made_from(asked: Asked) -> None:
    query = urlsplit(format_asked(asked)).query
    assert parse_asked(dict(parse_qsl(query))) == asked


@given(st.dictionaries(st.sampled_from(("q", "state", "sort", "page", "pool")), st.text()))
def test_any_address_asks_for_something(query: dict[str, str]) -> None:
    asked = parse_asked(query)
    assert asked.page >= 1
    assert "\0" not in asked.q


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        pytest.param({"pool": "", "q": "", "state": ""}, Asked(), id="an empty form"),
        pytest.param({"pool": "-"}, Asked(names={"pool": "-"}), id="without a pool"),
        pytest.param({"state": "broken", "page": "0"}, Asked(), id="nothing known"),
        pytest.param({"sort": "-colour"}, Asked(), id="no such column"),
    ],
)
def test_what_means_nothing_is_passed_over(query: dict[str, str], asked: Asked) -> None:
    assert parse_asked(query) == asked


def test_a_column_s_head_turns_the_order_and_starts_at_the_first_page() -> None:
    once = turn_sort(Asked(page=7), Sort.SEEN)
    assert format_asked(once) == "/ui/workers?sort=seen"
    assert format_asked(turn_sort(once, Sort.SEEN)) == "/ui/workers?sort=-seen"
