"""The `runner:` section of farmhand.yml as frozen dataclasses; pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runner.chores.config import NAMES, Chores, find_problems
from runner.settings import RunnerSettings, is_command
from runner.worker.config import WorkerSettings

if TYPE_CHECKING:
    from farmhand.validation import Problem


@dataclass(frozen=True, kw_only=True, slots=True)
class Runner(RunnerSettings):
    """What the runner's rounds and tasks have, and what `runner worker` and `runner chore` do."""

    worker: WorkerSettings = field(default_factory=WorkerSettings)
    chores: Chores = field(default_factory=Chores)

    def find_problems(self) -> "Iterator[Problem]":
        """Say which values make no sense."""
        from farmhand.validation import Problem

        commands: dict[tuple[str, ...], str | None] = {
            ("interpreter",): self.interpreter,
            ("task_hook",): self.task_hook,
        }
        for name, task in self.tasks.items():
            commands["tasks", name, "interpreter"] = task.interpreter
        for path, command in commands.items():
            if command is not None and not is_command(command):
                yield Problem(path, "expected a command, its quotes closed")
        for problem in self.worker.find_problems():
            yield Problem(("worker", *problem.path), problem.message)
        for name in NAMES:
            for where, message in find_problems(getattr(self.chores, name)):
                yield Problem(("chores", name, *where), message)
