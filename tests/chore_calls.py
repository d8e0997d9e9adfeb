"""Calls of the tasks that come with the runner, inside this process."""

import math
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from farmhand.command import Run
from runner.chores.frame import Call
from runner.settings import RunnerSettings
from runner.worker_config import WorkerSettings

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = 86400.0
BY_RUNNER = MappingProxyType({"RUNNER_CONFIG_CMD": "runner"})


def make_call(state: Path, environ: Mapping[str, str] = BY_RUNNER) -> Call:
    """Make a call, at NOW, by the runner."""
    run = Run(
        command="runner",
        verb="chore",
        host="tst-001:1:abc",
        config_path=None,
        environ=environ,
        now=NOW,
        started=0.0,
        deadline_s=math.inf,
    )
    return Call(
        run=run, runner=RunnerSettings(), worker=WorkerSettings(), state=state, boot_id="boot"
    )


def make_build(path: Path, days: float, size: int = 0) -> Path:
    """Make a directory of a build that nobody has changed for so many days."""
    (path / "build").mkdir(parents=True)
    (path / "build/object").write_bytes(bytes(size))
    for each in (path / "build/object", path / "build", path):
        age(each, days)
    return path


def age(path: Path, days: float) -> None:
    """Make a file, directory or link so many days old."""
    then = NOW.timestamp() - days * DAY
    os.utime(path, (then, then), follow_symlinks=False)
