"""The `watch_pending:` section of farmhand.yml as frozen dataclasses; pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from farmhand.validation import (
    Count,
    NonEmpty,
    NotBool,
    PositiveInt,
    Problem,
    Seconds,
    SecretUrl,
    Usd,
)
from farmhand.wording import unknown
from watch_pending.ami_parameters import reference_problem
from watch_pending.config_backoff import BackoffTimes
from watch_pending.config_machines import (
    InstanceType,
    Market,
    OnDemand,
    Spot,
    name_pattern_problem,
)
from watch_pending.config_sanity import Sanity
from watch_pending.config_sources import InventoryServer, JacuzziServer
from watch_pending.config_stops import MasterAccess, StopIdle


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
    jacuzzis_from: Literal["database"] | JacuzziServer | None = None
    inventory: InventoryServer | None = None
    usd_per_hour: Mapping[str, Usd] = field(default_factory=dict)
    latest_ami_percentage: Annotated[int, NotBool, Field(ge=0, le=100)] = 100
    max_launches_per_run: Count | None = None
    max_usd_per_hour: Usd | None = None
    original_freshness: bool = False
    scheduler_timeout_s: Seconds = 30.0
    min_pending_age_s: Annotated[float, NotBool, Field(ge=0, allow_inf_nan=False)] = 10.0
    max_pending_age_s: Seconds = 86400.0
    boot_deadline_s: Seconds = 1200.0
    round_gap_s: Seconds = 600.0
    max_bootstrap_failures: PositiveInt = 5
    backoff: BackoffTimes = field(default_factory=BackoffTimes)
    masters: Mapping[str, MasterAccess] = field(default_factory=dict)
    stop_idle: StopIdle = field(default_factory=StopIdle)
    sanity: Sanity = field(default_factory=Sanity)

    def find_problems(self) -> Iterator[Problem]:
        """Yield what no single value shows: names nobody defines, patterns that can't work."""
        yield from self.find_bad_patterns()
        yield from self._unknown_types()
        yield from self._unknown_regions()
        if self.jacuzzis and self.jacuzzis_from is not None:
            both = "jacuzzis stand in watch_pending.jacuzzis too: keep one of the two"
            yield Problem(("jacuzzis_from",), both)

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
        yield from self._bad_ami_references()
        if self.backoff.first_s > self.backoff.most_s:
            yield Problem(("backoff", "first_s"), "must not be more than most_s")
        if self.min_pending_age_s >= self.max_pending_age_s:
            yield Problem(("min_pending_age_s",), "must be less than max_pending_age_s")

    def _bad_ami_references(self) -> Iterator[Problem]:
        for name, instance_type in self.instance_types.items():
            for region, place in instance_type.regions.items():
                amis = {"ami": place.ami, "ami_if_untagged": place.ami_if_untagged}
                for which, ami in amis.items():
                    if problem := reference_problem(ami):
                        path = ("instance_types", name, "regions", region, which)
                        yield Problem(path, problem)

    def _unknown_types(self) -> Iterator[Problem]:
        used: list[tuple[tuple[str, ...], str]] = [
            *((("buildermap", pattern), name) for pattern, name in self.buildermap.items()),
            *((("spot", "rules", name), name) for name in self.spot.rules),
            *(((*scope, name), name) for scope, limits in self._limits() for name in limits),
            *((("stop_idle", key, name), name) for key, names in self._stops() for name in names),
            *((("sanity", "running_s", name), name) for name in self.sanity.running_s),
            *(
                (("inventory", "types", name), name)
                for name in (self.inventory.types if self.inventory else ())
            ),
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
