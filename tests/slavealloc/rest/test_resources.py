"""PUT bodies: what may be changed of each table, and what a wrong one is told."""

import json

import pytest

from farmhand.errors import BadInput
from farmhand.tables import metadata
from slavealloc.rest.resources import RESOURCES, SHOWN_BESIDE, check_edit, parse_object


def parse(table: str, document: object) -> dict[str, object]:
    return check_edit(table, parse_object(json.dumps(document).encode()))


def test_fields_become_columns() -> None:
    assert parse("slaves", {"locked_masterid": 3, "dcid": None, "notes": "x"}) == {
        "locked_master_id": 3,
        "datacenter_id": None,
        "notes": "x",
    }


def test_a_row_may_be_sent_back_whole() -> None:
    sent = {"slaveid": 7, "name": "w7", "pool": "prod", "current_masterid": 2, "enabled": False}
    assert parse("slaves", sent) == {"enabled": False}


@pytest.mark.parametrize(
    ("table", "document", "message"),
    [
        pytest.param(
            "slaves", {"enabled": "yes"}, "enabled: Input should be a valid boolean", id="type"
        ),
        pytest.param(
            "slaves", {"poolid": "3"}, "poolid: Input should be a valid integer", id="text id"
        ),
        pytest.param(
            "slaves", {"poolid": True}, "poolid: Input should be a valid integer", id="bool id"
        ),
        pytest.param("slaves", {"poolid": 2**70}, "poolid: ", id="huge id"),
        pytest.param("slaves", {"notes": "a\0b"}, "notes: ", id="nul"),
        pytest.param("slaves", {"notes": "\ud800"}, "notes: ", id="half a pair"),
        pytest.param("slaves", {"market": "free"}, "market: ", id="market"),
        pytest.param("slaves", {"basedir": ""}, "basedir: ", id="no basedir"),
        pytest.param(
            "slaves",
            {"enabeld": True},
            'unknown field "enabeld"; did you mean "enabled"',
            id="unknown",
        ),
        pytest.param("masters", {"pb_port": 65536}, "pb_port: ", id="port"),
        pytest.param("masters", {"nickname": None}, "nickname: ", id="null"),
        pytest.param("pools", {"name": ""}, "name: ", id="empty name"),
        pytest.param("pools", [], "the body is not a JSON object", id="list"),
    ],
)
def test_a_wrong_field_is_named(table: str, document: object, message: str) -> None:
    with pytest.raises(BadInput) as err:
        parse(table, document)
    assert message in str(err.value)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(BadInput, match="not JSON"):
        parse_object(body)


@pytest.mark.parametrize("name", RESOURCES)
def test_every_field_is_a_column(name: str) -> None:
    resource = RESOURCES[name]
    columns = set(metadata.tables[resource.table].c.keys())
    assert set(resource.fields.values()) <= columns
    assert resource.name_field is None or resource.name_field in columns
    assert set(resource.hidden.values()) <= columns - set(resource.fields.values())


@pytest.mark.parametrize("name", RESOURCES)
def test_what_can_be_set_is_shown_unless_it_is_hidden(name: str) -> None:
    resource = RESOURCES[name]
    assert set(resource.edit.__annotations__) <= set(resource.columns)
    assert set(resource.edit.__annotations__) <= set(resource.add.__annotations__)
    assert not set(resource.fields) & SHOWN_BESIDE.get(name, frozenset())


@pytest.mark.parametrize("name", RESOURCES)
def test_a_reference_is_to_the_table_its_column_references(name: str) -> None:
    resource = RESOURCES[name]
    table = metadata.tables[resource.table]
    for field, reference in resource.references.items():
        (key,) = table.c[resource.fields[field]].foreign_keys
        assert key.column.table.name == reference
