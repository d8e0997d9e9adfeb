"""Builds that fail too fast, counted from logs as workers write them."""

from dataclasses import replace
from pathlib import Path

import pytest

from runner.worker.config import WorkerSettings
from runner.worker.decide import Reason, judge_health
from runner.worker.fast_failures import Streak, follow, settle
from runner.worker.twistd_log import WorkerLog, advance, parse_line

LOGS = Path(__file__).parents[2] / "data/twistd_logs"
BUILT = sorted(
    path.name
    for path in LOGS.glob("*build*.log")
    if "signal None, exit code 0" in path.read_text("utf-8")
)


def read(text: str, fast_s: float = 60, count: int = 0) -> tuple[Streak, WorkerLog]:
    """Follow a log."""
    streak, known = Streak(fast_s=fast_s, count=count), WorkerLog()
    for line in text.splitlines():
        if event := parse_line(line):
            before, known = known, advance(known, event)
            streak = follow(streak, before, known, event)
    return streak, known


def build(at: int, *commands: tuple[int, str]) -> str:
    """A build that begins in a minute of a day: seconds and exit of each of its commands."""
    lines = [f"{at:02}:00+0000 [Broker,client] message from master: ping"]
    begins = 0
    for number, (ends, code) in enumerate(commands):
        signal = "9" if code == "None" else "None"
        lines += [
            f"{at:02}:{begins:02}+0000 [Broker,client] (command {number}): startCommand:shell",
            f"{at:02}:{ends:02}+0000 [-] (command ['sh', '-c', '(exit 1)']): command finished with"
            f" signal {signal}, exit code {code}, elapsedTime: 1.0",
            f"{at:02}:{ends:02}+0000 [-] (command {number}): ProtocolCommandBase.command_complete"
            " (success) <x>",
        ]
        begins = ends
    return "".join(f"2026-11-21 01:{line}\n" for line in lines)


def count(*builds: str, fast_s: float = 30, before: int = 0) -> int:
    text = "2026-11-21 01:00:00+0000 [-] Starting Worker -- version: 4.3.0\n" + "".join(builds)
    return settle(read(text, fast_s, before)[0]).count


FAST = (3, "1")


def test_failures_in_a_row_are_counted_and_go_on_from_an_earlier_life() -> None:
    assert count(build(1, FAST), build(2, FAST)) == 2
    assert count(build(1, FAST), before=4) == 5


@pytest.mark.parametrize("last", [(3, "0"), (30, "1")], ids=["succeeds", "fails late"])
def test_another_build_ends_the_row(last: tuple[int, str]) -> None:
    assert count(build(1, FAST), build(2, FAST), build(3, last)) == 0
    assert count(build(1, last), build(2, FAST)) == 1


def test_the_last_command_of_a_build_says_how_it_ended_and_all_say_how_long_it_took() -> None:
    assert count(build(1, FAST, (5, "0"))) == 0
    assert count(build(1, (2, "0"), FAST)) == 1
    assert count(build(1, (29, "0"), (31, "1"))) == 0


def test_a_build_that_was_killed_counts_neither_way() -> None:
    assert count(build(1, FAST), build(2, (3, "None")), build(3, FAST)) == 2


def test_a_build_that_lost_its_master_counts_neither_way() -> None:
    text = (LOGS / "4.3-master-lost-while-building.log").read_text()
    assert settle(read(text, count=2)[0]).count == 2


@pytest.mark.parametrize("name", BUILT)
def test_every_generation_says_how_a_command_ended(name: str) -> None:
    text = (LOGS / name).read_text()
    assert settle(read(text, count=3)[0]).count == 0
    failing = text.replace("exit code 0,", "exit code 2,")
    builds = read(text)[1].builds
    assert settle(read(failing, count=3)[0]).count == 3 + builds


SETTINGS = WorkerSettings(fast_failures=3, min_free_gib=1)


def judge(fast_failures: int = 0, free_gib: float = 9, commands: int = 0) -> Reason | None:
    log = WorkerLog(connected=True, commands=commands)
    return judge_health(log, SETTINGS, fast_failures=fast_failures, free_gib=free_gib)


def test_enough_failures_are_a_reason_once_no_command_runs() -> None:
    assert judge(fast_failures=2) is None
    assert judge(fast_failures=3) is Reason.TOO_FAST
    assert judge(fast_failures=3, commands=1) is None


def test_too_little_room_is_one_while_a_build_runs_too() -> None:
    assert judge(free_gib=1, commands=1) is None
    assert judge(free_gib=0.9, commands=1) is Reason.DISK_FULL


def test_thresholds_of_zero_are_none() -> None:
    none = replace(SETTINGS, fast_failures=0, min_free_gib=0)
    assert judge_health(WorkerLog(), none, fast_failures=99, free_gib=0) is None
