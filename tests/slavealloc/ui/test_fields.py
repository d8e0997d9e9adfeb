import pytest

from farmhand.errors import BadInput
from slavealloc.rest.resources import RESOURCES
from slavealloc.ui.fields import FIELDS, RESOURCE_OF, Kind, list_options, read_form, show_value

NAMES = {"pools": {1: "prod", 2: "staging"}, "masters": {7: "bm7"}}


@pytest.mark.parametrize("table", ["workers", "masters"])
def test_a_page_can_change_all_that_the_api_can(table: str) -> None:
    settable = set(RESOURCES[RESOURCE_OF[table]].edit.__annotations__)
    assert {field.name for field in FIELDS[table].values()} == settable


def test_an_id_is_shown_by_its_name() -> None:
    assert show_value("workers", "pool_id", 2, NAMES) == "staging"
    assert show_value("workers", "locked_master_id", 7, NAMES) == "bm7"
    assert show_value("workers", "pool_id", None, NAMES) == "none"


def test_what_an_id_meant_may_be_gone() -> None:
    assert show_value("workers", "pool_id", 9, NAMES) == "#9, which is gone"


def test_choices_are_in_order_and_nothing_comes_first_where_it_may_be() -> None:
    optional = list_options(FIELDS["workers"]["pool_id"], NAMES)
    assert [option.label for option in optional] == ["none", "prod", "staging"]
    assert [option.value for option in optional] == ["", "1", "2"]
    required = list_options(FIELDS["masters"]["pool_id"], NAMES)
    assert [option.label for option in required] == ["prod", "staging"]
    markets = list_options(FIELDS["workers"]["market"], NAMES)
    assert [option.value for option in markets] == ["", "spot", "on-demand"]


@pytest.mark.parametrize(
    ("table", "form", "edit"),
    [
        ("workers", {"pool_id": "2"}, {"pool_id": 2}),
        ("workers", {"pool_id": ""}, {"pool_id": None}),
        ("workers", {"notes": " disk\r\nbad "}, {"notes": "disk\nbad"}),
        ("workers", {"notes": ""}, {"notes": None}),
        ("workers", {"enabled": "yes"}, {"enabled": True}),
        ("workers", {"enabled": "no"}, {"enabled": False}),
        ("masters", {"pb_port": "9001"}, {"pb_port": 9001}),
        ("workers", {"name": "other", "why": "x"}, {}),
    ],
)
def test_a_form_s_fields_become_values(
    table: str, form: dict[str, str], edit: dict[str, object]
) -> None:
    assert read_form(table, form) == edit


@pytest.mark.parametrize(
    ("table", "form", "said"),
    [
        ("masters", {"pb_port": "many"}, "pb_port"),
        ("masters", {"pb_port": "70000"}, "pb_port"),
        ("masters", {"nickname": ""}, "nickname"),
        ("masters", {"pool_id": ""}, "poolid"),
        ("workers", {"market": "black"}, "market"),
        ("workers", {"pool_id": "9" * 30}, "poolid"),
    ],
)
def test_a_form_s_error_names_the_field(table: str, form: dict[str, str], said: str) -> None:
    with pytest.raises(BadInput, match=f"^{said}: "):
        read_form(table, form)


def test_every_kind_of_field_is_used() -> None:
    assert {field.kind for each in FIELDS.values() for field in each.values()} == set(Kind)
