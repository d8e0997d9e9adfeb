"""Restart services, and run other commands, after the worker; one that fails stops no other."""

import shlex

from runner.chores.frame import RETRY, Call, Outcome, Plan
from runner.chores.programs import Program, run_program
from runner.chores.settings import RestartServices


def plan(_call: Call, settings: RestartServices) -> Plan:
    """List the commands."""
    restart = tuple(shlex.split(settings.command))
    commands = [(*restart, name) for name in settings.services]
    commands += [tuple(shlex.split(command)) for command in settings.commands]

    def act() -> Outcome:
        failed = []
        for argv in commands:
            ran = run_program(Program(argv=argv, timeout_s=settings.timeout_s))
            if ran.code != 0:
                failed.append(f"{shlex.join(argv)}: {ran.describe()}")
        return Outcome(code=RETRY if failed else 0, why="; ".join(failed))

    return Plan(lines=tuple(shlex.join(argv) for argv in commands), act=act)
