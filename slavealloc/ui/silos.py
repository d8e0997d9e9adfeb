"""Silos and pools as one table of counts; pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from slavealloc.models import Silo
from slavealloc.ui.fields import Names

PARTS = {
    "pool": "pools",
    "distro": "distros",
    "bitlength": "bitlengths",
    "speed": "speeds",
    "purpose": "purposes",
    "datacenter": "datacenters",
    "trustlevel": "trustlevels",
    "environment": "environments",
}
"""What a silo is made of, in a Silo's order, and the tables whose ids these are."""
Parts = Mapping[str, str]
"""Part of a silo → name; "" where it has none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Count:
    """How many workers of a silo are enabled and asked lately, are silent, are disabled."""

    silo: Silo
    live: int
    silent: int
    disabled: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """A silo's workers in one pool; `link` leads to the list of them."""

    live: int
    silent: int
    disabled: int
    link: str

    @property
    def total(self) -> int:
        """How many there are."""
        return self.live + self.silent + self.disabled


@dataclass(frozen=True, kw_only=True, slots=True)
class SiloRow:
    """A silo, without its pool, and its cells in the order of the pivot's pools."""

    parts: Sequence[str]
    cells: Sequence[Cell | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pivot:
    """Silo × pool. `alike` are the parts in which all silos agree, `differing` the others."""

    pools: Sequence[str]
    alike: Parts
    differing: Sequence[str]
    rows: Sequence[SiloRow]


def name_silo(silo: Silo, names: Names) -> dict[str, str]:
    """Name a silo's parts, its pool included."""
    return {
        part: "" if id_ is None else names[table].get(id_, f"#{id_}")
        for (part, table), id_ in zip(PARTS.items(), silo, strict=True)
    }


def link_workers(**filters: str) -> str:
    """Make the address of the list of workers, filtered; "" is for who has none.

    >>> link_workers(pool="prod", distro="")
    '/ui/workers?pool=prod&distro=-'
    """
    return f"/ui/workers?{urlencode({name: value or '-' for name, value in filters.items()})}"


def make_pivot(counts: Sequence[Count], names: Names) -> Pivot:
    """Count workers by silo and pool; rows and columns are in order of names."""
    named = [(name_silo(count.silo, names), count) for count in counts]
    pools = sorted({parts["pool"] for parts, _ in named})
    kinds = [part for part in PARTS if part != "pool"]
    values = {part: {parts[part] for parts, _ in named} for part in kinds}
    differing = [part for part in kinds if len(values[part]) > 1]
    rows: dict[tuple[str, ...], dict[str, Cell]] = defaultdict(dict)
    for parts, count in named:
        rows[tuple(parts[part] for part in differing)][parts["pool"]] = Cell(
            live=count.live,
            silent=count.silent,
            disabled=count.disabled,
            link=link_workers(**parts),
        )
    return Pivot(
        pools=pools,
        alike={part: next(iter(values[part])) for part in kinds if len(values[part]) == 1},
        differing=differing,
        rows=[
            SiloRow(parts=parts, cells=[cells.get(pool) for pool in pools])
            for parts, cells in sorted(rows.items())
        ],
    )
