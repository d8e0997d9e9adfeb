"""End what builds left running: all of their user's but what was there at the first run."""

import os
from functools import partial
from pathlib import Path
from typing import Any

from farmhand.errors import BadInput
from runner.chores.ending import end_processes
from runner.chores.frame import Call, Outcome, Plan, log
from runner.chores.purge_builds import CODES
from runner.chores.reading import find_uid, find_workers, read_processes
from runner.chores.reasons import name_reason
from runner.chores.strays import Process, choose_strays, find_owned, format_processes
from runner.chores.strays_settings import CleanSlate
from runner.chores.wishes import read_note, write_note

FILE = "cleanslate.json"
STRAYS = "strays"


def plan(call: Call, settings: CleanSlate) -> Plan:
    """Find the strays; the first run since boot notes who is none."""
    uid = os.getuid() if settings.owner is None else find_uid(settings.owner)
    if uid == 0 and settings.owner is None:
        log.warning("cleanslate: no `owner` says whose processes; none is ended")
        return Plan(lines=())
    if uid == 0:
        raise BadInput("root's processes are the system's: `owner` must name whose builds run here")
    path = call.state / FILE
    processes = read_processes()
    owned = find_owned(processes.values(), uid)
    baseline = read_baseline(path, call.boot_id, uid)
    if baseline is None:
        return note_baseline(path, call.boot_id, uid, owned)
    if workers := find_workers(owned):
        who = format_processes(workers)
        return Plan(lines=(f"a worker runs, {who}: strays can't be told from its build's",))
    find = partial(find_strays, uid, baseline, settings)
    strays = find()
    lines = (f"strays: {format_processes(strays)}",) if strays else ()

    def act() -> Outcome:
        left = end_processes(find, settings.grace_s)
        counts = {"strays": len(strays), "left": len(left)}
        if not left:
            return Outcome(counts=counts)
        why = f"can't be ended: {format_processes(left)}"
        if settings.when_left != "go-on":
            name_reason(call, STRAYS, why)
        return Outcome(code=CODES[settings.when_left], why=why, counts=counts)

    return Plan(lines=lines, act=act)


def find_strays(
    uid: int, baseline: frozenset[tuple[int, int]], settings: CleanSlate
) -> list[Process]:
    """Find those that are there now."""
    return choose_strays(read_processes(), uid, os.getpid(), baseline, settings.protect)


def read_baseline(path: Path, boot_id: str, uid: int) -> frozenset[tuple[int, int]] | None:
    """Read who was there; None where that is of an earlier boot, or of another user."""
    note = read_note(path)
    if (note.get("boot_id"), note.get("uid")) != (boot_id, uid):
        return None
    return frozenset((int(pid), int(start)) for pid, start in note["processes"])


def note_baseline(path: Path, boot_id: str, uid: int, owned: list[Process]) -> Plan:
    """Plan to note who is there."""
    who = format_processes(owned) or "nobody"
    document: dict[str, Any] = {"boot_id": boot_id, "uid": uid}
    document["processes"] = [[each.pid, each.start] for each in owned]

    def act() -> Outcome:
        write_note(path, document)
        return Outcome(counts={"baseline": len(owned)})

    return Plan(lines=(f"the first run since boot: these stay: {who}",), act=act)
