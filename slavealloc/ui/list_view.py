"""What the list of workers shows of its rows; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from slavealloc.ui.list_asked import (
    NOTHING,
    PAGE_SIZE,
    SILO,
    Asked,
    Sort,
    State,
    format_asked,
    turn_sort,
)

# Field → id → name, each in order of name.
Known = Mapping[str, Mapping[int, str]]

TITLES = {
    Sort.NAME: "Worker",
    Sort.STATE: "State",
    Sort.SEEN: "Last seen",
    Sort.MASTER: "Master",
    Sort.POOL: "Pool",
    Sort.NOTES: "Notes",
}
LABELS = {
    "trustlevel": "Trust",
    "locked": "Locked to",
    "instance_type": "Instance type",
}
# These stand beside the search, the others behind "More filters".
FIRST_FIELDS = ("pool", "master")


@dataclass(frozen=True, kw_only=True, slots=True)
class LastWord:
    """Who enabled or disabled a worker last."""

    who: str
    at: datetime
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """A worker in the list; `silo`: field → name."""

    id: int
    name: str
    enabled: bool
    silent: bool
    last_seen_at: datetime | None
    master: str | None
    locked: str | None
    silo: Mapping[str, str | None]
    notes: str
    last_word: LastWord | None

    @property
    def pool(self) -> str | None:
        """Name its pool."""
        return self.silo["pool"]

    @property
    def kind(self) -> str:
        """Name the rest of its silo."""
        return " · ".join(name for field in SILO[1:] if (name := self.silo[field]))


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """A column's head; `url` sorts by it."""

    title: str
    url: str
    direction: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """A field to filter by, with its choices: value → text."""

    name: str
    label: str
    chosen: str
    choices: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerList:
    """One page of the list."""

    asked: Asked
    url: str
    rows: Sequence[Listed]
    heads: Mapping[str, Head]
    filters: Sequence[Filter]
    more_filters: Sequence[Filter]
    count: int
    total: int
    first: int
    earlier: str | None
    later: str | None

    @property
    def last(self) -> int:
        """Number the last row that is shown."""
        return self.first + len(self.rows) - 1

    @property
    def is_more_asked(self) -> bool:
        """Say whether a filter is in use that stands behind the others."""
        return any(each.chosen for each in self.more_filters)


def make_list(
    asked: Asked, rows: Sequence[Listed], known: Known, *, count: int, total: int
) -> WorkerList:
    """Make the page: `count` workers are asked for, of `total`."""
    filters = [make_filter(name, asked, known) for name in (*FIRST_FIELDS, *_others())]
    useful = [each for each in filters if each.chosen or len(each.choices) > 2]
    start = (asked.page - 1) * PAGE_SIZE
    return WorkerList(
        asked=asked,
        url=format_asked(asked),
        rows=rows,
        heads={sort.value: _make_head(asked, sort) for sort in Sort},
        filters=[_state_filter(asked), *(each for each in useful if each.name in FIRST_FIELDS)],
        more_filters=[each for each in useful if each.name not in FIRST_FIELDS],
        count=count,
        total=total,
        first=start + 1,
        earlier=format_asked(replace(asked, page=asked.page - 1)) if asked.page > 1 else None,
        later=format_asked(replace(asked, page=asked.page + 1))
        if start + len(rows) < count
        else None,
    )


def _others() -> list[str]:
    return [name for name in (*SILO, "locked", "instance_type") if name not in FIRST_FIELDS]


def make_filter(name: str, asked: Asked, known: Known) -> Filter:
    """Make a field's filter; what is asked for stands in it even where nothing is called so."""
    chosen = asked.names.get(name, "")
    choices = {"": "any", **{each: each for each in known[name].values()}}
    if name in {"master", "locked"} or chosen == NOTHING:
        choices[NOTHING] = "none"
    if chosen not in choices:
        choices[chosen] = chosen
    label = LABELS.get(name, name.capitalize())
    return Filter(name=name, label=label, chosen=chosen, choices=choices)


def _state_filter(asked: Asked) -> Filter:
    choices = {"": "any", **{state.value: state.value for state in State}}
    return Filter(name="state", label="State", chosen=asked.state or "", choices=choices)


def _make_head(asked: Asked, sort: Sort) -> Head:
    direction = "descending" if asked.descending else "ascending"
    return Head(
        title=TITLES[sort],
        url=format_asked(turn_sort(asked, sort)),
        direction=direction if asked.sort is sort else "none",
    )
