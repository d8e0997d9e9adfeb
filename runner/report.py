"""What a run of the runner, and its plan, say at the end: to people, programs and metrics."""

from collections.abc import Mapping, Sequence
from typing import Any

from farmhand.command import Result, Run
from farmhand.errors import ExitCode
from farmhand.metrics import Sample
from farmhand.output import print_json, print_lines
from runner.policy import Move, Step
from runner.settings import RunnerSettings, find_rules
from runner.tasks import Divided, Task


def show_plan(run: Run, settings: RunnerSettings, tasks: Divided, skipped: Sequence[str]) -> Result:
    """Show the next round's tasks, none of which is run."""
    worker = (tasks.buildbot,) if tasks.buildbot else ()
    parts = {"before": tasks.before, "worker": worker, "after": tasks.after}
    rows = [
        {"part": part, **plan_task(settings, task)} for part, each in parts.items() for task in each
    ]
    if run.json:
        print_json({"tasks": rows, "skipped": list(skipped), "halt_task": settings.halt_task})
    else:
        print_lines([format_planned(row) for row in rows] or ["no tasks"])
    return Result()


def plan_task(settings: RunnerSettings, task: Task) -> dict[str, Any]:
    """Say how a task would be run; a `max_time_s` of None has no end."""
    rules = find_rules(settings, task.name)
    endless = rules.max_time_s == float("inf")
    return {
        "task": task.name,
        "file": task.path.name,
        "max_time_s": None if endless else rules.max_time_s,
        "max_tries": rules.max_tries,
        "interpreter": rules.interpreter,
        "user": rules.user,
    }


def format_planned(row: Mapping[str, Any]) -> str:
    """Say it in a line."""
    limit = "no end" if row["max_time_s"] is None else f"at most {row['max_time_s']:g} s"
    return f"{row['part']:6}  {row['file']}  ({limit}, {row['max_tries']} tries)"


def finish(
    run: Run, step: Step, rounds: Sequence[Mapping[str, Any]], counted: Mapping[str, int]
) -> Result:
    """Say how the rounds went: 3 after a halt that a task brought about, 0 where all is done."""
    if run.json:
        document = {"result": step.move.word, "reason": step.why, "rounds": list(rounds)}
        print_json(document)
    code = ExitCode.PARTIAL if step.move is Move.HALT else ExitCode.OK
    return Result(
        exit_code=code,
        summary={"rounds": sum(counted.values()), "result": step.move.word},
        samples=tuple(make_samples(rounds, counted)),
    )


def make_samples(rounds: Sequence[Mapping[str, Any]], counted: Mapping[str, int]) -> list[Sample]:
    """Make the metrics of the rounds so far."""
    samples = [
        Sample(
            name="runner_rounds",
            help="Rounds of this run of the runner, by how they came out.",
            value=counted.get(move.word, 0),
            labels={"result": move.word},
        )
        for move in Move
    ]
    if rounds:
        samples.append(
            Sample(
                name="runner_last_round_seconds",
                help="Duration of the last round.",
                value=rounds[-1]["seconds"],
            )
        )
    return samples
