"""What /gettac answers: the page for a placement, and why there is none; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from slavealloc.models import Placement, Refusal
from slavealloc.tac import BrokenTemplate, Stamp, render_tac

MOST_SHOWN = 100
ASCII_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


class Outcome(StrEnum):
    """How an asker fared; the metrics count by it."""

    PLACED = "placed"
    DISABLED = "disabled"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    BROKEN = "broken"


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """An answer to a machine; `text` is a tac, or why there is none."""

    outcome: Outcome
    text: str
    master: str | None = None

    @property
    def status(self) -> int:
        """The HTTP status that old clients know it by."""
        if self.outcome in {Outcome.PLACED, Outcome.DISABLED}:
            return 200
        return 500 if self.outcome is Outcome.BROKEN else 404


def normalize_name(asked: str) -> str:
    """Say which worker a machine means: lower case, without its domain.

    Only A to Z have a lower case here: the Kelvin sign must not become a k.

    >>> normalize_name("BLD-Linux64-007.build.example.com")
    'bld-linux64-007'
    """
    return asked.partition(".")[0].translate(ASCII_LOWER)


def make_pages(
    names: Sequence[str], answers: Mapping[str, Placement | Refusal], stamp: Stamp
) -> dict[str, Page]:
    """Make each name's page."""
    return {name: _make_page(name, answers.get(name), stamp) for name in names}


def _make_page(name: str, answer: Placement | Refusal | None, stamp: Stamp) -> Page:
    if answer is None:
        return Page(
            outcome=Outcome.UNKNOWN,
            text=f"no allocation available: no worker is called {name[:MOST_SHOWN]!a}",
        )
    if isinstance(answer, Refusal):
        return Page(
            outcome=Outcome.REFUSED, text=f"no allocation available for {name}: {answer.why}"
        )
    try:
        text = render_tac(answer, stamp)
    except BrokenTemplate as err:
        return Page(outcome=Outcome.BROKEN, text=f"error processing request: {err}")
    if answer.master is None:
        return Page(outcome=Outcome.DISABLED, text=text)
    return Page(outcome=Outcome.PLACED, text=text, master=answer.master.nickname)
