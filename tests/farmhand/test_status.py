"""What `farmhand status` makes of the records."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from farmhand import __version__
from farmhand.config import Settings
from farmhand.locks import find_locks
from farmhand.state import exclusive
from farmhand.status import find_at_work, find_jobs, summarize_hosts, summarize_runs

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NOBODY = 2**22  # above the highest process id


def make_row(verb: str = "run", *, ago_s: float = 60, **more: Any) -> dict[str, Any]:
    started = NOW - timedelta(seconds=ago_s)
    return {
        "command": "watch-pending",
        "verb": verb,
        "host": f"manager1/{os.getpid()}/abc",
        "version": __version__,
        "started_at": started,
        "finished_at": started,
        "exit_code": 0,
        **more,
    }


def make_settings(every_s: dict[str, int] | None = None, *sections: str) -> Settings:
    return Settings(
        path=Path("x"), farm="test", every_s=every_s or {}, sections=dict.fromkeys(sections)
    )


def overdue(settings: Settings, *rows: dict[str, Any]) -> list[str]:
    items = summarize_runs(rows, find_jobs(settings), NOW)
    return [item["command"] for item in items if item["overdue"]]


@pytest.mark.parametrize(
    ("verb", "ago_s", "late"),
    [
        ("run", 960, False),
        ("run", 961, True),
        ("stop-idle", 1200, False),
        ("stop-idle", 1201, True),
        ("sanity", 26 * 3600, False),
        ("sanity", 26 * 3600 + 1, True),
        ("token add", 10**6, False),
    ],
)
def test_a_job_is_overdue_once_its_last_success_is_too_old(
    verb: str, ago_s: float, late: bool
) -> None:
    found = overdue(make_settings(), make_row(verb, ago_s=ago_s))
    assert found == ([f"watch-pending {verb}"] if late else [])


def test_a_failed_run_is_no_success() -> None:
    rows = [make_row(ago_s=1000), make_row(ago_s=60, exit_code=3)]
    (item,) = summarize_runs(rows, find_jobs(make_settings()), NOW)
    assert (item["exit_code"], item["success_age_s"], item["overdue"]) == (3, 1000, True)


def test_a_site_says_how_often_a_job_runs() -> None:
    settings = make_settings({"watch-pending run": 3600})
    assert overdue(settings, make_row(ago_s=4000)) == []
    assert overdue(settings, make_row(ago_s=4501)) == ["watch-pending run"]


def test_a_job_that_nobody_expects_is_never_overdue() -> None:
    settings = make_settings({"watch-pending run": 0}, "watch_pending")
    assert overdue(settings, make_row(ago_s=10**6)) == ["watch-pending stop-idle"]


def test_what_never_ran_is_missed_where_its_section_is_configured() -> None:
    assert overdue(make_settings({}, "scanner", "runner")) == ["scanner scan"]


def test_a_run_without_an_end_is_at_work_until_its_deadline() -> None:
    rows = [
        make_row("run", ago_s=30, finished_at=None, host="manager2/7/abc"),
        make_row("sanity", ago_s=946, finished_at=None, host="manager2/8/abc"),
        make_row("stop-idle", ago_s=30),
    ]
    (found,) = find_at_work(rows, "manager1", NOW)
    assert (found["command"], found["host"], found["pid"]) == ("watch-pending run", "manager2", 7)
    assert found["for_s"] == 30


@pytest.mark.parametrize(("pid", "count"), [(1, 1), (NOBODY, 0)])
def test_of_this_host_s_runs_only_those_that_live_are_at_work(pid: int, count: int) -> None:
    rows = [make_row(finished_at=None, host=f"manager1/{pid}/abc")]
    assert len(find_at_work(rows, "manager1", NOW)) == count


def test_a_host_is_seen_with_its_newest_release() -> None:
    rows = [
        make_row(ago_s=120, version="0.0.9"),
        make_row(ago_s=90, host="manager2/1/x"),
        make_row(),
    ]
    hosts = summarize_hosts(rows, NOW)
    assert [(each["host"], each["release"], each["age_s"]) for each in hosts] == [
        ("manager1", __version__, 60),
        ("manager2", __version__, 90),
    ]


def test_a_lock_is_shown_while_it_is_held_and_by_whom(tmp_path: Path) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    with exclusive(tmp_path, "watch-pending-run"), exclusive(tmp_path, "scanner-scan"):
        pass
    assert list(find_locks(tmp_path)) == []
    os.utime(tmp_path / "scanner-scan.lock", (0, 0))
    with exclusive(tmp_path, "scanner-scan"):
        (lock,) = find_locks(tmp_path)
    assert (lock.name, lock.pid) == ("scanner-scan", os.getpid())
    assert lock.since > before
