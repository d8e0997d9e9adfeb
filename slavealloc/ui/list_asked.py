"""Which workers a list is asked for, as its address says; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from urllib.parse import urlencode

SILO = (
    "pool",
    "distro",
    "bitlength",
    "speed",
    "purpose",
    "datacenter",
    "trustlevel",
    "environment",
)
# Each may be asked for by its name, or by NOTHING for workers that have none.
FIELDS = (*SILO, "master", "locked", "instance_type")
NOTHING = "-"
MOST_WORDS = 8
MOST_CHARACTERS = 200
MOST_PAGES = 1_000_000
PAGE_SIZE = 100


class State(StrEnum):
    """How a worker is: silent is enabled and not seen for long, live is enabled and seen."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    SILENT = "silent"
    LIVE = "live"


class Sort(StrEnum):
    """The columns that a list can be sorted by."""

    NAME = "name"
    STATE = "state"
    SEEN = "seen"
    MASTER = "master"
    POOL = "pool"
    NOTES = "notes"


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What is asked for: each word of `q`, all of `names` (field → name), in that state."""

    q: str = ""
    state: State | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    sort: Sort = Sort.NAME
    descending: bool = False
    page: int = 1

    @property
    def words(self) -> list[str]:
        """List what is searched for."""
        return self.q.lower().split()[:MOST_WORDS]

    @property
    def is_narrowed(self) -> bool:
        """Say whether anything but the order is asked for."""
        return bool(self.q or self.state or self.names)


def parse_asked(query: Mapping[str, str]) -> Asked:
    """Read an address; what is empty or means nothing here is passed over.

    >>> parse_asked({"q": " lion  r5 ", "pool": "", "sort": "-seen", "page": "x"}).q
    'lion r5'
    """
    sort, state, page = query.get("sort", ""), query.get("state", ""), query.get("page", "")
    column = sort.removeprefix("-")
    return Asked(
        q=" ".join(query.get("q", "").replace("\0", "")[:MOST_CHARACTERS].split()),
        state=State(state) if state in set(State) else None,
        names={name: query[name] for name in FIELDS if query.get(name)},
        sort=Sort(column) if column in set(Sort) else Sort.NAME,
        descending=sort.startswith("-") and column in set(Sort),
        page=min(max(int(page), 1), MOST_PAGES) if page.isascii() and page.isdigit() else 1,
    )


def format_asked(asked: Asked) -> str:
    """Write the shortest address that asks for this.

    >>> format_asked(Asked(q="lion r5", names={"pool": "a&b"}, sort=Sort.SEEN, descending=True))
    '/ui/workers?q=lion+r5&pool=a%26b&sort=-seen'
    """
    pairs: dict[str, str] = {"q": asked.q, "state": asked.state or "", **asked.names}
    if asked.sort is not Sort.NAME or asked.descending:
        pairs["sort"] = f"{'-' if asked.descending else ''}{asked.sort}"
    if asked.page > 1:
        pairs["page"] = str(asked.page)
    query = urlencode({key: value for key, value in pairs.items() if value})
    return f"/ui/workers?{query}" if query else "/ui/workers"


def turn_sort(asked: Asked, sort: Sort) -> Asked:
    """Ask for the same in another order; in the same one, backwards."""
    descending = asked.sort is sort and not asked.descending
    return replace(asked, sort=sort, descending=descending, page=1)


def turn_back(asked: Asked, count: int) -> Asked:
    """Ask for the last page of `count` workers instead of one after it.

    >>> turn_back(Asked(page=9), 101).page, turn_back(Asked(page=1), 0).page
    (2, 1)
    """
    return replace(asked, page=min(asked.page, max(1, -(-count // PAGE_SIZE))))
