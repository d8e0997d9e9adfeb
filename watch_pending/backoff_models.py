"""What AWS would not give, and machines that never connected, as frozen data; pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from watch_pending.config_machines import Market


@dataclass(frozen=True, kw_only=True, slots=True)
class Exhausted:
    """What this run must not ask for again; None stands for any."""

    reason: str
    market: Market | None = None
    region: str | None = None
    availability_zone: str | None = None
    ec2_type: str | None = None
    subnet: str | None = None
    instance_type: str | None = None


class Kind(StrEnum):
    """Why AWS refused, by what it speaks of."""

    CAPACITY = "capacity"  # an EC2 type of one market in one zone
    SUBNET = "subnet"
    QUOTA = "quota"  # a market in a region
    SETTINGS = "settings"  # an instance type in a region, as it is configured


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused(Exhausted):
    """What AWS refused, to be remembered between runs; `reason` is what it said."""

    kind: Kind

    @property
    def scope(self) -> str:
        """Name what is refused, the same for every refusal of it.

        >>> Refused(kind=Kind.QUOTA, market=Market.SPOT, region="us-east-1", reason="…").scope
        'quota/spot/us-east-1'
        """
        parts = (self.market, self.region, self.availability_zone, self.ec2_type)
        named = (*parts, self.subnet, self.instance_type)
        return "/".join([self.kind.value, *(part for part in named if part is not None)])

    @property
    def where(self) -> str:
        """Say in words what is refused.

        >>> Refused(kind=Kind.QUOTA, market=Market.SPOT, region="us-east-1", reason="…").where
        'spot machines in us-east-1'
        """
        match self.kind:
            case Kind.CAPACITY:
                return f"{self.market} {self.ec2_type} in {self.availability_zone}"
            case Kind.SUBNET:
                return f"{self.subnet} in {self.availability_zone}"
            case Kind.QUOTA:
                return f"{self.market} machines in {self.region}"
            case Kind.SETTINGS:
                return f"{self.instance_type} in {self.region}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Backoff(Refused):
    """A refusal that is remembered: nothing is asked for there until its end, then one machine.

    Without an end it holds as long as the settings have this digest. Whether it `is_over` was
    asked of the database's clock.
    """

    failures: int
    began_at: datetime
    until: datetime | None
    is_over: bool
    settings_sha256: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Failures:
    """How many machines of a type, or with `ami` of one of its AMIs, never connected in a row."""

    instance_type: str
    ami: str | None
    count: int
