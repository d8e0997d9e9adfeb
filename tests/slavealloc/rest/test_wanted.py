"""What stands behind a list's question mark."""

import pytest

from farmhand.errors import BadInput
from slavealloc.rest.resources import RESOURCES
from slavealloc.rest.wanted import Wanted, find_sorts, parse_wanted


def parse(*query: tuple[str, str], table: str = "slaves", strict: bool = True) -> Wanted:
    return parse_wanted(table, query, strict=strict)


def test_a_query_says_which_rows_in_which_order() -> None:
    query = [("pool", "prod"), ("pool", "-"), ("enabled", "TRUE"), ("silent", "0")]
    more = [("search", "linux"), ("sort", "-pool"), ("limit", "50"), ("offset", "100")]
    assert parse(*query, *more) == Wanted(
        filters={"pool": ["prod", "-"]},
        switches={"enabled": True, "silent": False},
        search="linux",
        sort="-pool",
        limit=50,
        offset=100,
    )


def test_nothing_asked_is_all() -> None:
    assert parse() == Wanted()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("limit", "0"),
        ("limit", "x"),
        ("limit", "1e3"),
        ("limit", "\N{SUPERSCRIPT TWO}"),
        ("offset", "-1"),
        ("offset", "9" * 30),
        ("enabled", "yes"),
        ("sort", "password"),
        ("sort", "--name"),
        ("search", "a\0b"),
        ("pool", "a\0b"),
        ("search", "x" * 256),
    ],
)
def test_a_wrong_one_is_named(name: str, text: str) -> None:
    with pytest.raises(BadInput, match=f"^{name}"):
        parse((name, text))


def test_a_filter_there_is_not_is_refused_unless_old_clients_ask() -> None:
    with pytest.raises(BadInput, match='unknown filter "pol"; did you mean "pool"'):
        parse(("pol", "x"))
    assert parse(("_", "1"), strict=False) == Wanted()


@pytest.mark.parametrize("table", RESOURCES)
def test_a_list_is_sorted_by_what_it_shows(table: str) -> None:
    sorts = find_sorts(table)
    assert set(RESOURCES[table].fields) <= set(sorts)
    assert not set(RESOURCES[table].hidden) & set(sorts)
    assert parse(("sort", sorts[-1]), table=table).sort == sorts[-1]
