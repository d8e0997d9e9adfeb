"""One task, as often as it may be tried, with its hooks and pauses."""

import logging
import random
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner.cgroups import Cgroup
from runner.environ import choose_environ
from runner.execute import Job, execute
from runner.hooks import format_hook, run_hook
from runner.policy import GO_ON, Move, Retry, Step, next_step
from runner.protocol import Ended, Verdict, name_reason, read_code, read_number
from runner.record import Record, TaskRecord
from runner.settings import BUILDBOT, Rules, RunnerSettings, find_rules
from runner.stops import Stops
from runner.tasks import Task

log = logging.getLogger("runner")


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """What every task of a round has in common; `environ` is what our own was chosen from."""

    directory: Path
    settings: RunnerSettings
    environ: Mapping[str, str]
    stops: Stops
    record: Record
    cgroup: Cgroup | None
    done: list[TaskRecord] = field(default_factory=list)

    def environ_for(self, rules: Rules) -> dict[str, str]:
        """Choose a task's environment."""
        return choose_environ(self.environ, self.settings.pass_env, rules.env)


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempts:
    """How a task came out; `started` once its process was there."""

    step: Step
    started: bool


def run_task(scene: Scene, task: Task) -> Attempts:
    """Try a task until it goes on, halts or stops; what follows it is somebody else's."""
    rules = find_rules(scene.settings, task.name)
    began = time.monotonic()
    tries, started = 0, False
    while True:
        if not task.path.exists():
            log.warning("%s: %s is gone; the round goes on without it", task.name, task.path)
            return Attempts(step=GO_ON, started=started)
        tries += 1
        ended, verdict = _try_once(scene, task, rules, tries)
        started = started or ended.started
        step = _step(scene, ended, verdict, tries, rules)
        if isinstance(step, Step):
            break
        log.warning("%s: %s; again in %.1f s", task.name, ended.why, step.after_s)
        scene.record.doing("pause", task=task.name, tries=tries)
        scene.stops.wait(step.after_s)
        if scene.stops.count:
            step = Step(move=Move.STOP, why="asked to stop")
            break
    said = ended.said.get("reason", ended.why)
    why = f"{task.name}: {step.why}: {said}" if step.why else ""
    if step.move is Move.HALT:
        log.error("%s", why)
    scene.done.append(
        TaskRecord(
            task=task.name,
            tries=tries,
            seconds=round(time.monotonic() - began, 3),
            result=verdict.value,
            reason=said,
            connected_s=read_number(ended.said.get("connected_s")),
        )
    )
    cause = step.cause and (name_reason(ended.said.get("reason", "")) or step.cause)
    return Attempts(step=replace(step, why=why, cause=cause), started=started)


def _step(scene: Scene, ended: Ended, verdict: Verdict, tries: int, rules: Rules) -> Step | Retry:
    if ended.undead:
        why = f"{ended.undead} of its processes can't be ended"
        return Step(move=Move.HALT, why=why, cause="undead")
    stopping = scene.stops.count > 0
    return next_step(verdict, tries, rules, chance=random.random(), stopping=stopping)  # noqa: S311 - no secret


def _try_once(scene: Scene, task: Task, rules: Rules, tries: int) -> tuple[Ended, Verdict]:
    """Run it once, between its hooks."""
    environ = scene.environ_for(rules)
    log.info("%s: try %d of %d", task.name, tries, rules.max_tries)

    def tell(verdict: Verdict) -> None:
        if scene.settings.task_hook:
            told = format_hook(task.path.name, tries, rules.max_tries, verdict)
            run_hook(told, scene.settings, environ, scene.stops, scene.cgroup)

    tell(Verdict.RUNNING)
    ended = execute(
        make_job(scene, task, rules, environ),
        scene.stops,
        scene.cgroup,
        lambda: scene.record.doing("task", task=task.name, tries=tries),
    )
    verdict = read_code(ended.code)
    if ended.left:
        log.warning("%s: left %d processes behind; they were ended", task.name, ended.left)
    log.info("%s: %s after %.1f s: %s", task.name, ended.why, ended.seconds, verdict.value)
    tell(verdict)
    return ended, verdict


def make_job(scene: Scene, task: Task, rules: Rules, environ: Mapping[str, str]) -> Job:
    """Say how a task's file is run."""
    interpreter = shlex.split(rules.interpreter) if rules.interpreter else []
    return Job(
        name=task.name,
        argv=(*interpreter, str(task.path)),
        environ=environ,
        user=rules.user,
        max_time_s=rules.max_time_s,
        grace_s=rules.grace_s,
        output_limit=scene.settings.output_limit,
        hears_stop=task.name == BUILDBOT,
        keeps=task.name == BUILDBOT,
    )
