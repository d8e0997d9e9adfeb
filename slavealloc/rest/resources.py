"""The REST tables: the original's field names, their columns, what may be changed; pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from farmhand.errors import BadInput
from farmhand.wording import unknown
from slavealloc.rest import forms
from slavealloc.tac import check_template


@dataclass(frozen=True, kw_only=True, slots=True)
class Resource:
    """One table of the API.

    `fields`: the API's name → the column's, in the order they are shown; `hidden` are never shown.
    `references`: the API's name → the table whose id it is. `name_field` is None where rows have no
    name. `defaults`: the column → what an added row has where its body does not say.
    """

    table: str
    name_field: str | None
    edit: type[Any]
    add: type[Any]
    required: frozenset[str]
    query: type[Any]
    fields: Mapping[str, str]
    references: Mapping[str, str] = field(default_factory=dict)
    hidden: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id_field(self) -> str:
        """The API's name of the id."""
        return next(name for name, column in self.fields.items() if column == "id")

    @property
    def columns(self) -> Mapping[str, str]:
        """The API's name → the column's, hidden ones too."""
        return {**self.fields, **self.hidden}


def _look_up(table: str, id_field: str) -> Resource:
    return Resource(
        table=table,
        name_field="name",
        edit=forms.NameEdit,
        add=forms.NameEdit,
        required=frozenset({"name"}),
        query=forms.ListQuery,
        fields={id_field: "id", "name": "name"},
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
        edit=forms.SlaveEdit,
        add=forms.SlaveAdd,
        required=frozenset({"name", "poolid"}),
        query=forms.SlaveQuery,
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
        defaults={"enabled": False},
    ),
    "masters": Resource(
        table="masters",
        name_field="nickname",
        edit=forms.MasterEdit,
        add=forms.MasterEdit,
        required=frozenset({"nickname", "fqdn", "pb_port", "poolid"}),
        query=forms.MasterQuery,
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
        defaults={"enabled": False, "http_port": 0},
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
        edit=forms.TemplateEdit,
        add=forms.TemplateEdit,
        required=frozenset({"name"}),
        query=forms.ListQuery,
        fields={"tplid": "id", "name": "name", "template": "template"},
    ),
    "slave_passwords": Resource(
        table="worker_passwords",
        name_field=None,
        edit=forms.PasswordEdit,
        add=forms.PasswordEdit,
        required=frozenset({"poolid", "password"}),
        query=forms.Paging,
        fields={"passwordid": "id", "poolid": "pool_id", "distroid": "distro_id"},
        references={"poolid": "pools", "distroid": "distros"},
        hidden={"password": "password"},
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
def _adapter(form: Any) -> TypeAdapter[Any]:
    return TypeAdapter(form)


def parse_object(body: bytes) -> dict[str, Any]:
    """Read a body that is a JSON object; raises BadInput."""
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError) as err:
        raise BadInput(f"the body is not JSON: {err}") from err
    if not isinstance(sent, dict):
        raise BadInput("the body is not a JSON object")
    return sent


def check_form(form: Any, sent: Mapping[str, object]) -> dict[str, Any]:
    """Check fields against their types; raises BadInput naming the first that is wrong."""
    try:
        checked: dict[str, Any] = _adapter(form).validate_python(dict(sent))
    except ValidationError as err:
        first = err.errors(include_url=False, include_input=False)[0]
        raise BadInput(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from err
    return checked


def check_edit(name: str, sent: Mapping[str, object]) -> dict[str, Any]:
    """Check what is to change of a row → column and new value.

    Fields that are shown but can't be set are passed over, so that a row may be sent back whole.

    Raises BadInput naming the field.
    """
    resource = RESOURCES[name]
    return _check_columns(resource, resource.edit, _settable(name, sent, resource.edit))


def check_add(name: str, sent: Mapping[str, object]) -> dict[str, Any]:
    """Check what a new row is to have → column and value; raises BadInput naming the field."""
    resource = RESOURCES[name]
    settable = _settable(name, sent, resource.add)
    if missing := sorted(resource.required - set(settable)):
        raise BadInput(f"{missing[0]}: is required")
    return {**resource.defaults, **_check_columns(resource, resource.add, settable)}


def _settable(name: str, sent: Mapping[str, object], form: type[Any]) -> dict[str, object]:
    settable: Iterable[str] = form.__annotations__
    known = {*RESOURCES[name].columns, *SHOWN_BESIDE.get(name, ())}
    if strange := [key for key in sent if key not in known]:
        raise BadInput(unknown("field", strange[0], settable))
    return {key: value for key, value in sent.items() if key in settable}


def _check_columns(resource: Resource, form: Any, sent: Mapping[str, object]) -> dict[str, Any]:
    checked = check_form(form, sent)
    if checked.get("template") is not None:
        try:
            check_template(checked["template"])
        except BadInput as err:
            raise BadInput(f"template: {err}") from err
    return {resource.columns[key]: value for key, value in checked.items()}
