"""The verb `status`: what the runner of this machine does, and its last rounds. Only reads."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from farmhand.command import Result, Run
from farmhand.output import print_json, print_lines, print_table
from farmhand.state import find_state_directory
from runner.protocol import read_number
from runner.record import FILE, read_record, read_start
from runner.settings import REBOOT_S
from runner.totals import Saving, compare, format_saving, read_totals

HEAD = ("round", "started", "seconds", "result", "reason")


def show_status(run: Run) -> Result:
    """Print what the runner wrote; one that was killed is told apart by its process."""
    document = describe(read_record(find_state_directory(run.environ) / FILE))
    if run.json:
        print_json(document)
        return Result()
    print_lines([say(document), *say_totals(document)])
    rounds = document["rounds"]
    if rounds:
        print_table(HEAD, [row(each) for each in reversed(rounds)])
    return Result()


def describe(record: Mapping[str, Any] | None) -> dict[str, Any]:
    """Make the document: `doing` is None where no runner is at work."""
    if record is None:
        record = {}
    pid = record.get("pid")
    started = record.get("pid_started")
    alive = isinstance(pid, int) and started is not None and read_start(pid) == started
    works = alive and record.get("doing") != "nothing"
    keys = ("doing", "task", "try", "since", "round", "pid")
    current = {key: record.get(key) if works else None for key in keys}
    totals = read_totals(record.get("totals"), "")
    reboot_s = read_number(record.get("reboot_s"))
    saving = compare(totals, reboot_s if reboot_s is not None else REBOOT_S)
    return {
        **current,
        "directory": record.get("directory"),
        "last_halt_at": record.get("last_halt_at"),
        "recorded_since": totals.since or None,
        "halts": totals.halts,
        "instead_of_rebooting": asdict(saving) if saving else None,
        "rounds": record.get("rounds", []),
    }


def say(document: Mapping[str, Any]) -> str:
    """Say in a line what is done now.

    >>> say({"doing": None})
    'no runner is at work'
    >>> say({"doing": "task", "task": "a", "try": 2, "since": "x", "round": 3, "pid": 7})
    'round 3: task a, try 2, since x (process 7)'
    """
    if document["doing"] is None:
        return "no runner is at work"
    what = document["doing"]
    if document["task"]:
        what += f" {document['task']}, try {document['try']}"
        what = what.replace("pause ", "pause before another try of ", 1)
    return (
        f"round {document['round']}: {what}, since {document['since']} (process {document['pid']})"
    )


def say_totals(document: Mapping[str, Any]) -> Iterator[str]:
    """Say what the rounds saved, and why this machine halted.

    >>> list(say_totals({"instead_of_rebooting": None, "halts": {"rounds": 2, "spot-stop": 1}}))
    ['halts: rounds 2, spot-stop 1']
    """
    if saving := document["instead_of_rebooting"]:
        yield format_saving(Saving(**saving))
    if halts := document["halts"]:
        yield f"halts: {', '.join(f'{cause} {count}' for cause, count in sorted(halts.items()))}"


def row(ended: Mapping[str, Any]) -> list[object]:
    """Make a table's row of a round."""
    seconds = f"{ended['seconds']:.1f}"
    return [ended["number"], ended["started_at"], seconds, ended["result"], ended["reason"]]
