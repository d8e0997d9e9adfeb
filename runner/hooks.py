"""The task hook: a program that hears of each try before and after it. What it does, it does."""

import json
import logging
import math
import shlex
from collections.abc import Mapping

from runner.cgroups import Cgroup
from runner.execute import Job, execute
from runner.protocol import Verdict
from runner.settings import RunnerSettings
from runner.stops import Stops

log = logging.getLogger("runner")


def format_hook(file: str, tries: int, max_tries: int, verdict: Verdict) -> str:
    """Format what the original's hooks are told.

    >>> format_hook("2-it's", 1, 5, Verdict.RUNNING)
    '{"task": "2-it\\'s", "try_num": 1, "max_retries": 5, "result": "RUNNING"}'
    """
    told = {"task": file, "try_num": tries, "max_retries": max_tries, "result": verdict.value}
    return json.dumps(told)


def run_hook(
    told: str,
    settings: RunnerSettings,
    environ: Mapping[str, str],
    stops: Stops,
    cgroup: Cgroup | None,
) -> None:
    """Run the hook; one that fails costs a warning only."""
    job = Job(
        name="hook",
        argv=(*shlex.split(settings.task_hook or ""), told),
        environ=environ,
        stdin=f"{told}\n".encode(),
        max_time_s=settings.hook_time or math.inf,
        grace_s=settings.grace,
        output_limit=settings.output_limit,
    )
    ended = execute(job, stops, cgroup)
    if ended.code != 0:
        log.warning("the hook %s: %s", settings.task_hook, ended.why)
