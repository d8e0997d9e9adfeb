"""One round: pre-flight, the worker, post-flight; and the halt."""

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from runner.attempts import Scene, make_job, run_task
from runner.environ import HALT_REASON
from runner.execute import execute
from runner.policy import GO_ON, Move, Step, halt_wait_s, worse
from runner.record import RoundRecord, now, seconds_since
from runner.settings import find_rules
from runner.tasks import Divided, Task, name_task

log = logging.getLogger("runner")
STOP = Step(move=Move.STOP, why="asked to stop")


def run_round(scene: Scene, tasks: Divided) -> Step:
    """Run one round's tasks in order; what it returns says how the loop goes on."""
    began, started_at = time.monotonic(), now()
    number = scene.record.number
    log.info("round %d: %s", number, describe(tasks))
    step = run_before(scene, tasks.before)
    if tasks.buildbot is not None and step.move is Move.GO_ON:
        if scene.stops.count:
            step = STOP
        else:
            worker = run_task(scene, tasks.buildbot)
            step = worker.step
            if worker.started:
                step = worse(step, run_after(scene, tasks.after))
    if step.move is Move.GO_ON and scene.stops.count:
        step = STOP
    seconds = time.monotonic() - began
    scene.record.end_round(
        RoundRecord(
            number=number,
            started_at=started_at,
            seconds=round(seconds, 3),
            result=step.move.word,
            reason=step.why,
            cause=step.cause,
            tasks=tuple(scene.done),
        )
    )
    log.info("round %d: %s after %.1f s", number, step.why or "done", seconds)
    return step


def describe(tasks: Divided) -> str:
    """Say in words what a round has.

    >>> describe(Divided(before=(), buildbot=None, after=()))
    'no tasks, no worker'
    """
    before = ", ".join(task.name for task in tasks.before) or "no tasks"
    if tasks.buildbot is None:
        return f"{before}, no worker"
    after = ", ".join(task.name for task in tasks.after) or "nothing"
    return f"{before}, then the worker, then {after}"


def run_before(scene: Scene, tasks: Sequence[Task]) -> Step:
    """Run pre-flight: the first task that does not go on is the last one."""
    for task in tasks:
        if scene.stops.count:
            return STOP
        step = run_task(scene, task).step
        if step.move is not Move.GO_ON:
            return step
    return GO_ON


def run_after(scene: Scene, tasks: Sequence[Task]) -> Step:
    """Run post-flight, which also a stop does not shorten, unless it is asked for once more."""
    asked = scene.stops.count
    for task in tasks:
        step = run_task(scene, task).step
        if step.move >= Move.EXIT:
            return step
        if scene.stops.count >= max(2, asked + 1):
            return STOP
    return GO_ON


def halt(scene: Scene, why: str) -> None:
    """Run the halt task once, not sooner after the last one than is allowed."""
    path = Path(scene.directory) / scene.settings.halt_task
    wait_s = halt_wait_s(seconds_since(scene.record.last_halt_at), scene.settings.halt_interval)
    if wait_s:
        log.warning("the halt waits %.0f s: the last one was not long ago", wait_s)
        scene.record.doing("pause")
        scene.stops.wait(wait_s)
        if scene.stops.count:
            log.warning("asked to stop: no halt")
            return
    log.warning("halt: %s", why)
    scene.record.halting()
    if not path.exists():
        log.error("there is no halt task %s: this machine goes on as it is", path)
        return
    task = Task(name=name_task(path.name), path=path)
    rules = find_rules(scene.settings, task.name)
    job = make_job(scene, task, rules, {**scene.environ_for(rules), HALT_REASON: why})
    # It may wait for the machine's end, which must not wait for it.
    job = replace(job, hears_stop=scene.stops.count == 0)
    ended = execute(job, scene.stops, scene.cgroup)
    log.log(logging.INFO if ended.code == 0 else logging.ERROR, "%s: %s", task.name, ended.why)
