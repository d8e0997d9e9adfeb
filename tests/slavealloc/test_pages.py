"""What /gettac answers for each name, and which worker a name means."""

from datetime import UTC, datetime

import pytest

from slavealloc.models import Placement, Reason, Refusal
from slavealloc.pages import Outcome, make_pages, normalize_name
from slavealloc.tac import Stamp
from tests.slavealloc.test_allocate import make_master, make_worker

STAMP = Stamp(now=datetime(2026, 1, 2, tzinfo=UTC), host="manager")


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        pytest.param("W1", "w1", id="upper case"),
        pytest.param("w1.build.example.com", "w1", id="domain"),
        pytest.param("\u212a1", "\u212a1", id="the Kelvin sign is no k"),
        pytest.param("\u0130", "\u0130", id="nor becomes anything longer"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_a_name_is_lower_case_without_domain(asked: str, meant: str) -> None:
    assert normalize_name(asked) == meant


def page(answer: Placement | Refusal | None) -> tuple[Outcome, int, str]:
    found = make_pages(["w1"], {"w1": answer} if answer else {}, STAMP)["w1"]
    return found.outcome, found.status, found.text


def test_who_is_placed_gets_a_tac() -> None:
    worker = make_worker(1, template="port = {{ port }}\n")
    outcome, status, text = page(
        Placement(worker=worker, master=make_master(1), reason=Reason.CHOSEN)
    )
    assert (outcome, status) == (Outcome.PLACED, 200)
    assert text.endswith("\nport = 9001\n")


def test_who_is_disabled_gets_a_page_that_starts_nothing() -> None:
    worker = make_worker(1, enabled=False)
    outcome, status, _ = page(Placement(worker=worker, master=None, reason=Reason.DISABLED))
    assert (outcome, status) == (Outcome.DISABLED, 200)


def test_who_is_refused_is_told_why() -> None:
    assert page(Refusal(worker=make_worker(1), why="its pool has no enabled master")) == (
        Outcome.REFUSED,
        404,
        "no allocation available for w1: its pool has no enabled master",
    )


def test_an_unknown_name_is_404() -> None:
    assert page(None) == (
        Outcome.UNKNOWN,
        404,
        "no allocation available: no worker is called 'w1'",
    )


def test_a_long_unknown_name_is_not_repeated_whole() -> None:
    found = make_pages(["w" * 10_000], {}, STAMP)["w" * 10_000]
    assert len(found.text) < 200


def test_a_broken_template_is_500_and_says_whose() -> None:
    worker = make_worker(1, template="{{ gone }}")
    outcome, status, text = page(
        Placement(worker=worker, master=make_master(1), reason=Reason.CHOSEN)
    )
    assert (outcome, status) == (Outcome.BROKEN, 500)
    assert text.startswith("error processing request: its tac template can't be rendered")
