"""JSON schemas of what is sent and answered: forms from their types, rows from their tables."""

from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from farmhand.tables import metadata
from farmhand.tables.base import UtcDateTime
from slavealloc.pages import Outcome
from slavealloc.rest import forms
from slavealloc.rest.operations import Schema
from slavealloc.rest.resources import RESOURCES, SHOWN_BESIDE

TEXT: Schema = {"type": "string"}
MAYBE_TEXT: Schema = {"type": ["string", "null"]}
NUMBER: Schema = {"type": "integer"}
MAYBE_NUMBER: Schema = {"type": ["integer", "null"]}
YES: Schema = {"const": True}
NAMES: Schema = {"type": "array", "items": TEXT}


def shape(**properties: Schema) -> dict[str, Any]:
    """An object that has all of these and nothing else."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def list_of(schema: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": schema}


@lru_cache
def _generate(form: Any) -> dict[str, Any]:
    schema = TypeAdapter(form).json_schema()
    schema.pop("title", None)
    for each in schema.get("properties", {}).values():
        each.pop("title", None)
    return schema


def form(which: Any) -> Schema:
    """What a body of this form is."""
    return _generate(which)


def added(table: str) -> Schema:
    """What a new row may say."""
    resource = RESOURCES[table]
    return {**_with_shown(table, resource.add), "required": sorted(resource.required)}


def edited(table: str) -> Schema:
    """What an edit may say; a row may be sent back whole, so what is only shown is passed over."""
    return _with_shown(table, RESOURCES[table].edit)


def _with_shown(table: str, settable: Any) -> dict[str, Any]:
    shown = {*RESOURCES[table].fields, *SHOWN_BESIDE.get(table, ())}
    passed_over: dict[str, Schema] = {
        name: {} for name in sorted(shown) if name not in settable.__annotations__
    }
    why = _generate(forms.Reason)["properties"]
    schema = _generate(settable)
    return {**schema, "properties": {**schema["properties"], **passed_over, **why}}


def many_edited(table: str) -> Schema:
    """What an edit of many rows may say."""
    every = _with_shown(table, RESOURCES[table].edit)
    given = {name: schema for name, schema in every["properties"].items() if name != "why"}
    schema = _generate(forms.ManyEdits)
    properties = {**schema["properties"], "set": {**every, "properties": given}}
    return {**schema, "properties": properties}


def row(table: str) -> dict[str, Any]:
    """A row as it is shown alone."""
    columns = metadata.tables[RESOURCES[table].table].c
    return shape(
        **{name: _column(columns[column]) for name, column in RESOURCES[table].fields.items()}
    )


def listed_row(table: str) -> Schema:
    """A row as lists show it."""
    beside = dict.fromkeys(sorted(SHOWN_BESIDE.get(table, ())), MAYBE_TEXT)
    if "live_slaves" in beside:
        beside["live_slaves"] = NUMBER
    return shape(**row(table)["properties"], **beside)


def _column(column: sa.Column[Any]) -> Schema:
    kind: dict[str, Any] = {"type": "string"}
    if isinstance(column.type, sa.Boolean):
        kind = {"type": "boolean"}
    elif isinstance(column.type, sa.Integer):
        kind = {"type": "integer"}
    elif isinstance(column.type, UtcDateTime):
        kind = {"type": "string", "format": "date-time"}
    return {**kind, "type": [kind["type"], "null"]} if column.nullable else kind


EMPTY = shape()
MANY_EDITED = shape(success=YES, rows=NUMBER)
SUCCESS = shape(success=YES)
ALLOCATION = shape(
    name=TEXT,
    outcome={"enum": [str(outcome) for outcome in Outcome]},
    master=MAYBE_TEXT,
    tac=MAYBE_TEXT,
    error=MAYBE_TEXT,
)
SENT = shape(
    kind={"const": "allocation"},
    at=TEXT,
    masterid=MAYBE_NUMBER,
    master=MAYBE_TEXT,
    reason=TEXT,
    host=TEXT,
)
EDITED = shape(
    kind={"const": "edit"},
    at=TEXT,
    who=TEXT,
    action=TEXT,
    changes={"type": "object"},
    why=MAYBE_TEXT,
)
HISTORY: Schema = {"oneOf": [SENT, EDITED]}
JACUZZI = shape(builder=TEXT, machines=NAMES)
HEALTH = shape(status={"const": "ok"}, version=TEXT, enabled_masters=NUMBER)
TAC = shape(success=YES, tac=TEXT, master=MAYBE_TEXT)
