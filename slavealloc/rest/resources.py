"""The REST tables: the original's field names, their columns, what may be changed; pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict  # pydantic takes typing's from Python 3.12 on

from farmhand.errors import BadInput
from farmhand.wording import unknown

EDITS = ConfigDict(extra="forbid", strict=True)
Id = Annotated[int, Field(ge=1, lt=2**63)]
Port = Annotated[int, Field(ge=1, le=65535)]
Notes = Annotated[str, Field(max_length=16000, pattern=r"^[^\x00]*$")]
ShortText = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f]+$")]


@with_config(EDITS)
class SlaveEdit(TypedDict, total=False):
    """What PUT may change of a worker."""

    distroid: Id | None
    bitsid: Id | None
    speedid: Id | None
    purposeid: Id | None
    dcid: Id | None
    trustid: Id | None
    envid: Id | None
    poolid: Id | None
    basedir: Annotated[str, Field(max_length=4096, pattern=r"^[^\x00-\x1f]+$")] | None
    locked_masterid: Id | None
    custom_tplid: Id | None
    enabled: bool
    notes: Notes | None
    instance_type: ShortText | None
    market: Annotated[str, Field(pattern="^(spot|on-demand)$")] | None


@with_config(EDITS)
class MasterEdit(TypedDict, total=False):
    """What PUT may change of a master."""

    nickname: ShortText
    fqdn: ShortText
    pb_port: Port
    http_port: Annotated[int, Field(ge=0, le=65535)]
    poolid: Id
    dcid: Id | None
    enabled: bool
    notes: Notes | None


@with_config(EDITS)
class NameEdit(TypedDict, total=False):
    """What PUT may change of a look-up row."""

    name: ShortText


@with_config(EDITS)
class TemplateEdit(TypedDict, total=False):
    """What PUT may change of a tac template; null brings the shipped one back."""

    name: ShortText
    template: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Resource:
    """One table of the API.

    `fields`: the API's name → the column's, in the order they are shown. `references`: the API's
    name → the table whose id it is.
    """

    table: str
    name_field: str
    edit: type[Any]
    fields: Mapping[str, str]
    references: Mapping[str, str]

    @property
    def id_field(self) -> str:
        """The API's name of the id."""
        return next(name for name, column in self.fields.items() if column == "id")


def _look_up(table: str, id_field: str) -> Resource:
    return Resource(
        table=table,
        name_field="name",
        edit=NameEdit,
        fields={id_field: "id", "name": "name"},
        references={},
    )


SILO_REFERENCES = {
    "distroid": "distros",
    "bitsid": "bitlengths",
    "speedid": "speeds",
    "purposeid": "purposes",
    "dcid": "datacenters",
    "trustid": "trustlevels",
    "envid": "environments",
    "poolid": "pools",
}
RESOURCES: Mapping[str, Resource] = {
    "slaves": Resource(
        table="workers",
        name_field="name",
        edit=SlaveEdit,
        fields={
            "slaveid": "id",
            "name": "name",
            "distroid": "distro_id",
            "bitsid": "bitlength_id",
            "speedid": "speed_id",
            "purposeid": "purpose_id",
            "dcid": "datacenter_id",
            "trustid": "trustlevel_id",
            "envid": "environment_id",
            "poolid": "pool_id",
            "basedir": "basedir",
            "locked_masterid": "locked_master_id",
            "custom_tplid": "tac_template_id",
            "enabled": "enabled",
            "notes": "notes",
            "current_masterid": "current_master_id",
            "instance_type": "instance_type",
            "market": "market",
            "last_seen_at": "last_seen_at",
        },
        references={
            **SILO_REFERENCES,
            "locked_masterid": "masters",
            "custom_tplid": "tac_templates",
        },
    ),
    "masters": Resource(
        table="masters",
        name_field="nickname",
        edit=MasterEdit,
        fields={
            "masterid": "id",
            "nickname": "nickname",
            "fqdn": "fqdn",
            "http_port": "http_port",
            "pb_port": "pb_port",
            "dcid": "datacenter_id",
            "poolid": "pool_id",
            "enabled": "enabled",
            "notes": "notes",
        },
        references={"dcid": "datacenters", "poolid": "pools"},
    ),
    "distros": _look_up("distros", "distroid"),
    "datacenters": _look_up("datacenters", "dcid"),
    "bitlengths": _look_up("bitlengths", "bitsid"),
    "speeds": _look_up("speeds", "speedid"),
    "purposes": _look_up("purposes", "purposeid"),
    "trustlevels": _look_up("trustlevels", "trustid"),
    "environments": _look_up("environments", "envid"),
    "pools": _look_up("pools", "poolid"),
    "tac_templates": Resource(
        table="tac_templates",
        name_field="name",
        edit=TemplateEdit,
        fields={"tplid": "id", "name": "name", "template": "template"},
        references={},
    ),
}
# What the lists say beside the columns; names, that a PUT of a whole row brings back unchanged.
SHOWN_BESIDE: Mapping[str, frozenset[str]] = {
    "slaves": frozenset(
        {
            *("distro", "bitlength", "speed", "purpose", "datacenter", "trustlevel"),
            *("environment", "pool", "locked_master", "current_master"),
        }
    ),
    "masters": frozenset({"datacenter", "pool", "live_slaves"}),
}


@lru_cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(RESOURCES[name].edit)


def parse_edit(name: str, body: bytes) -> dict[str, Any]:
    """Read a PUT's body → column and new value.

    Fields that are shown but can't be set are passed over, so that a row may be sent back whole.

    Raises BadInput naming the field.
    """
    resource = RESOURCES[name]
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError) as err:
        raise BadInput(f"the body is not JSON: {err}") from err
    if not isinstance(sent, dict):
        raise BadInput("the body is not a JSON object")
    settable = resource.edit.__annotations__
    shown = {*resource.fields, *SHOWN_BESIDE.get(name, ())}
    if strange := [key for key in sent if key not in shown]:
        raise BadInput(unknown("field", strange[0], settable))
    edit = {key: value for key, value in sent.items() if key in settable}
    try:
        checked = _adapter(name).validate_python(edit)
    except ValidationError as err:
        first = err.errors(include_url=False, include_input=False)[0]
        raise BadInput(f"{first['loc'][0]}: {first['msg']}") from err
    return {resource.fields[key]: value for key, value in checked.items()}
