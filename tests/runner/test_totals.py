"""What all rounds came to: kept from run to run, counted once, compared with reboots."""

import json
from pathlib import Path

import pytest

from runner.policy import Move, Step
from runner.protocol import parse_said
from runner.record import FILE, Record, RoundRecord, TaskRecord, open_record, read_record
from runner.report import make_samples
from runner.status import describe
from runner.totals import Saving, Totals, compare, read_totals, to_dict
from runner.transcript import Transcript
from tests.manual import DOCS, first_words, read_sections

HALT = Step(move=Move.HALT, why="its disk is full", cause="disk-full")


def make_task(name: str, seconds: float, connected_s: float | None = None) -> TaskRecord:
    return TaskRecord(
        task=name, tries=1, seconds=seconds, result="OK", reason="", connected_s=connected_s
    )


def go_round(record: Record, connected_s: float | None = 2.0) -> None:
    """End a round of 110 s, 100 of which were the worker's life."""
    worker = make_task("buildbot", 100, connected_s)
    record.end_round(
        RoundRecord(
            number=1,
            started_at="2026-01-01T00:00:00Z",
            seconds=110,
            result="ok",
            reason="",
            tasks=(make_task("before", 6), worker, make_task("after", 4)),
        )
    )


def test_maintenance_is_what_a_round_takes_without_the_worker_s_life(tmp_path: Path) -> None:
    record = open_record(tmp_path, tmp_path)
    go_round(record)
    assert record.rounds[-1]["maintenance_s"] == 10
    assert record.rounds[-1]["connected_s"] == 2


def test_sums_go_on_with_the_next_runner_and_outlast_the_rounds_kept(tmp_path: Path) -> None:
    for _ in range(2):
        record = open_record(tmp_path, tmp_path)
        for _ in range(12):
            go_round(record)
            record.count(None)
        record.count(HALT)
        record.doing("nothing")
    totals = open_record(tmp_path, tmp_path).totals
    assert (totals.rounds, totals.maintenance_s, totals.connected_s) == (24, 240, 48)
    assert totals.halts == {"disk-full": 2}


def test_a_round_before_a_halt_saved_no_reboot(tmp_path: Path) -> None:
    record = open_record(tmp_path, tmp_path)
    go_round(record)
    record.count(HALT)
    assert record.totals.rounds == 0


def test_status_says_what_reboots_would_have_taken(tmp_path: Path) -> None:
    record = open_record(tmp_path, tmp_path)
    record.reboot_s = 70
    go_round(record)
    record.count(None)
    record.doing("nothing")
    assert describe(read_record(tmp_path / FILE))["instead_of_rebooting"] == {
        "rounds": 1,
        "maintenance_s": 10,
        "connected_s": 2,
        "reboot_s": 70,
        "saved_s": 60,
    }


def test_rounds_that_take_longer_than_a_reboot_are_a_loss() -> None:
    saving = compare(Totals(rounds=2, maintenance_s=400), 95)
    assert saving == Saving(
        rounds=2, maintenance_s=200, connected_s=None, reboot_s=95, saved_s=-210
    )


@pytest.mark.parametrize(
    "data",
    [None, [], {}, {"since": 1}, {**to_dict(Totals(since="x")), "rounds": "many"},
     {**to_dict(Totals(since="x")), "halts": 3}],
    ids=["none", "list", "empty", "no time", "no number", "no halts"],
)  # fmt: skip
def test_what_can_not_be_read_begins_anew(data: object) -> None:
    assert read_totals(data, "now") == Totals(since="now")


def test_totals_are_read_as_they_were_written() -> None:
    totals = Totals(since="x", rounds=3, maintenance_s=1.5, halts={"rounds": 2})
    assert read_totals(json.loads(json.dumps(to_dict(totals))), "now") == totals


def test_every_metric_of_the_runner_is_documented_and_no_other(tmp_path: Path) -> None:
    record = open_record(tmp_path, tmp_path)
    go_round(record)
    record.count(None)
    record.count(HALT)
    names = {f"farmhand_{sample.name}" for sample in make_samples(record, {"ok": 1})}
    text = read_sections(DOCS / "runner.md")["What does it do now?"]
    assert set(first_words(text)) == names


# What tasks say


@pytest.mark.parametrize("limit", [0, 1000])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_a_task_says_is_heard_in_pieces_and_beyond_the_limit(limit: int, size: int) -> None:
    transcript = Transcript("task", limit)
    data = b"@runner reason first\n" + b"x" * 20 + b"\n@runner reason disk-full: 3 GB"
    for start in range(0, len(data), size):
        transcript.feed(data[start : start + size])
    transcript.close()
    assert transcript.said == {"reason": "disk-full: 3 GB"}


@pytest.mark.parametrize("line", ["runner reason x", "@runner", "@runner reason ", "@runner rm x"])
def test_other_lines_say_nothing(line: str) -> None:
    assert parse_said(line) is None
