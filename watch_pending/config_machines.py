"""Machines in farmhand.yml: instance types, where they start, what they may cost; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from farmhand.validation import Count, ExistingFile, NonEmpty, Positive, PositiveInt, Usd

FROM_INVENTORY = "workers"
MAX_NAME_LENGTH = 50  # workers.name in Buildbot's database is VARCHAR(50)

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
