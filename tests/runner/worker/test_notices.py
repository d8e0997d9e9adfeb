"""Notices of EC2: how they are read, and what they make of a worker's stop."""

import math
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runner.metadata import DISABLED, ENDPOINT, Metadata, find_metadata, is_on_ec2
from runner.stops import listening
from runner.worker.config import WorkerSettings
from runner.worker.notices import WARNED_S, parse_interruption, watching

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ELSEWHERE = Path("/nonexistent")


def notice(seconds: float, action: str = "terminate") -> str:
    at = (NOW + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f'{{"action": "{action}", "time": "{at}"}}'


@pytest.mark.parametrize("action", ["terminate", "stop", "hibernate"])
def test_a_notice_names_what_is_done_and_when(action: str) -> None:
    found = parse_interruption(notice(100, action), NOW)
    assert found is not None
    assert (found.name, found.left_s) == (f"spot-{action}", 100)


@pytest.mark.parametrize(("seconds", "left_s"), [(-300, 0), (90, 90), (86400, WARNED_S)])
def test_a_clock_that_is_wrong_makes_no_time_longer_than_ec2_gives(
    seconds: float, left_s: float
) -> None:
    found = parse_interruption(notice(seconds), NOW)
    assert found is not None
    assert found.left_s == left_s


@pytest.mark.parametrize(
    "text",
    ["", "<html>", "[]", "null", '{"action": "terminate"}', '{"time": "2026-01-01T12:00:00Z"}',
     '{"action": "terminate", "time": "soon"}', '{"action": "terminate", "time": "2026-01-01"}',
     '{"action": "terminate", "time": 3}', notice(10, "dance")],
)  # fmt: skip
def test_what_is_no_notice_is_none(text: str) -> None:
    assert parse_interruption(text, NOW) is None


# Where there is nobody to ask


def test_a_machine_that_is_none_of_ec2_s_is_told_by_its_own_files(tmp_path: Path) -> None:
    vendor = tmp_path / "sys_vendor"
    found = {}
    for text in ("Dell Inc.\n", "Amazon EC2\n"):
        vendor.write_text(text)
        found[text.strip()] = is_on_ec2({}, vendor)
    assert found == {"Dell Inc.": False, "Amazon EC2": True}


@pytest.mark.parametrize(
    ("environ", "on_ec2"),
    [({}, False), ({"FARMHAND_INSTANCE_ID": "i-1"}, True),
     ({"FARMHAND_INSTANCE_ID": "t-w732-ix-001"}, False), ({ENDPOINT: "http://[::1]:1"}, True),
     ({"FARMHAND_INSTANCE_ID": "i-1", DISABLED: "true"}, False)],
    ids=["nothing", "instance", "other name", "endpoint", "disabled"],
)  # fmt: skip
def test_or_by_its_environment(environ: dict[str, str], on_ec2: bool) -> None:
    assert is_on_ec2(environ, ELSEWHERE) is on_ec2


def test_aws_s_own_variable_says_whom_to_ask() -> None:
    assert find_metadata("http://a", {ENDPOINT: "http://b/"}) == Metadata(url="http://b")
    assert find_metadata("http://a", {"FARMHAND_INSTANCE_ID": "i-1"}) == Metadata(url="http://a")


def test_without_ec2_no_thread_runs_and_nobody_is_asked() -> None:
    before = threading.active_count()
    with listening() as asked, watching(None, WorkerSettings(), asked) as watcher:
        assert watcher is None
        assert threading.active_count() == before


# What a stop is


def test_who_leaves_is_asked_and_has_its_time() -> None:
    with listening() as asked:
        asked.leave(until=time.monotonic() + 60)
        assert (asked.asked, asked.now, asked.count) == (True, False, 0)
        asked.wait(60)


def test_a_time_that_is_given_later_holds_only_where_it_is_earlier() -> None:
    with listening() as asked:
        asked.leave()
        assert (asked.asked, asked.leave_by) == (True, math.inf)
        asked.leave(until=time.monotonic())
        asked.leave()
        assert asked.now
