"""The verb `run`: round after round, and what the runner as a whole says at its end."""

import logging
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from farmhand.command import Result, Run
from farmhand.errors import BadInput, ExitCode
from farmhand.output import print_lines
from farmhand.state import exclusive, find_state_directory, make_writable
from runner.attempts import Scene
from runner.cgroups import Cgroup, own_cgroup
from runner.environ import config_command
from runner.load import find_file, load_settings
from runner.policy import Move, Step
from runner.processes import adopt_orphans
from runner.publish import publish
from runner.record import Record, open_record
from runner.report import finish, make_samples, show_plan
from runner.rounds import halt, run_round
from runner.settings import RunnerSettings, find_option
from runner.stops import Stops, listening
from runner.tasks import Divided, read_round

log = logging.getLogger("runner")
UNSET = 1  # as the original; no bug of ours


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """The options of its own; `times` is None for ever."""

    directory: Path
    times: int | None = None
    halt: bool = False


@dataclass(kw_only=True, slots=True)
class Loop:
    """What goes on from round to round: the last good settings and tasks, and what was skipped."""

    run: Run
    options: Options
    path: Path | None
    stops: Stops
    record: Record
    cgroup: Cgroup | None
    settings: RunnerSettings
    tasks: Divided
    skipped: tuple[str, ...] = ()
    counted: dict[str, int] = field(default_factory=dict)

    def find_halt(self, step: Step) -> Step | None:
        """Say which halt follows a round, if any."""
        if step.move is Move.HALT:
            return step
        if not self.options.halt or step.move is not Move.GO_ON:
            return None
        done = self.record.number == self.options.times
        why = f"{self.options.times} rounds are done"
        return Step(move=Move.HALT, why=why, cause="rounds") if done else None

    def renew(self) -> None:
        """Read configuration and directory again; what is wrong with them costs an error line."""
        try:
            self.settings, self.tasks, skipped = read(self.run, self.path, self.options.directory)
        except BadInput as err:
            log.error("%s; this round goes on as the last one", err)
            return
        self.record.reboot_s = self.settings.reboot_s
        if skipped != self.skipped:
            log.warning("no tasks: %s", ", ".join(skipped) or "none any more")
        self.skipped = skipped

    def scene(self) -> Scene:
        """Make what a round's tasks have in common."""
        environ = {**self.run.environ, "RUNNER_CONFIG_CMD": config_command(self.path)}
        return Scene(
            directory=self.options.directory,
            settings=self.settings,
            environ=environ,
            stops=self.stops,
            record=self.record,
            cgroup=self.cgroup,
        )


def read(
    run: Run, path: Path | None, directory: Path
) -> tuple[RunnerSettings, Divided, tuple[str, ...]]:
    """Read settings and tasks; raises BadInput."""
    settings = load_settings(path, run.environ)
    tasks, skipped = read_round(directory, settings)
    return settings, tasks, skipped


def run_rounds(run: Run, options: Options) -> Result:
    """Run rounds until there were enough, or one says halt, or we are asked to stop.

    Raises BadInput where the first round can't be read, LockHeld while another runner is at work.
    """
    path = find_file(run.config_path, run.environ)
    settings, tasks, skipped = read(run, path, options.directory)
    if skipped:
        log.warning("no tasks: %s", ", ".join(skipped))
    if run.dry_run:
        return show_plan(run, settings, tasks, skipped)
    state = find_state_directory(run.environ)
    make_writable(state)
    with (
        exclusive(state, "runner"),
        listening() as stops,
        own_cgroup(state, settings.grace) as cgroup,
    ):
        logging.raiseExceptions = False  # a full disk must not fill stderr too
        adopt_orphans()
        record = open_record(state, options.directory)
        record.reboot_s = settings.reboot_s
        loop = Loop(
            run=run,
            options=options,
            path=path,
            stops=stops,
            record=record,
            cgroup=cgroup,
            settings=settings,
            tasks=tasks,
            skipped=skipped,
        )
        step = go_round(loop)
        record.doing("nothing")
        asked = stops.count
    result = finish(run, step, record, loop.counted)
    return replace(result, exit_code=ExitCode.TERMINATED) if asked > 1 else result


def go_round(loop: Loop) -> Step:
    """Go round; return how the last round came out, after the halt that follows it."""
    while True:
        began = time.monotonic()
        loop.record.number += 1
        scene = loop.scene()
        step = run_round(scene, loop.tasks)
        loop.counted[step.move.word] = loop.counted.get(step.move.word, 0) + 1
        ending = loop.find_halt(step)
        if ending or step.move is Move.GO_ON:
            loop.record.count(ending)
        if loop.run.metrics_textfile is not None:
            publish(loop.run.metrics_textfile, make_samples(loop.record, loop.counted))
        if ending:
            halt(scene, ending.why)
        if ending or step.move is not Move.GO_ON or loop.record.number == loop.options.times:
            return step
        loop.stops.wait(began + loop.settings.round_interval - time.monotonic())
        if loop.stops.count:
            return Step(move=Move.STOP, why="asked to stop")
        loop.renew()


def print_option(run: Run, name: str) -> Result:
    """Print one setting for a task that asks; what is not set is exit code 1.

    Raises BadInput for a name that has no dot, and for a configuration that is wrong.
    """
    section, dot, option = name.partition(".")
    if not dot or not section or not option:
        raise BadInput(f"-g {name}: expected SECTION.OPTION")
    settings = load_settings(find_file(run.config_path, run.environ), run.environ)
    value = find_option(settings, section, option)
    if value is None:
        log.error("%s is not set", name)
        return Result(exit_code=UNSET)
    print_lines([value])
    return Result()
