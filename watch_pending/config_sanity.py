"""What `sanity` finds too long, and what a volume costs, in farmhand.yml; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import ConfigDict

from farmhand.validation import Seconds, Usd


@dataclass(frozen=True, kw_only=True, slots=True)
class Sanity:
    """From when on `sanity` finds something wrong; `running_s` by instance type.

    A volume costs what AWS lists for gp3 in us-east-1, a GiB and month.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    stopped_s: Seconds = 86400.0
    running_s: Mapping[str, Seconds] = field(default_factory=dict)
    paused_s: Seconds = 86400.0
    orphan_s: Seconds = 600.0
    volume_usd_per_gib_month: Usd = 0.08


RUNNING_S = 86400.0
