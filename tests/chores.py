"""Calls of chores as the runner or a person makes them, without a process of their own."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from farmhand.command import Run
from runner.chores.frame import CALLER, Call
from runner.settings import RunnerSettings
from runner.worker.config import WorkerSettings


def make_call(
    directory: Path,
    environ: Mapping[str, str] | None = None,
    *,
    by_runner: bool = True,
    yes: bool = False,
    now: datetime | None = None,
    boot_id: str = "first boot",
    runner: Mapping[str, Any] | None = None,
) -> Call:
    """Make a call; the state directory is below `directory`."""
    own = {"FARMHAND_HOST": "bld-001", **(environ or {})}
    run = Run(
        command="runner",
        verb="chore",
        host="bld-001/1/0",
        config_path=None,
        environ=own | ({CALLER: "runner"} if by_runner else {}),
        now=now or datetime.now(UTC),
        started=time.monotonic(),
        deadline_s=60,
    )
    return Call(
        run=run,
        runner=RunnerSettings(**(runner or {})),
        worker=WorkerSettings(),
        state=directory / "state",
        boot_id=boot_id,
        yes=yes,
    )
