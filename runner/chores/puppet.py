"""Let puppet bring this machine up to date, or only look whether it is."""

import shlex
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from farmhand.errors import FarmError
from runner.chores.frame import RETRY, Call, Outcome, Plan, log
from runner.chores.programs import Program, Ran, run_program
from runner.chores.settings import Puppet
from runner.chores.wishes import Wish, read_note, write_note, write_wish
from runner.protocol import TaskCode

FILE = "puppet.json"
LOOK_S = 0.5
PRINT_S = 60.0
GOOD = {0: False, 2: True}  # code with --detailed-exitcodes → whether something changed
LOCK, DISABLED = "agent_catalog_run_lockfile", "agent_disabled_lockfile"


def plan(call: Call, settings: Puppet) -> Plan:
    """Choose how puppet is run."""
    if settings.mode is None:
        return Plan(lines=("no mode is configured: puppet is not run",))
    argv = make_argv(settings, settings.mode)

    def act() -> Outcome:
        locks = ask_locks(settings)
        if settings.mode == "agent" and locks[DISABLED].exists():
            return Outcome(why=f"puppet is disabled on this machine: {locks[DISABLED]}")
        if not wait_unlocked(locks[LOCK], settings.lock_wait_s):
            late = f"another puppet run did not end within {settings.lock_wait_s:g} s"
            return Outcome(code=RETRY, why=late)
        outcome = apply(settings, argv) if settings.changes == "apply" else look(settings, argv)
        return outcome if outcome.code != TaskCode.OK else ask_reboot(call, settings, outcome)

    return Plan(lines=(shlex.join(argv),), act=act)


def make_argv(settings: Puppet, mode: str) -> tuple[str, ...]:
    """Make the command."""
    words = [*shlex.split(settings.puppet), mode, "--detailed-exitcodes", "--color=false"]
    if mode == "agent":
        words += ["--onetime", "--no-daemonize", "--no-usecacheonfailure", "--no-splay"]
        words += ["--verbose"]
    if settings.changes != "apply":
        words += ["--noop"]
    words += settings.arguments
    return (*words, str(settings.manifest)) if mode == "apply" else tuple(words)


def ask_locks(settings: Puppet) -> Mapping[str, Path]:
    """Ask puppet where its lock files are; raises FarmError."""
    argv = (*shlex.split(settings.puppet), "config", "print", LOCK, DISABLED, *settings.arguments)
    lines: list[str] = []
    ran = run_program(Program(argv=argv, timeout_s=PRINT_S), lines.append)
    found = {name: value for name, _, value in (line.partition(" = ") for line in lines)}
    if ran.code != 0 or not {LOCK, DISABLED} <= found.keys():
        raise FarmError(f"puppet does not say where its locks are: {ran.describe()}")
    return {name: Path(found[name]) for name in (LOCK, DISABLED)}


def wait_unlocked(lock: Path, limit_s: float) -> bool:
    """Wait until no other puppet runs; a lock whose process is gone is none."""
    deadline = time.monotonic() + limit_s
    told = False
    while is_held(lock):
        if time.monotonic() >= deadline:
            return False
        if not told:
            log.info("another puppet runs, by %s: waiting", lock)
            told = True
        time.sleep(LOOK_S)
    return True


def is_held(lock: Path) -> bool:
    """Whether a lock's process lives; one that is being written has no number yet."""
    try:
        text = lock.read_text("ascii", "replace").strip()
    except OSError:
        return False
    return not text or (text.isdecimal() and Path(f"/proc/{text}").exists())


def apply(settings: Puppet, argv: tuple[str, ...]) -> Outcome:
    """Run it for real."""
    ran = run_program(Program(argv=argv, timeout_s=settings.timeout_s))
    if ran.code not in GOOD:
        return failed(ran)
    return Outcome(why="changes were applied" if GOOD[ran.code] else "")


def failed(ran: Ran) -> Outcome:
    """Say that it failed, as its own last words do."""
    return Outcome(code=RETRY, why=f"puppet failed: {ran.describe()}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What a run found, by its own summary."""

    out_of_sync: int
    failed: int


def look(settings: Puppet, argv: tuple[str, ...]) -> Outcome:
    """Run it without changing anything: what would it change?"""
    with tempfile.TemporaryDirectory(prefix="puppet-") as directory:
        file = Path(directory) / "last_run_summary.yaml"
        told = (*argv, f"--lastrunfile={file}")
        ran = run_program(Program(argv=told, timeout_s=settings.timeout_s))
        summary = read_summary(file)
    if ran.code not in GOOD or summary is None or summary.failed:
        return failed(ran)
    if not summary.out_of_sync:
        return Outcome()
    why = f"puppet would change {summary.out_of_sync} resources"
    code = TaskCode.HALT if settings.changes == "halt" else TaskCode.OK
    return Outcome(code=code, why=why, counts={"out_of_sync": summary.out_of_sync})


def read_summary(file: Path) -> Summary | None:
    """Read puppet's summary of a run; None where it wrote none, as when it had no catalog."""
    import yaml

    with suppress(OSError, yaml.YAMLError, KeyError, TypeError, ValueError):
        resources = yaml.safe_load(file.read_text("utf-8"))["resources"]
        return Summary(out_of_sync=int(resources["out_of_sync"]), failed=int(resources["failed"]))
    return None


def ask_reboot(call: Call, settings: Puppet, outcome: Outcome) -> Outcome:
    """Halt where a file asks for a reboot that has not been since.

    A file that was seen before this boot has had its reboot: it is removed.
    """
    note = read_note(call.state / FILE)
    files = note.get("files")
    seen = files if isinstance(files, dict) else {}
    booted_since = note.get("boot_id") != call.boot_id
    asking = {}
    for path in settings.reboot_files:
        try:
            stamp = path.lstat().st_mtime_ns
            if booted_since and seen.get(str(path)) == stamp:
                path.unlink()
                log.info("%s has had its reboot", path)
            else:
                asking[str(path)] = stamp
        except FileNotFoundError:
            continue
        except OSError as err:
            log.warning("%s: %s; it counts as read", path, err.strerror)
    if not asking:
        return outcome
    write_note(call.state / FILE, {"boot_id": call.boot_id, "files": asking})
    why = f"puppet asks for a reboot, by {', '.join(asking)}"
    write_wish(call.state, Wish(action="reboot", why=why), call.boot_id)
    return Outcome(code=TaskCode.HALT, why=why)
