"""What every chore has: its call, its plan, and what came of it; and the verb `runner chore`."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from farmhand.command import Result, Run
from farmhand.errors import BadInput, FarmError
from farmhand.output import print_json, print_lines
from farmhand.state import find_state_directory
from farmhand.wording import unknown
from runner.chores.config import NAMES
from runner.chores.wishes import read_boot_id
from runner.load import find_file_of_task, load_chore
from runner.protocol import TaskCode
from runner.settings import RunnerSettings
from runner.worker.config import WorkerSettings

log = logging.getLogger("runner.chore")

RETRY = 1
CALLER = "RUNNER_CONFIG_CMD"


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One call of a chore. `yes` is a person's, by hand; the directory `state` need not exist.

    `boot_id` is another one each time the machine boots.
    """

    run: Run
    runner: RunnerSettings
    worker: WorkerSettings
    state: Path
    boot_id: str
    yes: bool = False

    @property
    def by_runner(self) -> bool:
        """Whether the runner calls, and no person."""
        return CALLER in self.run.environ


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a chore came out: the task's exit code, why in words, and what was counted."""

    code: int = TaskCode.OK
    why: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)


def go_on() -> Outcome:
    """Do nothing, and go on."""
    return Outcome()


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a chore would do, line by line, and the act; a plan is made without changing a thing."""

    lines: tuple[str, ...]
    act: Callable[[], Outcome] = go_on


def run_chore(run: Run, name: str, *, yes: bool) -> Result:
    """Plan a chore and do it; the exit code is a task's.

    What is wrong with its configuration asks for another try where the runner calls: by then it may
    be mended, and the code for wrong input would halt the machine.
    """
    try:
        call, plan = plan_chore(run, name, yes=yes)
        if run.dry_run:
            return show_plan(run, plan)
        if call.by_runner:
            for line in plan.lines:
                log.info("%s", line)
        return report(call, plan, plan.act())
    except FarmError as err:
        if CALLER not in run.environ:
            raise
        for line in str(err).splitlines():
            log.error("%s", line)
        return Result(exit_code=RETRY, summary={"error": str(err)})


def plan_chore(run: Run, name: str, *, yes: bool) -> tuple[Call, Plan]:
    """Let a chore plan, by its settings; raises FarmError."""
    if name not in NAMES:
        raise BadInput(unknown("chore", name, NAMES))
    path = find_file_of_task(run.config_path, run.environ)
    settings = load_chore(path, name, run.environ)
    call = Call(
        run=run,
        runner=settings.runner,
        worker=settings.worker,
        state=find_state_directory(run.environ),
        boot_id=read_boot_id(),
        yes=yes,
    )
    module: Any = import_module(f"runner.chores.{name}")
    plan: Plan = module.plan(call, settings.chore)
    return call, plan


def show_plan(run: Run, plan: Plan) -> Result:
    """Show what would be done, none of which is."""
    if run.json:
        print_json({"plan": list(plan.lines)})
    else:
        print_lines(plan.lines)
    return Result()


def report(call: Call, plan: Plan, outcome: Outcome) -> Result:
    """Say how it came out: to the runner in its log, to a person on stdout."""
    bad = outcome.code not in {TaskCode.OK, TaskCode.HALT, TaskCode.EXIT}
    summary = {"why": outcome.why, **outcome.counts}
    if call.run.json:
        print_json({"plan": list(plan.lines), "task_code": int(outcome.code), **summary})
    elif call.run.speaks and not call.by_runner:
        print_lines([*plan.lines, *([outcome.why] if outcome.why else [])])
    elif outcome.why:
        log.log(logging.ERROR if bad else logging.INFO, "%s", outcome.why)
    return Result(exit_code=outcome.code, summary=summary)
