"""What requests may say, as types that bodies are checked against and that OpenAPI shows; pure."""

import re
from typing import Annotated, Any, Literal, NotRequired

from pydantic import BeforeValidator, ConfigDict, Field, with_config
from typing_extensions import TypedDict  # pydantic takes typing's from Python 3.12 on

FORM = ConfigDict(extra="forbid", strict=True)
Id = Annotated[int, Field(ge=1, lt=2**63)]
Port = Annotated[int, Field(ge=1, le=65535)]
Notes = Annotated[str, Field(max_length=16000, pattern=r"^[^\x00]*$")]
ShortText = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f]+$")]


@with_config(FORM)
class SlaveEdit(TypedDict, total=False):
    """What may be changed of a worker."""

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


@with_config(FORM)
class SlaveAdd(SlaveEdit, total=False):
    """What POST may say of a new worker."""

    name: Annotated[str, Field(pattern="^[a-z0-9_-]{1,50}$")]


@with_config(FORM)
class MasterEdit(TypedDict, total=False):
    """What may be changed of a master."""

    nickname: ShortText
    fqdn: ShortText
    pb_port: Port
    http_port: Annotated[int, Field(ge=0, le=65535)]
    poolid: Id
    dcid: Id | None
    enabled: bool
    notes: Notes | None


@with_config(FORM)
class NameEdit(TypedDict, total=False):
    """What may be changed of a look-up row."""

    name: ShortText


@with_config(FORM)
class TemplateEdit(TypedDict, total=False):
    """What may be changed of a tac template; null brings the shipped one back."""

    name: ShortText
    template: str | None


@with_config(FORM)
class PasswordEdit(TypedDict, total=False):
    """What may be changed of the password of a pool's workers of a distro, or null for any."""

    poolid: Id
    distroid: Id | None
    password: Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00]*$")]


@with_config(FORM)
class Reason(TypedDict, total=False):
    """Why something is changed; the audit keeps it."""

    why: Notes | None


@with_config(FORM)
class ManyEdits(TypedDict):
    """Rows that all get the same, all or none of them."""

    names: Annotated[list[ShortText], Field(min_length=1, max_length=2_000)]
    set: dict[str, Any]
    why: NotRequired[Notes | None]


@with_config(FORM)
class Builder(TypedDict):
    """A builder, by its name in Buildbot."""

    builder: ShortText


@with_config(FORM)
class JacuzziEdit(TypedDict):
    """All the workers that a builder is confined to."""

    machines: Annotated[list[ShortText], Field(min_length=1, max_length=2_000)]
    why: NotRequired[Notes | None]


@with_config(FORM)
class Asked(TypedDict, total=False):
    """Who wants a place: a worker, or several. `tac`: show their pages, passwords included."""

    name: ShortText
    names: Annotated[list[ShortText], Field(min_length=1, max_length=1_000)]
    tac: bool


# What stands behind the question mark: text, so these are read leniently.


def _read_number(text: object) -> object:
    """Read digits, and nothing else, as a number."""
    return int(text) if isinstance(text, str) and re.fullmatch("[0-9]{1,18}", text) else None


def _lower(text: object) -> object:
    return text.lower() if isinstance(text, str) else text


Switch = Annotated[Literal["1", "0", "true", "false"], BeforeValidator(_lower)]
Texts = list[Annotated[str, Field(max_length=255, pattern=r"^[^\x00]*$")]]


@with_config(FORM)
class Paging(TypedDict, total=False):
    """Which part of a list, in which order: a field, with - before it the other way round."""

    limit: Annotated[int, Field(ge=1, le=10_000), BeforeValidator(_read_number)]
    offset: Annotated[int, Field(ge=0, lt=2**31), BeforeValidator(_read_number)]
    sort: Annotated[str, Field(max_length=64, pattern="^-?[a-z_]+$")]


@with_config(FORM)
class ListQuery(Paging, total=False):
    """Which rows: `search` is a part of the name or the notes."""

    search: Annotated[str, Field(max_length=255, pattern=r"^[^\x00]*$")]


@with_config(FORM)
class SlaveQuery(ListQuery, total=False):
    """Which workers: names, `-` where there is none; `silent` did not ask for long."""

    pool: Texts
    distro: Texts
    bitlength: Texts
    speed: Texts
    purpose: Texts
    datacenter: Texts
    trustlevel: Texts
    environment: Texts
    master: Texts
    locked_master: Texts
    instance_type: Texts
    market: Texts
    enabled: Switch
    silent: Switch
    notes: Switch


@with_config(FORM)
class MasterQuery(ListQuery, total=False):
    """Which masters."""

    pool: Texts
    datacenter: Texts
    enabled: Switch
    notes: Switch


@with_config(FORM)
class RowQuery(TypedDict, total=False):
    """Whether the path has a row's name instead of its id."""

    byname: Switch


@with_config(FORM)
class Deletion(RowQuery, total=False):
    """Which row is to go, and why."""

    why: Notes
