"""What the sources of jacuzzis and of worker names say, as frozen data; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from watch_pending.config_machines import MAX_NAME_LENGTH, Market

INVENTORY, JACUZZIS = "inventory", "jacuzzis"


@dataclass(frozen=True, kw_only=True, slots=True)
class InventoryWorker:
    """A worker of the farm database, or of another inventory; hardware has no market.

    One that is disabled keeps its name, and is good for nothing else.
    """

    name: str
    instance_type: str | None
    market: Market | None
    enabled: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Jacuzzis:
    """Which workers builders are confined to; `allocated` are those of all jacuzzis.

    `unknown`: builder → why nobody can tell its jacuzzi. `allocated_unknown` says why nobody can
    tell what the other builders must not take.
    """

    by_builder: Mapping[str, frozenset[str]] = field(default_factory=dict)
    allocated: frozenset[str] = frozenset()
    unknown: Mapping[str, str] = field(default_factory=dict)
    allocated_unknown: str = ""

    @classmethod
    def of(cls, workers: Mapping[str, Iterable[str]]) -> Self:
        """Make them from all there are: builder → workers."""
        sets = {builder: frozenset(names) for builder, names in workers.items()}
        return cls(by_builder=sets, allocated=frozenset().union(*sets.values()))

    def why_unknown(self, builder: str) -> str:
        """Say why nobody can tell which workers a builder's jobs may take, or nothing."""
        if builder in self.by_builder:
            return ""
        return self.unknown.get(builder, self.allocated_unknown)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """A source that did not tell what it should; `held`: something waits because of that."""

    source: str
    why: str
    held: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """What was read beside the databases and EC2; `inventory_unknown` says why there is none."""

    jacuzzis: Jacuzzis = field(default_factory=Jacuzzis)
    inventory_unknown: str = ""
    troubles: tuple[Trouble, ...] = ()

    @property
    def held(self) -> bool:
        """Whether something waits for want of a source."""
        return any(trouble.held for trouble in self.troubles)


def is_name(value: object) -> bool:
    """Whether a worker can have this name.

    >>> is_name("bld-linux64-001"), is_name("bld\\n"), is_name(7)
    (True, False, False)
    """
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME_LENGTH and value.isprintable()
