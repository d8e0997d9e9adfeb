"""The status file, and what `status` makes of it."""

import json
import logging
import os
from pathlib import Path

import pytest

from runner.record import FILE, RoundRecord, open_record, read_record, read_start, seconds_since
from runner.status import describe
from runner.transcript import Transcript


def make_round(number: int) -> RoundRecord:
    return RoundRecord(
        number=number, started_at="2026-01-01T00:00:00Z", seconds=1.0, result="ok", reason=""
    )


def test_the_next_runner_goes_on_with_what_was_recorded(tmp_path: Path) -> None:
    record = open_record(tmp_path, tmp_path)
    for number in range(12):
        record.end_round(make_round(number))
    record.halting()
    again = open_record(tmp_path, tmp_path)
    assert [each["number"] for each in again.rounds] == list(range(2, 12))
    assert again.last_halt_at == record.last_halt_at


@pytest.mark.parametrize("text", ["", "{", "[]", '{"rounds": 1, "last_halt_at": 2}', "\xff"])
def test_what_can_not_be_read_is_forgotten(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text, "latin-1")
    record = open_record(tmp_path, tmp_path)
    assert (record.rounds, record.last_halt_at) == ([], None)


@pytest.mark.fault(
    "the runner's record has rounds of another release, or none: {rounds}",
    "they are left out; status and the next runner go on",
)
@pytest.mark.parametrize("rounds", ['[1, null, {"number": 1}]', '{"number": 1}', "null"])
def test_what_is_no_round_is_left_out(tmp_path: Path, rounds: str) -> None:
    (tmp_path / FILE).write_text(f'{{"rounds": {rounds}, "last_halt_at": "x"}}')
    assert describe(read_record(tmp_path / FILE))["rounds"] == []
    record = open_record(tmp_path, tmp_path)
    assert (record.rounds, record.last_halt_at) == ([], "x")


def test_a_directory_that_is_gone_costs_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record = open_record(tmp_path / "gone", tmp_path)
    record.doing("task", task="a", tries=1)
    record.doing("nothing")
    assert len(caplog.records) == 1


def test_no_draft_is_left(tmp_path: Path) -> None:
    open_record(tmp_path, tmp_path).doing("pause")
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_another_process_with_the_runner_s_id_is_no_runner(tmp_path: Path) -> None:
    record = open_record(tmp_path, tmp_path)
    record.doing("task", task="a", tries=1)
    found = read_record(tmp_path / FILE)
    assert found is not None
    assert describe(found)["doing"] == "task"
    assert describe({**found, "pid_started": found["pid_started"] + 1})["doing"] is None


def test_a_process_that_is_not_there_has_no_start() -> None:
    assert read_start(2**22 + 1) is None
    assert read_start(os.getpid()) is not None


def test_a_time_that_is_none_is_no_time() -> None:
    assert seconds_since("yesterday") is None
    assert seconds_since(None) is None


def test_the_record_is_json(tmp_path: Path) -> None:
    open_record(tmp_path, tmp_path).doing("halt")
    assert json.loads((tmp_path / FILE).read_text())["doing"] == "halt"


# What a task prints


@pytest.mark.parametrize("step", [1, 2, 3, 100])
def test_lines_are_whole_however_they_come(caplog: pytest.LogCaptureFixture, step: int) -> None:
    caplog.set_level(logging.INFO)
    transcript = Transcript("a", 1000)
    data = b"one\r\ntwo\n\nthr\xc3\xa9e"
    for start in range(0, len(data), step):
        transcript.feed(data[start : start + step])
    transcript.close()
    assert caplog.messages == ["a: one", "a: two", "a: thrée"]
