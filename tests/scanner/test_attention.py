"""Who needs a human, and why."""

from typing import Any

import pytest

from scanner.attention import (
    Record,
    Waiting,
    find_outliers,
    find_sick_daemons,
    find_silent_scans,
    find_stuck_jobs,
)
from tests.scanner_rows import HOUR, MINUTE, NOW


def make_shown(**changes: Any) -> dict[str, Any]:
    """Make a daemon as `daemon list` has it, that takes jobs for i386."""
    default: dict[str, Any] = {
        "daemon": "bob",
        "mode": "auto",
        "state": "idle",
        "tags": [],
        "notes": None,
    }
    return {**default, "processors": ["i386"], "last_error": None, **changes}


def make_waiting(**changes: Any) -> Waiting:
    default: dict[str, Any] = {"processor": "i386", "tags": frozenset(), "number": 2}
    default |= {"architecture": "ubuntu/hoary/i386 (Release)", "chroot": "0" * 40}
    return Waiting(**{**default, **changes})


@pytest.mark.parametrize(
    ("daemon", "why"),
    [
        ({}, []),
        ({"mode": "manual", "notes": "moves"}, []),
        ({"mode": "disabled", "notes": "bug 7"}, ["disabled: bug 7"]),
        ({"state": "silent", "last_error": "HTTP 500"}, ["HTTP 500"]),
        ({"processors": []}, ["builds for no processor"]),
    ],
)
def test_a_daemon_that_does_nothing_needs_a_human(daemon: dict[str, Any], why: list[str]) -> None:
    assert [each.why for each in find_sick_daemons([make_shown(**daemon)])] == why


@pytest.mark.parametrize(
    ("bob", "others", "named"),
    [
        ((10, 9), (90, 9), True),
        ((10, 9), (90, 80), False),  # all fail: it is not the daemon
        ((4, 4), (90, 0), False),  # too few to tell
        ((20, 9), (90, 0), False),  # most are built
        ((5, 5), (0, 0), True),
    ],
)
def test_a_daemon_on_which_builds_fail_that_would_not_elsewhere_is_named(
    bob: tuple[int, int], others: tuple[int, int], named: bool
) -> None:
    records = [
        Record(daemon=name, ended=ended, failed=failed)
        for name, (ended, failed) in {"bob": bob, "eve": others}.items()
    ]
    assert ("bob" in [each.name for each in find_outliers(records)]) is named


@pytest.mark.parametrize(
    ("waiting", "daemon", "named"),
    [
        ({}, {}, []),
        ({"chroot": None}, {}, [("architecture", "ubuntu/hoary/i386 (Release)")]),
        ({"processor": "arm"}, {}, [("processor", "arm")]),
        ({"tags": frozenset(("kvm",))}, {}, [("processor", "i386")]),
        ({"tags": frozenset(("kvm",))}, {"tags": ["big", "kvm"]}, []),
        ({}, {"mode": "manual"}, [("processor", "i386")]),
    ],
)
def test_what_waits_in_vain_is_named(
    waiting: dict[str, Any], daemon: dict[str, Any], named: list[tuple[str, str]]
) -> None:
    found = find_stuck_jobs([make_waiting(**waiting)], [make_shown(**daemon)])
    assert [(each.what, each.name) for each in found] == named


def test_a_scan_that_is_long_ago_or_had_trouble_is_named() -> None:
    last = {"started_at": NOW - MINUTE, "host": "manager", "errors": ["store: no space"]}
    assert [each.why for each in find_silent_scans(last, NOW)] == ["store: no space"]
    late = {**last, "started_at": NOW - HOUR, "errors": []}
    assert [each.why for each in find_silent_scans(late, NOW)] == ["the last one was 60 min ago"]
    assert list(find_silent_scans(None, NOW)) == []
