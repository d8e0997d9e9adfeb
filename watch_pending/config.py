"""The `watch_pending:` section of farmhand.yml as frozen dataclasses; pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, SecretStr

from farmhand.validation import ExistingFile, NotBool, Problem, SecretUrl
from farmhand.wording import unknown

FROM_INVENTORY = "workers"
MAX_NAME_LENGTH = 50  # workers.name in Buildbot's database is VARCHAR(50)

Count = Annotated[int, NotBool, Field(ge=0)]
Positive = Annotated[float, NotBool, Field(gt=0, allow_inf_nan=False)]
PositiveInt = Annotated[int, NotBool, Field(gt=0)]
Usd = Positive
Seconds = Positive
NonEmpty = Annotated[str, Field(min_length=1)]
HttpUrl = Annotated[str, Field(pattern=r"^https?://[^\s/@]+(/\S*)?$")]
Limits = Mapping[str, Mapping[str, Count]]
"""`global` or a region → instance type → machines at most."""


class Market(StrEnum):
    """How a machine is paid for."""

    SPOT = "spot"
    ON_DEMAND = "on-demand"


@dataclass(frozen=True, kw_only=True, slots=True)
class SpotRule:
    """One EC2 type that an instance type may use, and what it may cost.

    `performance_constant` is the work it does relative to the others: price ÷ constant is ranked.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    ec2_type: NonEmpty
    max_price_usd_per_hour: Usd
    performance_constant: Positive = 1.0
    ignored_azs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Spot:
    """What may be bought on the spot market, and how much of it."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    rules: Mapping[str, tuple[SpotRule, ...]] = field(default_factory=dict)
    limits: Limits = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class OnDemand:
    """How much may be bought at the list price."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    limits: Limits = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Disk:
    """One block device; the root device is named as its AMI names it."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    size_gib: PositiveInt | None = None
    volume_type: str = "gp3"
    iops: PositiveInt | None = None
    throughput_mib_s: PositiveInt | None = None
    ephemeral: str | None = None
    delete_on_termination: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """How an instance type is launched in one region.

    Without `ami` it is our newest AMI tagged with the instance type, or `ami_if_untagged`.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    subnets: Annotated[tuple[NonEmpty, ...], Field(min_length=1)]
    security_groups: tuple[NonEmpty, ...] = ()
    ami: NonEmpty | None = None
    ami_if_untagged: NonEmpty | None = None
    ec2_type: NonEmpty | None = None
    domain: str = ""
    ssh_key: NonEmpty | None = None
    instance_profile: NonEmpty | None = None
    public_address: bool = False
    disks: Mapping[str, Disk] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class InstanceType:
    """A class of machine: `moz-type`, never EC2's type.

    `names` is a pattern with one `%d` (such as `bld-linux64-spot-%03d`), one such pattern a
    market, or `workers` for the enabled workers of the farm database.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    names: NonEmpty | Mapping[Market, NonEmpty]
    regions: Mapping[str, Place]
    user_data: ExistingFile | None = None
    product: str = "Linux/UNIX"

    def name_pattern(self, market: Market) -> str | None:
        """Return the market's pattern; None where names come from the inventory or it has none."""
        if isinstance(self.names, str):
            return None if self.names == FROM_INVENTORY else self.names
        return self.names.get(market)


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


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchPending:
    """Everything `watch-pending` needs to know; durations in seconds."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    scheduler_db: SecretUrl
    buildermap: Annotated[Mapping[str, str], Field(min_length=1)]
    instance_types: Mapping[str, InstanceType]
    region_priorities: Annotated[Mapping[str, Count], Field(min_length=1)]
    spot: Spot = field(default_factory=Spot)
    on_demand: OnDemand = field(default_factory=OnDemand)
    jacuzzis: Mapping[str, tuple[NonEmpty, ...]] = field(default_factory=dict)
    usd_per_hour: Mapping[str, Usd] = field(default_factory=dict)
    max_launches_per_run: Count | None = None
    max_usd_per_hour: Usd | None = None
    original_freshness: bool = False
    scheduler_timeout_s: Seconds = 30.0
    min_pending_age_s: Annotated[float, NotBool, Field(ge=0, allow_inf_nan=False)] = 10.0
    max_pending_age_s: Seconds = 86400.0
    boot_deadline_s: Seconds = 1200.0
    round_gap_s: Seconds = 600.0
    masters: Mapping[str, MasterAccess] = field(default_factory=dict)
    stop_idle: StopIdle = field(default_factory=StopIdle)

    def find_problems(self) -> Iterator[Problem]:
        """Yield what no single value shows: names nobody defines, patterns that can't work."""
        yield from self.find_bad_patterns()
        yield from self._unknown_types()
        yield from self._unknown_regions()

    def find_bad_patterns(self) -> Iterator[Problem]:
        """Yield patterns and ages that can't work, whatever else is configured."""
        for pattern in self.buildermap:
            if problem := regex_problem(pattern):
                yield Problem(("buildermap", pattern), problem)
        for name, instance_type in self.instance_types.items():
            for market in Market:
                names = instance_type.name_pattern(market)
                if names is not None and (problem := name_pattern_problem(names)):
                    key = () if isinstance(instance_type.names, str) else (market.value,)
                    yield Problem(("instance_types", name, "names", *key), problem)
        if self.min_pending_age_s >= self.max_pending_age_s:
            yield Problem(("min_pending_age_s",), "must be less than max_pending_age_s")

    def _unknown_types(self) -> Iterator[Problem]:
        used: list[tuple[tuple[str, ...], str]] = [
            *((("buildermap", pattern), name) for pattern, name in self.buildermap.items()),
            *((("spot", "rules", name), name) for name in self.spot.rules),
            *(((*scope, name), name) for scope, limits in self._limits() for name in limits),
            *((("stop_idle", key, name), name) for key, names in self._stops() for name in names),
        ]
        for path, name in used:
            if name not in self.instance_types:
                yield Problem(path, unknown("instance type", name, self.instance_types))

    def _unknown_regions(self) -> Iterator[Problem]:
        for path, _ in self._limits():
            known = ["global", *self.region_priorities]
            if path[-1] not in known:
                yield Problem(path, unknown("region", path[-1], known))
        for name, instance_type in self.instance_types.items():
            for region in instance_type.regions:
                if region not in self.region_priorities:
                    key = ("instance_types", name, "regions", region)
                    yield Problem(key, unknown("region", region, self.region_priorities))

    def _limits(self) -> Iterator[tuple[tuple[str, str, str], Mapping[str, int]]]:
        for market, limits in (("spot", self.spot.limits), ("on_demand", self.on_demand.limits)):
            for scope, by_type in limits.items():
                yield (market, "limits", scope), by_type

    def _stops(self) -> Iterator[tuple[str, Mapping[str, object]]]:
        yield "max_age_s", self.stop_idle.max_age_s
        yield "min_running", self.stop_idle.min_running
        yield "min_idle", self.stop_idle.min_idle


def regex_problem(pattern: str) -> str | None:
    """Say why a buildermap pattern does not compile, or None if it does.

    >>> regex_problem("^Linux.* (build")
    'the pattern does not compile: missing ), unterminated subpattern at position 9'
    """
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as err:
        return f"the pattern does not compile: {err}"
    return None


def name_pattern_problem(pattern: str) -> str | None:
    """Say why a pattern can't give worker names, or None if it can.

    >>> name_pattern_problem("bld-linux64-spot-%03d")
    >>> name_pattern_problem("bld-linux64")
    'a name pattern needs one %d, such as "bld-linux64-%03d", or the word "workers"'
    """
    try:
        name = pattern % 9999
    except (TypeError, ValueError):
        name = pattern
    if name == pattern or pattern % 1 == pattern % 2:
        return f'a name pattern needs one %d, such as "{pattern}-%03d", or the word "workers"'
    if len(name) > MAX_NAME_LENGTH:
        return f"names may have at most {MAX_NAME_LENGTH} characters; this gives {len(name)}"
    return None
