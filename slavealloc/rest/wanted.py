"""Which rows of a list somebody wants, read from what stands behind the question mark; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from farmhand.errors import BadInput
from farmhand.wording import unknown
from slavealloc.rest import forms
from slavealloc.rest.resources import RESOURCES, SHOWN_BESIDE, check_form

BOOLEANS = {"1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which rows: `filters` name → any of these texts, `switches` name → whether it must be so.

    `sort` is a field, with `-` before it the other way round.
    """

    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    switches: Mapping[str, bool] = field(default_factory=dict)
    search: str = ""
    sort: str = ""
    limit: int | None = None
    offset: int = 0

    @property
    def part(self) -> bool:
        """Whether this may be a part of the rows that are meant."""
        return self.limit is not None or self.offset > 0


def find_sorts(table: str) -> list[str]:
    """List the fields a list can be sorted by."""
    return [*RESOURCES[table].fields, *sorted(SHOWN_BESIDE.get(table, ()))]


def parse_wanted(table: str, query: Sequence[tuple[str, str]], *, strict: bool) -> Wanted:
    """Read a list's query; `strict` refuses names there are not. Raises BadInput naming one."""
    form = RESOURCES[table].query
    known: Mapping[str, Any] = form.__annotations__
    sent: dict[str, Any] = {}
    for name, text in query:
        if name not in known:
            if strict:
                raise BadInput(unknown("filter", name, known))
        elif known[name] == forms.Texts:
            sent.setdefault(name, []).append(text)
        else:
            sent[name] = text
    checked = check_form(form, sent)
    sort = checked.get("sort", "")
    if sort and sort.removeprefix("-") not in find_sorts(table):
        raise BadInput(f"sort: {unknown('field', sort.removeprefix('-'), find_sorts(table))}")
    return Wanted(
        filters={name: value for name, value in checked.items() if isinstance(value, list)},
        switches={name: BOOLEANS[checked[name]] for name in checked if known[name] == forms.Switch},
        search=checked.get("search", ""),
        sort=sort,
        limit=checked.get("limit"),
        offset=checked.get("offset", 0),
    )
