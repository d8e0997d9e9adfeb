"""What the front page says: what is wrong first, then how the workers are spread; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from slavealloc.allocate import place_workers
from slavealloc.models import Loads, Master, Placement, Refusal, Silo, Worker
from slavealloc.ui.fields import Names
from slavealloc.ui.silos import Count, link_workers, name_silo

SHOWN = 8
BAR_WIDTH = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Disabled:
    """A worker that is disabled; when, by whom and why, where the audit knows."""

    name: str
    notes: str
    at: datetime | None
    who: str | None
    why: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Silent:
    """A worker that is enabled, and asked too long ago to be counted."""

    name: str
    last_seen_at: datetime
    master: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Alike:
    """Enabled workers that are all placed alike; `sample` is the first of them by name."""

    sample: Worker
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """Workers that ask in vain, and why."""

    why: str
    count: int
    sample: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MasterLoad:
    """A master, how many workers it has, and how many of them asked lately."""

    nickname: str
    pool: str
    enabled: bool
    notes: str
    http_url: str | None
    total: int
    live: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """One of a master's workers; `state`: live, silent or disabled."""

    name: str
    state: str
    last_seen_at: datetime | None
    locked: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A master's bar; `width` in percent of the longest one."""

    load: MasterLoad
    width: int
    live_width: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """How evenly a silo's live workers are spread over its pool's enabled masters."""

    silo: str
    link: str
    fewest: int
    most: int
    masters: int
    workers: int

    @property
    def is_uneven(self) -> bool:
        """Whether it is more uneven than the allocator leaves it where nobody is locked."""
        return self.most - self.fewest > 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Jacuzzi:
    """A builder's machines, by what they are."""

    builder: str
    live: Sequence[str]
    disabled: Sequence[str]
    silent: Sequence[str]

    @property
    def total(self) -> int:
        """How many machines it has."""
        return len(self.live) + len(self.disabled) + len(self.silent)


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """All workers, by state."""

    live: int
    silent: int
    disabled: int

    @property
    def all(self) -> int:
        """How many workers there are."""
        return self.live + self.silent + self.disabled


def sum_counts(counts: Iterable[Count]) -> Totals:
    """Add the silos' workers up."""
    counts = list(counts)
    return Totals(
        live=sum(count.live for count in counts),
        silent=sum(count.silent for count in counts),
        disabled=sum(count.disabled for count in counts),
    )


def find_troubles(groups: Sequence[Alike], masters: Mapping[int, Master]) -> list[Trouble]:
    """Say who is enabled and would get no tac, most first, in the allocator's own words."""
    answers = place_workers([group.sample for group in groups], masters, {})
    found: dict[str, Trouble] = {}
    for group, answer in zip(groups, answers, strict=True):
        why = _refused(answer)
        if why is None:
            continue
        before = found.get(why)
        found[why] = Trouble(
            why=why,
            count=group.count + (before.count if before else 0),
            sample=min(group.sample.name, before.sample if before else group.sample.name),
        )
    return sorted(found.values(), key=lambda each: (-each.count, each.why))


def _refused(answer: Placement | Refusal) -> str | None:
    if isinstance(answer, Refusal):
        return answer.why
    if answer.worker.template is None:
        return "its tac template is not one of this release's"
    return None


def make_bars(loads: Sequence[MasterLoad]) -> list[Bar]:
    """Draw masters, the fullest first."""
    longest = max((load.total for load in loads), default=0) or 1
    return [
        Bar(
            load=load,
            width=round(BAR_WIDTH * load.total / longest),
            live_width=round(BAR_WIDTH * load.live / longest),
        )
        for load in sorted(loads, key=lambda each: (-each.total, each.nickname))
    ]


def find_spreads(loads: Loads, masters: Mapping[int, Master], names: Names) -> list[Spread]:
    """Say how each silo is spread, the most uneven first."""
    found = [_spread(silo, load, masters, names) for silo, load in loads.items()]
    return sorted(found, key=lambda each: (each.fewest - each.most, -each.workers, each.silo))


def _spread(
    silo: Silo, load: Mapping[int, int], masters: Mapping[int, Master], names: Names
) -> Spread:
    serving = [each.id for each in masters.values() if each.enabled and each.pool_id == silo[0]]
    counts = [load.get(master_id, 0) for master_id in serving] or [0]
    parts = name_silo(silo, names)
    return Spread(
        silo=" · ".join(name for name in parts.values() if name),
        link=link_workers(**parts),
        fewest=min(counts),
        most=max(counts),
        masters=len(serving),
        workers=sum(load.values()),
    )
