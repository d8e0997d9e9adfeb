"""How notes, locks and states are put into words."""

import pytest

from slavealloc.client.report import (
    find_obstacles,
    format_enabled,
    format_lock,
    format_notes,
    format_unknown,
    shorten,
    tabulate_history,
)


@pytest.mark.parametrize(
    ("notes", "shown"),
    [
        (None, ""),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 59 + "…"),
        ("bug 1\n\tdisk", "bug 1 disk"),
    ],
)
def test_notes_are_shown_on_one_short_line(notes: str | None, shown: str) -> None:
    assert shorten(notes) == shown


def test_nothing_near_means_no_guess() -> None:
    assert format_unknown("master", "x", ["bm81-build1"]) == 'no master is called "x"'


def test_of_many_near_names_three_are_shown() -> None:
    said = format_unknown("worker", "w1", [f"w1{n}" for n in range(9)])
    assert said.count('"') == 2 + 3 * 2


@pytest.mark.parametrize(
    ("before", "after", "dry_run", "said"),
    [
        (None, "bm3", False, "w1 is now locked to bm3; it was not locked"),
        (None, "bm3", True, "w1 would be locked to bm3; it is not locked"),
        ("bm2", "bm3", True, "w1 would be locked to bm3; it is locked to bm2"),
        ("bm2", None, False, "w1 is now unlocked; it was locked to bm2"),
        ("bm2", None, True, "w1 would be unlocked; it is locked to bm2"),
        ("bm2", "bm2", False, "w1 is already locked to bm2"),
        ("bm2", "bm2", True, "w1 is already locked to bm2"),
    ],
)
def test_a_lock_says_what_was_before(
    before: str | None, after: str | None, dry_run: bool, said: str
) -> None:
    assert format_lock("w1", before, after, dry_run=dry_run) == said


@pytest.mark.parametrize(
    ("before", "after", "dry_run", "said"),
    [
        (True, False, False, "w1 is now disabled"),
        (False, True, True, "w1 would be enabled"),
        (False, False, False, "w1 is already disabled"),
        (True, True, True, "w1 is already enabled"),
    ],
)
def test_a_state_says_whether_it_changed(
    before: bool, after: bool, dry_run: bool, said: str
) -> None:
    assert format_enabled("w1", before=before, after=after, dry_run=dry_run) == said


@pytest.mark.parametrize(
    ("before", "after", "dry_run", "said"),
    [
        (None, None, False, "it has no notes"),
        ("bug 1", "bug 1", True, 'its notes are kept: "bug 1"'),
        (None, "bug 1", False, 'its notes are now "bug 1"; they were none'),
        ("bug 1", None, True, 'its notes would be none; they are "bug 1"'),
    ],
)
def test_notes_say_what_they_were(
    before: str | None, after: str | None, dry_run: bool, said: str
) -> None:
    assert format_notes(before, after, dry_run=dry_run) == said


def test_a_lock_warns_of_a_disabled_master_and_of_another_pool() -> None:
    worker = {"name": "w1", "poolid": 1}
    master = {"nickname": "bm3", "enabled": False, "poolid": 2, "pool": "try"}
    disabled, other = find_obstacles(worker, master)
    assert disabled == "master bm3 is disabled: w1 gets no allocation until it is enabled"
    assert "bm3 is of pool try, and w1 is not" in other
    assert find_obstacles(worker, {**master, "enabled": True, "poolid": 1}) == []


def test_history_says_where_a_worker_was_sent_and_what_was_changed_of_it() -> None:
    at = "2026-03-04T12:00:00Z"
    sent = {"kind": "allocation", "at": at, "master": None, "reason": "disabled", "host": "a/1/b"}
    edit = {"kind": "edit", "at": at, "who": "jane", "action": "edit", "why": "bug 1\ndisk"}
    changes = {"enabled": [True, False], "notes": [None, "x"]}
    edited = {**edit, "changes": changes}
    added = {**edited, "action": "add", "why": None}
    assert tabulate_history([sent, edited, added]) == [
        (at, "→ none", "disabled", "a/1/b"),
        (at, 'enabled: true → false; notes: none → "x"', "bug 1 disk", "jane"),
        (at, "added", "", "jane"),
    ]
