"""What a page shows and changes of workers and masters, and how a form says it; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import NoneType
from typing import Any, get_args, get_type_hints

from slavealloc.doors.models import Stored
from slavealloc.rest.resources import RESOURCES, check_edit

Names = Mapping[str, Mapping[int, str]]
"""Table → id → name."""
Values = Mapping[str, Stored]
"""Column → what is stored there."""

RESOURCE_OF = {"workers": "slaves", "masters": "masters"}
MARKETS = ("spot", "on-demand")
LABELS = {
    "locked_master_id": "locked to",
    "tac_template_id": "tac template",
    "current_master_id": "current master",
    "http_port": "web port",
    "pb_port": "worker port",
}


class Kind(StrEnum):
    """What a field is in a form."""

    CHOICE = "choice"
    TEXT = "text"
    NOTES = "notes"
    NUMBER = "number"
    FLAG = "flag"


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One thing that can be changed.

    `name` is the API's; `table` says whose ids a choice is of, None for a market.
    """

    name: str
    column: str
    kind: Kind
    table: str | None
    optional: bool

    @property
    def label(self) -> str:
        """What people read."""
        return label_of(self.column)


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """One choice; `value` is what a form sends."""

    value: str
    label: str


def label_of(column: str) -> str:
    """Name a column for people.

    >>> label_of("trustlevel_id"), label_of("locked_master_id")
    ('trustlevel', 'locked to')
    """
    return LABELS.get(column, column.removesuffix("_id").replace("_", " "))


def _kind_of(name: str, table: str | None) -> Kind:
    if table is not None or name == "market":
        return Kind.CHOICE
    if name.endswith("_port"):
        return Kind.NUMBER
    return {"notes": Kind.NOTES, "enabled": Kind.FLAG}.get(name, Kind.TEXT)


def _make_fields(table: str) -> dict[str, Field]:
    resource = RESOURCES[RESOURCE_OF[table]]
    hints = get_type_hints(resource.edit)
    return {
        resource.fields[name]: Field(
            name=name,
            column=resource.fields[name],
            kind=_kind_of(name, resource.references.get(name)),
            table=resource.references.get(name),
            optional=NoneType in get_args(hints[name]),
        )
        for name in resource.fields
        if name in hints
    }


FIELDS: Mapping[str, Mapping[str, Field]] = {table: _make_fields(table) for table in RESOURCE_OF}
"""Table → column → field, in the API's order."""


def list_options(field: Field, names: Names) -> list[Option]:
    """List what may be chosen, nothing first where that may be."""
    found = [Option(value="", label="none")] if field.optional else []
    if field.table is None:
        return [*found, *(Option(value=market, label=market) for market in MARKETS)]
    known = sorted(names[field.table].items(), key=lambda each: each[1])
    return [*found, *(Option(value=str(id_), label=name) for id_, name in known)]


def write_value(value: Stored) -> str:
    """Say a value as a form has it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def show_value(table: str, column: str, value: Stored, names: Names) -> str:
    """Say a value in words: an id by its name, nothing as "none"."""
    field = FIELDS.get(table, {}).get(column)
    of = field.table if field else {"current_master_id": "masters"}.get(column)
    if value is None or value == "":
        return "none"
    if of is not None and isinstance(value, int):
        return names.get(of, {}).get(value, f"#{value}, which is gone")
    return write_value(value)


def read_form(table: str, form: Mapping[str, str]) -> dict[str, Any]:
    """Read the fields that a form has → column and new value.

    Raises BadInput naming the field.
    """
    sent = {
        field.name: _read_value(field, form[column])
        for column, field in FIELDS[table].items()
        if column in form
    }
    return check_edit(RESOURCE_OF[table], sent)


def _read_value(field: Field, said: str) -> object:
    said = said.replace("\r\n", "\n").strip()
    if not said and field.optional:
        return None
    if field.kind is Kind.FLAG:
        return said == "yes"
    is_number = field.kind is Kind.NUMBER or field.table is not None
    if is_number and said.isascii() and said.isdigit() and len(said) < 19:
        return int(said)
    return said
