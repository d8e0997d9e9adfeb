"""The halt: reboot, power off, or give the machine back; and nothing more until that is done."""

import shlex
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from farmhand.errors import BadInput, FarmError
from farmhand.output import format_time
from runner.chores.frame import RETRY, Call, Outcome, Plan, log
from runner.chores.programs import Program, run_program
from runner.chores.settings import Action, Halt
from runner.chores.wishes import WISH, Wish, read_note, read_wish, write_note
from runner.environ import HALT_REASON
from runner.policy import halt_wait_s
from runner.record import seconds_since

LAST = "halt.json"
COMMAND_S = 60.0


def plan(call: Call, settings: Halt) -> Plan:
    """Choose what the halt is, and how long it waits, so that no machine reboots all day."""
    reason = call.run.environ.get(HALT_REASON)
    wish = read_wish(call.state, call.boot_id)
    action = choose_action(settings, wish)
    command = find_command(settings, action)
    last = read_note(call.state / LAST).get("at")
    since_s = seconds_since(last) if isinstance(last, str) else None
    wait_s = halt_wait_s(since_s, settings.min_interval_s) if reason is not None else 0.0
    why = ", since ".join(each for each in (reason, wish and wish.why) if each) or "by hand"
    lines = [f"{action}, by {command!r}: {why}"]
    if wait_s:
        lines.append(f"in {wait_s:.0f} s: the last one was not long ago")

    def act() -> Outcome:
        if reason is None and not call.yes:
            raise BadInput("nobody but the runner halts this machine; if you must: --yes")
        time.sleep(wait_s)
        note_halt(call.state, action, why)
        settle_s = settings.settle_s if reason is not None else 0.0
        try:
            return go_down(command, settle_s)
        except SystemExit:  # by SIGTERM, with which the machine's end begins
            return Outcome(why="asked to end, as by a machine that goes down")

    return Plan(lines=tuple(lines), act=act)


def choose_action(settings: Halt, wish: Wish | None) -> Action:
    """Choose what is done: as a chore has wished since the last boot, else as configured."""
    return wish.action if wish is not None else settings.action


def find_command(settings: Halt, action: Action) -> str:
    """Find the command that does it."""
    commands = {
        "reboot": settings.reboot,
        "shutdown": settings.shutdown,
        "terminate": settings.terminate,
    }
    return commands[action]


def go_down(command: str, settle_s: float) -> Outcome:
    """Run the command, and wait for what it does."""
    ran = run_program(Program(argv=tuple(shlex.split(command)), timeout_s=COMMAND_S))
    if ran.code != 0:
        return Outcome(code=RETRY, why=f"{command!r}: {ran.describe()}")
    if not settle_s:
        return Outcome()
    time.sleep(settle_s)
    return Outcome(code=RETRY, why=f"{settle_s:g} s after {command!r} it still runs")


def note_halt(state: Path, action: Action, why: str) -> None:
    """Note the time for the next halt; a disk that can't be written is no reason to go on."""
    note = {"at": format_time(datetime.now(UTC)), "action": action, "why": why}
    try:
        write_note(state / LAST, note)
    except FarmError as err:
        log.warning("%s", err)
    with suppress(OSError):
        (state / WISH).unlink(missing_ok=True)
