"""The page of benchmarks: made from what is stored, so that nothing is measured here."""

import json
import re
import signal
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.__main__ import (
    LIMIT_S,
    MODULES,
    PARTS,
    STORED,
    main,
    measure_all,
    read_stored,
    store,
)
from benchmarks.machine import Surroundings
from benchmarks.report import make_markdown
from benchmarks.report_html import make_html
from benchmarks.results import (
    Compared,
    Found,
    Goal,
    Kind,
    Part,
    Row,
    compare,
    from_json,
    plots,
    replace,
    to_json,
)
from tests.manual import read_table


def make_row(
    method: str = "ours", kind: Kind = Kind.OURS, value: float = 2.0, **more: object
) -> Row:
    given: dict[str, object] = {"case": "MariaDB", "unit": "ms", "size": 1000, **more}
    return Row(method=method, kind=kind, value=value, **given)  # type: ignore[arg-type]


ROWS = (
    make_row(goals=(Goal(on="floor", sign="≤", bound=3), Goal(on="MiB", sign="≤", bound=1))),
    make_row("the <naive> way", Kind.NAIVE, 80.0, also={"MiB": 12.5}),
    make_row("bare | query", Kind.FLOOR, 1.0),
    make_row(size=10, value=0.5),
    make_row("the <naive> way", Kind.NAIVE, 0.75, size=10),
    make_row(
        "aws --version", Kind.PEER, 700.0, case="start-up", size=None, command="aws --version"
    ),
)


def make_found(name: str = "pending", rows: tuple[Row, ...] = ROWS, **more: object) -> Found:
    given: dict[str, object] = {
        "title": f"What {name} takes",
        "about": "Rows & all.",
        "sized_by": "requests",
        "date": "2026-01-02 03:04 UTC",
        "seconds": 61.4,
        "quick": False,
        "machine": {"cores": "2"},
        "versions": {"Python": "3.11.2", "MariaDB": "10.11"},
        "load": 0.1,
        **more,
    }
    return Found(name=name, rows=rows, **given)  # type: ignore[arg-type]


def test_every_measurement_is_a_part_and_all_fit_into_the_limit() -> None:
    modules = {module.__name__.rpartition(".")[2] for module in MODULES}
    assert modules == set(PARTS)
    assert sum(part.about_s for part in PARTS.values()) <= LIMIT_S


def test_a_row_is_compared_with_ours_and_the_floor_of_its_case_and_size() -> None:
    found = [(each.better, each.floor) for each in compare(ROWS)]
    assert found == [(None, 2.0), (40.0, 80.0), (0.5, 1.0), (None, None), (1.5, None), (None, None)]


def test_of_rates_more_is_better() -> None:
    rows = [make_row(value=50, unit="per second"), make_row("x", Kind.NAIVE, 5, unit="per second")]
    assert [each.better for each in compare(rows)] == [None, 10.0]


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (Goal(on="value", sign="≤", bound=2), True),
        (Goal(on="value", sign="≥", bound=3), False),
        (Goal(on="floor", sign="≤", bound=3), True),
        (Goal(on="p99 ms", sign="≤", bound=3), False),
        (Goal(on="nothing", sign="≤", bound=3), None),
    ],
    ids=["value", "missed", "floor", "also", "unknown"],
)
def test_a_goal_is_met_missed_or_unknown(goal: Goal, met: bool | None) -> None:
    compared = Compared(row=make_row(also={"p99 ms": 4.0}), better=None, floor=2.0)
    assert compared.met(goal) is met


def test_cases_with_several_sizes_are_plotted() -> None:
    assert {case: len(rows) for case, rows in plots(ROWS).items()} == {"MariaDB": 5}


def test_what_is_stored_is_read_as_it_was() -> None:
    found = [make_found()]
    assert from_json(json.loads(json.dumps(to_json(found)))) == found


def test_a_part_measured_again_replaces_only_itself() -> None:
    old = [make_found("pending"), make_found("scan")]
    new = make_found("pending", rows=ROWS[:1])
    assert replace(old, new, ["pending", "launch", "scan"]) == [new, old[1]]
    launch = make_found("launch")
    assert replace(old, launch, ["pending", "launch", "scan"]) == [old[0], launch, old[1]]


