"""How the verbs that ask the server tell what they found and did; pure."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

NOTES_SHOWN = 60
NEAR_SHOWN = 3
JUST_NOW_S = 5
UNITS = ((86400, "days"), (3600, "h"), (60, "min"), (1, "s"))
WORKERS_HEAD = ("worker", "state", "pool", "master", "locked to", "last asked", "notes")
MASTERS_HEAD = ("master", "address", "pool", "state", "live workers", "notes")
HISTORY_HEAD = ("at", "what", "why", "by")

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What gettac got for a worker: `master` is a nickname, None for a disabled worker.

    `place` says it in words. With an `error` there may still be a tac, whose master is unknown.
    """

    slave: str
    place: str = ""
    master: str | None = None
    tac: str | None = None
    recorded: bool = False
    error: str | None = None

    def to_json(self) -> dict[str, object]:
        """Shape it as `gettac --json` prints it."""
        return {key: value for key, value in asdict(self).items() if key != "place"}


def tabulate_workers(rows: Iterable[Row], now: datetime) -> list[Sequence[object]]:
    """Arrange the API's workers below WORKERS_HEAD."""
    return [
        (
            row["name"],
            format_state(row["enabled"]),
            row["pool"] or "none",
            row["current_master"] or "none",
            row["locked_master"] or "",
            format_age(row["last_seen_at"], now),
            shorten(row["notes"]),
        )
        for row in rows
    ]


def tabulate_masters(rows: Iterable[Row]) -> list[Sequence[object]]:
    """Arrange the API's masters below MASTERS_HEAD."""
    return [
        (
            row["nickname"],
            format_address(row),
            row["pool"],
            format_state(row["enabled"]),
            row["live_slaves"],
            shorten(row["notes"]),
        )
        for row in rows
    ]


def tabulate_history(rows: Iterable[Row]) -> list[Sequence[object]]:
    """Arrange a worker's history below HISTORY_HEAD."""
    return [
        (row["at"], format_changes(row), shorten(row["why"]), row["who"])
        if row["kind"] == "edit"
        else (row["at"], f"→ {row['master'] or 'none'}", row["reason"], row["host"])
        for row in rows
    ]


def format_changes(edit: Row) -> str:
    """Say what an edit changed.

    >>> format_changes({"action": "edit", "changes": {"notes": ["", "x"], "poolid": [1, 2]}})
    'notes: none → "x"; poolid: 1 → 2'
    """
    if edit["action"] != "edit":
        return "added" if edit["action"] == "add" else "deleted"
    pairs = edit["changes"].items()
    return "; ".join(f"{name}: {_format(old)} → {_format(new)}" for name, (old, new) in pairs)


def _format(value: object) -> str:
    if value in (None, ""):
        return "none"
    return f'"{shorten(value)}"' if isinstance(value, str) else str(value).lower()


def format_state(enabled: bool) -> str:
    """Say a worker's or master's state in a word."""
    return "enabled" if enabled else "disabled"


def format_address(master: Row) -> str:
    """Say where a master's workers connect.

    >>> format_address({"fqdn": "bm1.example.com", "pb_port": 9001})
    'bm1.example.com:9001'
    """
    return f"{master['fqdn']}:{master['pb_port']}"


def format_place(name: str, master: Row | None) -> str:
    """Say which master a worker goes to.

    >>> format_place("w1", None)
    'w1 → none: it is disabled'
    """
    if master is None:
        return f"{name} → none: it is disabled"
    return f"{name} → {master['nickname']} ({format_address(master)})"


def format_age(at: str | None, now: datetime) -> str:
    """Say in words how long ago the API's time `at` was.

    >>> format_age("2026-01-02T03:04:05Z", datetime.fromisoformat("2026-01-02T05:34:05Z"))
    '2 h ago'
    """
    if at is None:
        return "never"
    seconds = int((now - datetime.fromisoformat(at)).total_seconds())
    if seconds < JUST_NOW_S:  # or in the future, by the clock of this host
        return "just now"
    size, unit = next((size, unit) for size, unit in UNITS if seconds >= size)
    count = seconds // size
    return f"{count} {'day' if (count, unit) == (1, 'days') else unit} ago"


