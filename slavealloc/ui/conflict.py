"""Two edits of one row, side by side; pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from slavealloc.doors.models import Stored
from slavealloc.ui.fields import FIELDS, Values


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A field in which the edits are not one.

    `seen` is what stood there when the form was opened, `mine` what it was to become, `now` what
    somebody else made of it meanwhile.
    """

    column: str
    seen: Stored
    mine: Stored
    now: Stored

    @property
    def is_contested(self) -> bool:
        """Whether both changed it, so that only a person can say which holds."""
        return self.mine not in (self.seen, self.now) and self.now != self.seen

    @property
    def prefers_mine(self) -> bool:
        """Whether only the form changed it."""
        return self.now == self.seen


def compare_edits(table: str, seen: Values, edit: Values, now: Values) -> list[Difference]:
    """List what the form would change of the row as it is now, and what others have changed.

    Of what neither touched nothing is said.
    """
    found = (
        Difference(
            column=column,
            seen=seen.get(column),
            mine=edit.get(column, seen.get(column)),
            now=now.get(column),
        )
        for column in FIELDS[table]
    )
    return [each for each in found if each.now != each.seen or each.mine != each.seen]


def choose_edit(choices: Mapping[str, str], mine: Values) -> dict[str, Stored]:
    """Keep of an edit what the person chose to keep: column → "mine" or "theirs"."""
    return {column: value for column, value in mine.items() if choices.get(column) == "mine"}