def test_the_markdown_has_every_row_with_its_command_and_its_goal() -> None:
    text = make_markdown([make_found()])
    rows = [row for row in read_table(text) if len(row) > 4]
    assert len(rows) == len(ROWS)
    assert rows[0][:6] == ["MariaDB", "1,000", "ours", "ours", "2 ms", ""]
    assert rows[0][7] == "≤ 3 ÷ floor: met; ≤ 1 MiB: unknown"
    assert rows[1][5:7] == ["40", "80"]
    commands = [row[-1] for row in rows]
    assert commands == ["`python -m benchmarks pending`"] * 5 + ["`aws --version`"]
    assert "Measured 2026-01-02 03:04 UTC in 61 s, at a load of 0.1." in text
    assert "| Python 3.11.2, MariaDB 10.11 | pending |" in text


def test_the_summary_says_how_ours_stands_at_the_largest_size() -> None:
    text = make_markdown([make_found()])
    summary = [row for row in read_table(text) if len(row) == 4]
    assert ["What pending takes", "the naive way", "40", "1,000 requests"] in summary


def test_a_quick_measurement_says_that_it_means_little() -> None:
    assert "mean little" in make_markdown([make_found(quick=True)])
    assert "mean little" not in make_markdown([make_found()])


def test_the_html_needs_nothing_beside_it_and_is_well_formed() -> None:
    page = make_html([make_found(), make_found("scan")])
    assert not re.search(r"(src|href)=\"(?!#)|url\(|@import|<script", page)
    assert "prefers-color-scheme: dark" in page
    body = re.sub(r"<!doctype html>|<meta[^>]*>", "", page)
    assert len(list(ET.fromstring(body).iter("svg"))) == 2
    assert "the &lt;naive&gt; way" in page
    assert '<td class="missed">' not in page


def test_a_missed_goal_stands_out() -> None:
    goal = Goal(on="value", sign="≤", bound=1)
    assert '<td class="missed">' in make_html([make_found(rows=(make_row(goals=(goal,)),))])


def test_what_never_ended_is_said_and_not_drawn() -> None:
    rows = (make_row(value=float("inf")), make_row(size=10), make_row(size=100))
    page = make_html([make_found(rows=rows)])
    assert ">never ms<" in page
    assert "inf" not in page


# The command


def test_the_page_is_made_of_what_is_stored(tmp_path: Path) -> None:
    store(tmp_path, [make_found()])
    assert main(["--render", "--to", str(tmp_path)]) == 0
    assert (tmp_path / "benchmarks.md").read_text() == make_markdown([make_found()])
    assert (tmp_path / "benchmarks.html").read_text() == make_html([make_found()])


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["gettack"])
    assert "no such part: gettack; there are" in capsys.readouterr().err


AROUND = Surroundings(machine={"cores": "2"}, versions={"Python": "3.11"})


def part(name: str, measure: Callable[[bool], list[Row]]) -> Part:
    return Part(name=name, title=name, about="", sized_by="", about_s=1, measure=measure)


def fail(_: bool) -> list[Row]:
    raise OSError("no room")


def end(_: bool) -> list[Row]:
    signal.raise_signal(signal.SIGALRM)
    return []


def test_a_part_that_fails_costs_no_other_and_keeps_what_was_stored(tmp_path: Path) -> None:
    store(tmp_path, [make_found("scan")])
    parts = [part("scan", fail), part("pending", lambda _: [make_row()])]
    assert measure_all(parts, tmp_path, AROUND, quick=True) == ["scan"]
    pending, scan = read_stored(tmp_path)
    assert (pending.rows, pending.quick) == ((make_row(),), True)
    assert scan == make_found("scan")


def test_at_the_limit_the_rest_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = [part("pending", end), part("scan", lambda _: [make_row()])]
    assert measure_all(parts, tmp_path, AROUND, quick=True) == ["pending", "scan"]
    assert read_stored(tmp_path) == []
    assert "The 25 minutes are over." in capsys.readouterr().err


def test_a_part_whose_service_is_missing_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert measure_all([part("pages", lambda _: [])], tmp_path, AROUND, quick=True) == ["pages"]
    assert "pages: what it needs is not installed" in capsys.readouterr().err


def test_the_stored_page_is_made_of_the_stored_results() -> None:
    found = read_stored(STORED)
    for name, text in (("md", make_markdown(found)), ("html", make_html(found))):
        path = STORED / f"benchmarks.{name}"
        assert not found or path.read_text("utf-8") == text, "python -m benchmarks --render"
