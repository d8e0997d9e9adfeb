"""What a run of the runner, and its plan, say at the end: to people, programs and metrics."""

from collections.abc import Mapping, Sequence
from typing import Any

from farmhand.command import Result, Run
from farmhand.errors import ExitCode
from farmhand.metrics import Sample
from farmhand.output import print_json, print_lines
from runner.policy import Move, Step
from runner.record import Record
from runner.settings import RunnerSettings, find_rules
from runner.tasks import Divided, Task
from runner.totals import compare

LAST = {
    "round": ("seconds", "Duration of the last round."),
    "maintenance": ("maintenance_s", "What the last round took without its worker's life."),
    "connect": ("connected_s", "What the last round's worker needed to be connected."),
}
REBOOTS = "Rounds since the record began after which the machine went on without a reboot."
SAVED = "What a reboot after each of them would have taken, less what their maintenance took."


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


def finish(run: Run, step: Step, record: Record, counted: Mapping[str, int]) -> Result:
    """Say how the rounds went: 3 after a halt that a task brought about, 0 where all is done."""
    if run.json:
        rounds = record.rounds[-record.number :]
        document = {"result": step.move.word, "reason": step.why, "cause": step.cause}
        print_json({**document, "rounds": rounds})
    code = ExitCode.PARTIAL if step.move is Move.HALT else ExitCode.OK
    return Result(
        exit_code=code,
        summary={"rounds": sum(counted.values()), "result": step.move.word},
        samples=tuple(make_samples(record, counted)),
    )


def make_samples(record: Record, counted: Mapping[str, int]) -> list[Sample]:
    """Make the metrics of the rounds so far: of this run, of the last round, and of all."""
    samples = [
        Sample(
            name="runner_rounds",
            help="Rounds of this run of the runner, by how they came out.",
            value=counted.get(move.word, 0),
            labels={"result": move.word},
        )
        for move in Move
    ]
    last = record.rounds[-1] if record.rounds else {}
    samples += [
        Sample(name=f"runner_last_{name}_seconds", help=text, value=value)
        for name, (key, text) in LAST.items()
        if (value := last.get(key)) is not None
    ]
    samples += [
        Sample(
            name="runner_halts",
            help="Halts of this machine since its record began, by their reason.",
            value=count,
            labels={"reason": cause},
        )
        for cause, count in sorted(record.totals.halts.items())
    ]
    if saving := compare(record.totals, record.reboot_s):
        samples += [
            Sample(name="runner_reboots_saved", help=REBOOTS, value=saving.rounds),
            Sample(name="runner_saved_seconds", help=SAVED, value=saving.saved_s),
        ]
    return samples
