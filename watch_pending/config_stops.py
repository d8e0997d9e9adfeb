"""When machines stop, and who is asked before, in farmhand.yml; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import ConfigDict, SecretStr

from farmhand.validation import Count, HttpUrl, NonEmpty, Seconds
from watch_pending.config_machines import Market


@dataclass(frozen=True, kw_only=True, slots=True)
class MasterAccess:
    """Where a master's web server is, and whom it lets pause a worker."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    url: HttpUrl
    user: NonEmpty | None = None
    password: SecretStr | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StopIdle:
    """When `stop-idle` stops a machine. Times by market; the rest by instance type.

    A machine older than its `max_age_s` stops when its job is done. `min_running` and `min_idle`
    machines are left, however idle they are. A worker that was just paused has `settle_s` to take
    what its master was about to give it, before it is looked at again.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    idle_s: Mapping[Market, Seconds] = field(default_factory=dict)
    min_age_s: Mapping[Market, Seconds] = field(default_factory=dict)
    max_age_s: Mapping[str, Seconds] = field(default_factory=dict)
    min_running: Mapping[str, Count] = field(default_factory=dict)
    min_idle: Mapping[str, Count] = field(default_factory=dict)
    settle_s: Seconds = 1.0


IDLE_S = {Market.SPOT: 600.0, Market.ON_DEMAND: 600.0}
MIN_AGE_S = {Market.SPOT: 900.0, Market.ON_DEMAND: 1800.0}
