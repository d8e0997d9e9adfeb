"""What the runner does and did, in a file of the state directory, for `runner status`."""

import json
import logging
import os
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from farmhand.output import format_time
from runner.policy import Step
from runner.settings import BUILDBOT, REBOOT_S
from runner.totals import Totals, add_halt, add_round, read_totals, to_dict

log = logging.getLogger("runner")

FILE = "runner.json"
ROUNDS_KEPT = 10


SHOWN = {"number", "started_at", "seconds", "result", "reason"}


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskRecord:
    """One task of a round; `connected_s` is what the worker's said that its connection took."""

    task: str
    tries: int
    seconds: float
    result: str
    reason: str
    connected_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundRecord:
    """One round; `result` is ok, stop, exit or halt, `cause` the name of a halt's reason."""

    number: int
    started_at: str
    seconds: float
    result: str
    reason: str
    cause: str = ""
    tasks: tuple[TaskRecord, ...] = ()

    @property
    def maintenance_s(self) -> float:
        """What it took without the worker's life."""
        life_s = sum(task.seconds for task in self.tasks if task.task == BUILDBOT)
        return round(max(0.0, self.seconds - life_s), 3)

    @property
    def connected_s(self) -> float | None:
        """What its worker needed to be connected, if it was."""
        return next((task.connected_s for task in self.tasks if task.task == BUILDBOT), None)


@dataclass(kw_only=True, slots=True)
class Record:
    """The file's content, written whole at each change; a full disk costs a warning only."""

    path: Path
    directory: str
    number: int = 0
    last_halt_at: str | None = None
    rounds: list[dict[str, Any]] = field(default_factory=list)
    totals: Totals = field(default_factory=Totals)
    reboot_s: float = REBOOT_S
    warned: bool = False

    def doing(self, what: str, *, task: str | None = None, tries: int | None = None) -> None:
        """Write what is done from now on: a task, a pause, a halt, or nothing more.

        A halt may be the end of this machine's power: only that is worth a wait for the disk.
        """
        document = {
            "pid": os.getpid(),
            "pid_started": read_start(os.getpid()),
            "directory": self.directory,
            "round": self.number,
            "doing": what,
            "task": task,
            "try": tries,
            "since": now(),
            "last_halt_at": self.last_halt_at,
            "rounds": self.rounds,
            "totals": to_dict(self.totals),
            "reboot_s": self.reboot_s,
        }
        draft = self.path.with_name(f".{FILE}.new")
        try:
            with draft.open("w", encoding="utf-8") as file:
                file.write(json.dumps(document))
                if what == "halt":
                    file.flush()
                    os.fsync(file.fileno())
            draft.replace(self.path)
        except OSError as err:
            if not self.warned:
                log.warning("%s can't be written: %s", self.path, err.strerror)
            self.warned = True
        else:
            self.warned = False

    def end_round(self, ended: RoundRecord) -> None:
        """Keep a round, and forget the oldest."""
        document = {
            **_as_dict(ended),
            "maintenance_s": ended.maintenance_s,
            "connected_s": ended.connected_s,
            "tasks": [_as_dict(task) for task in ended.tasks],
        }
        self.rounds = [*self.rounds, document][-ROUNDS_KEPT:]
        self.doing("pause")

    def count(self, halt: Step | None) -> None:
        """Add the last round up, or the halt that follows it; written with what is done next."""
        if halt is not None:
            self.totals = add_halt(self.totals, halt.cause)
            return
        last = self.rounds[-1]
        spent = {key: last[key] for key in ("maintenance_s", "connected_s")}
        self.totals = add_round(self.totals, **spent)

    def halting(self) -> None:
        """Write that a halt begins, which may be the last thing this machine does."""
        self.last_halt_at = now()
        self.doing("halt")


def _as_dict(record: RoundRecord | TaskRecord) -> dict[str, Any]:
    """Make a dict; dataclasses.asdict copies deeply, which takes longer than many a task."""
    return {each: getattr(record, each) for each in record.__slots__}


def now() -> str:
    """Format the time for people: nothing is decided by it."""
    return format_time(datetime.now(UTC))


def open_record(state_directory: Path, directory: Path) -> Record:
    """Go on with what the runner before us wrote; what can't be read is forgotten."""
    path = state_directory / FILE
    before = read_record(path) or {}
    totals = read_totals(before.get("totals"), now())
    record = Record(path=path, directory=str(directory), totals=totals)
    if before:
        record.rounds = before["rounds"]
        halted = before.get("last_halt_at")
        record.last_halt_at = halted if isinstance(halted, str) else None
    return record


def read_record(path: Path) -> dict[str, Any] | None:
    """Read the file; None where there is none, or it is no record. What is no round is left out."""
    with suppress(OSError, ValueError):
        document = json.loads(path.read_text("utf-8"))
        if isinstance(document, dict):
            rounds = document.get("rounds")
            found = filter(_is_round, rounds if isinstance(rounds, list) else [])
            return {**document, "rounds": list(found)}
    return None


def _is_round(each: Any) -> bool:
    known = isinstance(each, dict) and each.keys() >= SHOWN
    return known and isinstance(each["seconds"], int | float)


def seconds_since(stamp: str | None) -> float | None:
    """Count from a time that was written, by the clock on the wall; may be below zero."""
    if stamp is None:
        return None
    with suppress(ValueError):
        return (datetime.now(UTC) - datetime.fromisoformat(stamp)).total_seconds()
    return None


def read_start(pid: int) -> int | None:
    """Read when a process started, in the kernel's own count: an id may return, the two can't."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19])
    return None
