"""After the worker: does this machine need a halt before it works again?"""

import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from farmhand.errors import FarmError
from runner.chores.disks import Disk, read_disk, read_free_memory_percent
from runner.chores.frame import Call, Outcome, Plan, log
from runner.chores.settings import PostFlight
from runner.chores.wishes import read_note, write_note
from runner.protocol import TaskCode
from runner.stops import listening
from runner.worker.fetch import ask_basedir
from runner.worker.follow import rotated
from runner.worker.start import LOG_FILE
from runner.worker.twistd_log import STAMP, Kind, parse_line

FILE = "post_flight.json"
LOGS_READ = 3
MOST_BYTES = 1 << 26
NAMED = re.compile(r"\w+\.remote_print\((.*)\): message from master: ping$")
PLACE = re.compile(r"(?:\(command .*\): )?\s*in dir (.+) \(timeout ")


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """One that has begun: when, by the log; its builder, where told; and where it ran first."""

    begun: str
    builder: str | None = None
    place: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What is known of the machine after a round; `build` is None where it has had no new one."""

    host: str
    build: Build | None
    basedir: Path | None
    rounds: int
    memory_percent: float
    disks: tuple[Disk, ...]


def plan(call: Call, settings: PostFlight) -> Plan:
    """Look at the last build and the machine, and judge."""
    note = read_note(call.state / FILE)
    same_boot = note.get("boot_id") == call.boot_id
    before = note.get("rounds") if same_boot else 0
    rounds = (before if isinstance(before, int) else 0) + 1
    path = find_log(call, settings)
    last = read_last_build(path) if path else None
    seen = Seen(
        host=call.run.environ.get("FARMHAND_HOST") or socket.gethostname(),
        build=last if last and last.begun != note.get("build") else None,
        basedir=path.parent if path else None,
        rounds=rounds,
        memory_percent=read_free_memory_percent(),
        disks=tuple(map(read_disk, settings.disks)),
    )
    reasons = tuple(judge(seen, settings))
    document = {
        "boot_id": call.boot_id,
        "rounds": rounds,
        "build": last.begun if last else note.get("build"),
    }

    def act() -> Outcome:
        try:
            write_note(call.state / FILE, document)
        except FarmError as err:  # as on the full disk that is the reason
            log.warning("%s", err)
        return Outcome(
            code=TaskCode.HALT if reasons else TaskCode.OK,
            why="; ".join(reasons),
            counts={"rounds": rounds},
        )

    return Plan(lines=reasons or ("this machine may work again",), act=act)


def find_log(call: Call, settings: PostFlight) -> Path | None:
    """Find the worker's log, but only where builds matter."""
    if not settings.halt_after:
        return None
    if settings.log is not None:
        return settings.log
    with listening() as asked:
        basedir = ask_basedir(call.run, call.worker, asked)
    if basedir is None:
        log.warning("where the worker's log is, nobody says: runner.chores.post_flight.log")
        return None
    return basedir / LOG_FILE


def judge(seen: Seen, settings: PostFlight) -> Iterator[str]:
    """Say why it should halt; nothing where it need not."""
    if seen.build is not None:
        names = name_build(seen.build, seen.basedir)
        for pattern in settings.halt_after:
            if any(re.match(pattern, name) for name in names):
                yield f"the last build was {names[0]!r}, as halt_after has it: {pattern}"
                break
    for pattern in settings.halt_hosts:
        if re.match(pattern, seen.host):
            yield f"this is {seen.host!r}, as halt_hosts has it: {pattern}"
            break
    if settings.rounds and seen.rounds >= settings.rounds:
        yield f"{seen.rounds} rounds since it booted"
    if seen.memory_percent < settings.min_memory_percent:
        yield f"only {seen.memory_percent:.1f} % of its memory are free"
    for disk in seen.disks:
        yield from judge_disk(disk, settings)


def judge_disk(disk: Disk, settings: PostFlight) -> Iterator[str]:
    """Say what is wrong with a disk."""
    if disk.problem:
        yield f"{disk.path}: {disk.problem}"
        return
    if disk.read_only:
        yield f"{disk.path} can only be read"
    if disk.free_gib < settings.min_free_gib:
        yield f"{disk.path}: only {disk.free_gib:.1f} GiB are free"
    if disk.free_inodes is not None and disk.free_inodes < settings.min_free_inodes:
        yield f"{disk.path}: only {disk.free_inodes} more files fit"


def name_build(build: Build, basedir: Path | None) -> list[str]:
    """List what a build can be called by: its builder, and its directory in the worker's.

    >>> name_build(Build(begun="", builder="Linux", place="/b/slave/linux/build"), Path("/b/slave"))
    ['Linux', 'linux']
    """
    names = [build.builder] if build.builder else []
    if build.place:
        place = Path(build.place)
        inside = basedir is not None and place.is_relative_to(basedir)
        parts = place.relative_to(basedir).parts if inside and basedir else ()
        names.append(parts[0] if parts else build.place)
    return names or [""]


def read_last_build(path: Path) -> Build | None:
    """Read the last build of a log, or of what it was rotated to; None where there is none."""
    for each in islice(rotated(path), LOGS_READ):
        try:
            with closing(each.open("rb")) as file:
                file.seek(max(0, each.stat().st_size - MOST_BYTES))
                lines = (line.decode("utf-8", "replace").rstrip("\r\n") for line in file)
                if build := find_last_build(lines):
                    return build
        except FileNotFoundError:
            continue
        except OSError as err:
            log.warning("the worker's log %s: %s", each, err.strerror)
    return None


def find_last_build(lines: Iterable[str]) -> Build | None:
    """Find the last build that has begun: a command after the master's ping."""
    last: Build | None = None
    pinged: Build | None = None
    for line in lines:
        stamp = STAMP.match(line)
        if not stamp:
            continue
        text = line[stamp.end() :]
        event = parse_line(line)
        if event and event.kind is Kind.PING:
            named = NAMED.match(text)
            pinged = Build(begun=stamp[0], builder=named[1] if named else None)
        elif event and event.kind is Kind.COMMAND and pinged:
            last, pinged = pinged, None
        elif last and last.place is None and (found := PLACE.match(text)):
            last = replace(last, place=found[1])
    return last
