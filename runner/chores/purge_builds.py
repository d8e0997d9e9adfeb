"""Keep room on the disks of builds: the oldest builds go, until there is enough."""

import os
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from runner.chores.builds import (
    GIB,
    BuildDirectory,
    Purge,
    Room,
    format_room,
    format_some,
    is_short,
    plan_purge,
    read_keep,
)
from runner.chores.directories import find_bases, opened, read_builds, read_room, take, tidy
from runner.chores.disk_settings import PurgeBuilds, parse_age
from runner.chores.frame import RETRY, Call, Outcome, Plan, log
from runner.chores.reasons import name_reason
from runner.protocol import TaskCode

CODES = {"go-on": int(TaskCode.OK), "retry": RETRY, "halt": int(TaskCode.HALT)}
DISK_FULL = "disk-full"


@dataclass(kw_only=True, slots=True)
class Disk:
    """One file system: how much is free there, and its builds."""

    bases: list[Path] = field(default_factory=list)
    free: Room
    purge: Purge


def plan(call: Call, settings: PurgeBuilds) -> Plan:
    """Find what may go on each file system, and how much is missing there."""
    wanted = Room(size=settings.free_gib * GIB, inodes=settings.free_inodes)
    bases, lines = find_bases(settings.paths)
    now = call.run.now.timestamp()
    disks = read_disks(bases, settings, now)
    for disk in disks:
        lines.append(f"{disk.bases[0]}: {format_room(disk.free, wanted)}")
        if disk.purge.old:
            lines.append(f"too old: {format_some(disk.purge.old, now)}")
        if is_short(disk.free, wanted):
            lines.append(f"until that is free: {format_some(disk.purge.spare, now) or 'nothing'}")

    def act() -> Outcome:
        counts = {"removed": 0, "left": 0}
        short = [words for disk in disks if (words := purge(disk, wanted, counts))]
        why = "; ".join(short)
        if short and settings.when_short != "go-on":
            name_reason(call, DISK_FULL, why)
        return Outcome(code=CODES[settings.when_short] if short else 0, why=why, counts=counts)

    return Plan(lines=tuple(lines), act=act)


def read_disks(bases: Iterable[Path], settings: PurgeBuilds, now: float) -> list[Disk]:
    """Read each file system that a directory of builds is on."""
    found: dict[int, tuple[list[Path], Room, list[BuildDirectory]]] = {}
    for base in bases:
        with opened(base) as parent:
            if parent is None:
                continue
            builds = read_builds(base, parent)
            device = os.fstat(parent).st_dev
            paths, _, all_builds = found.setdefault(device, ([], read_room(parent), []))
            paths.append(base)
            all_builds += builds
    keep = read_keep(settings.keep)
    max_age_s = parse_age(settings.max_age)
    return [
        Disk(bases=paths, free=room, purge=plan_purge(builds, keep, max_age_s, now))
        for paths, room, builds in found.values()
    ]


def purge(disk: Disk, wanted: Room, counts: dict[str, int]) -> str:
    """Remove what is too old, and then as much as is needed; return what is missing then."""
    with ExitStack() as held:
        parents = {str(base): held.enter_context(opened(base)) for base in disk.bases}
        here = next((each for each in parents.values() if each is not None), None)
        if here is None:
            return ""
        for base, parent in parents.items():
            counts["left"] += tidy(Path(base), parent) if parent is not None else 0
        for each in disk.purge.old:
            counts[take(parents[each.base], each, "it is too old")] += 1
        for each in disk.purge.spare:
            free = read_room(here)
            if not is_short(free, wanted):
                break
            counts[take(parents[each.base], each, format_room(free, wanted))] += 1
        free = read_room(here)
    words = f"{disk.bases[0]}: {format_room(free, wanted)}"
    log.info("%s", words)
    return f"{words}, and nothing more may go" if is_short(free, wanted) else ""
