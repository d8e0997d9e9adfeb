"""Where jacuzzis and worker names come from, when not from farmhand.yml or the farm DB; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from farmhand.validation import HttpUrl, NonEmpty, Seconds


class IfDown(StrEnum):
    """What is done for jobs whose jacuzzi nobody can tell: nothing, or as if they had none."""

    HOLD = "hold"
    NONE = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class JacuzziServer:
    """An allocator that tells jacuzzis over HTTP: slavealloc, or the original's.

    `timeout_s` is for one question; all of them together have three times that.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    url: HttpUrl
    timeout_s: Seconds = 5.0
    if_down: IfDown = IfDown.HOLD


@dataclass(frozen=True, kw_only=True, slots=True)
class InventoryServer:
    """A list of workers over HTTP, as slavealloc has it at /api/slaves, kept for `cache_s`.

    `types`: instance type → what a worker's fields say, for workers that don't name theirs; the
    first that fits is taken.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    url: HttpUrl
    timeout_s: Seconds = 30.0
    cache_s: Seconds = 600.0
    types: Mapping[str, Annotated[Mapping[str, NonEmpty], Field(min_length=1)]] = field(
        default_factory=dict
    )
