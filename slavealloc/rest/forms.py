"""What requests may say, as types that bodies are checked against and that OpenAPI shows; pure."""

from typing import Annotated

from pydantic import ConfigDict, Field, with_config
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