def shorten(notes: str | None) -> str:
    r"""Put notes on one line, and only the start of long ones.

    >>> shorten("bug 123456:\n disk errors")
    'bug 123456: disk errors'
    """
    text = " ".join((notes or "").split())
    return text if len(text) <= NOTES_SHOWN else text[: NOTES_SHOWN - 1] + "…"


def format_unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Say that nothing has this name, and which names are near.

    >>> format_unknown("worker", "bld-01", ["bld-001", "tst-linux"])
    'no worker is called "bld-01"; did you mean "bld-001"?'
    """
    near = " or ".join(f'"{each}"' for each in get_close_matches(name, list(known), n=NEAR_SHOWN))
    hint = f"; did you mean {near}?" if near else ""
    return f'no {what} is called "{name}"{hint}'


def format_conflict(name: str, wanted: Row, now: Row) -> str:
    """Say that somebody else changed a row, and what it has now where it was to change.

    >>> format_conflict("w1", {"notes": "bug 2"}, {"notes": "bug 1", "enabled": True})
    'w1 was changed meanwhile, so nothing is written; now it has notes: "bug 1"'
    """
    shown = ", ".join(f"{field}: {json.dumps(now[field])}" for field in wanted)
    return f"{name} was changed meanwhile, so nothing is written; now it has {shown}"


def find_obstacles(worker: Row, master: Row) -> list[str]:
    """Say why a worker locked to this master may get nowhere."""
    name, nickname, found = worker["name"], master["nickname"], []
    if not master["enabled"]:
        found.append(
            f"master {nickname} is disabled: {name} gets no allocation until it is enabled"
        )
    if master["poolid"] != worker["poolid"]:
        found.append(
            f"master {nickname} is of pool {master['pool']}, and {name} is not: "
            "it may refuse that worker's password"
        )
    return found


def find_stranded(master: Row, masters: Iterable[Row], workers: Iterable[Row]) -> Iterator[str]:
    """Say which workers get no master once this one is disabled."""
    nickname = master["nickname"]
    others = [m for m in masters if m["enabled"] and m["masterid"] != master["masterid"]]
    if not any(other["poolid"] == master["poolid"] for other in others):
        yield f"pool {master['pool']} has no other enabled master: its workers get none"
    locked = sorted(w["name"] for w in workers if w["locked_masterid"] == master["masterid"])
    if locked:
        yield f"locked to {nickname}, so they get no master until unlocked: {', '.join(locked)}"


def format_lock(name: str, before: str | None, after: str | None, *, dry_run: bool) -> str:
    """Say what became of a worker's lock; `before` and `after` are masters.

    >>> format_lock("w1", "bm2", "bm3", dry_run=False)
    'w1 is now locked to bm3; it was locked to bm2'
    """
    if before == after:
        return f"{name} is already locked to {after}"
    was = "is" if dry_run else "was"
    until_now = f"it {was} locked to {before}" if before else f"it {was} not locked"
    new = f"locked to {after}" if after else "unlocked"
    return f"{name} {'would be' if dry_run else 'is now'} {new}; {until_now}"


def format_enabled(name: str, *, before: bool, after: bool, dry_run: bool) -> str:
    """Say what became of a worker's or master's state.

    >>> format_enabled("w1", before=True, after=False, dry_run=True)
    'w1 would be disabled'
    """
    if before == after:
        return f"{name} is already {format_state(after)}"
    return f"{name} {'would be' if dry_run else 'is now'} {format_state(after)}"


def format_notes(before: str | None, after: str | None, *, dry_run: bool) -> str:
    """Say what became of notes.

    >>> format_notes("bug 1", "bug 2", dry_run=False)
    'its notes are now "bug 2"; they were "bug 1"'
    """
    if before == after:
        return f'its notes are kept: "{after}"' if after else "it has no notes"
    new, old = (f'"{notes}"' if notes else "none" for notes in (after, before))
    if dry_run:
        return f"its notes would be {new}; they are {old}"
    return f"its notes are now {new}; they were {old}"
