"""AMIs as `amis` sees them, and what becomes of each; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnImage:
    """An AMI of the account. Source: DescribeImages, owner self.

    `created` is the tag `moz-created`, else EC2's date; `snapshots` are those of its EBS disks.
    """

    ami: str
    region: str
    name: str
    instance_type: str | None
    farm: str | None
    state: str
    root_device_type: str
    created: datetime
    snapshots: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class MarkedSnapshot:
    """A snapshot that bears a farm's tag; `pruned_ami` is the AMI that was to go before it."""

    snapshot: str
    region: str
    farm: str
    pruned_ami: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """Something that an AMI is needed for, in words."""

    ami: str
    region: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Shelf:
    """All that a pruning rests on, read once. `lost` are regions nothing is done in: why."""

    farm: str
    images: tuple[OwnImage, ...] = ()
    uses: tuple[Use, ...] = ()
    marked: tuple[MarkedSnapshot, ...] = ()
    lost: Mapping[str, str] = field(default_factory=dict)


class Verdict(StrEnum):
    """Why an AMI stays."""

    FOREIGN = "foreign"
    UNTYPED = "untyped"
    NOT_AVAILABLE = "not_available"
    NEWEST = "newest"
    IN_USE = "in_use"


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """An AMI that stays, and why."""

    image: OwnImage
    verdict: Verdict
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruned:
    """An AMI to deregister, and the snapshots to delete after it."""

    image: OwnImage
    snapshots: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class PrunePlan:
    """What goes and what stays; `orphans` are snapshots that a run left when it was killed."""

    prune: tuple[Pruned, ...] = ()
    orphans: tuple[MarkedSnapshot, ...] = ()
    kept: tuple[Kept, ...] = ()


class Fate(StrEnum):
    """What became of an AMI or a snapshot."""

    DEREGISTERED = "deregistered"
    DELETED = "deleted"
    FAILED = "failed"
    NOT_TRIED = "not_tried"


@dataclass(frozen=True, kw_only=True, slots=True)
class PruneOutcome:
    """How it went with one AMI, or with one of its snapshots."""

    region: str
    ami: str
    instance_type: str | None
    fate: Fate
    snapshot: str | None = None
    why: str = ""
