"""The settings of `runner worker`: a frozen dataclass that needs no validation library; pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from farmhand.validation import Problem

POSITIVE = (
    "ready_within_s",
    "stop_within_s",
    "kill_grace_s",
    "lost_for_s",
    "idle_wait_s",
    "notice_poll_s",
)
NOT_NEGATIVE = (
    "run_for_s",
    "builds",
    "idle_jitter_s",
    "notice_margin_s",
    "fast_failures",
    "fast_s",
    "min_free_gib",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerSettings:
    """One worker's life: where its tac comes from, how long it works, how it is stopped.

    `basedir`, `slavename` and `allocator_url` are passed to `runslave`, which has its own section
    for what is None here. After `run_for_s`, or as soon as `builds` have begun, the worker is asked
    to stop; 0 is no such limit. A build that runs `stop_within_s` after that is killed only with
    `kill_builds`. `lost_for_s` is how long it may be without a master it was connected to.
    `fast_failures` builds in a row that failed within `fast_s`, and less than `min_free_gib` on the
    disk of `basedir`, halt the machine; 0 of either is no reason to.

    `when_idle` says what a worker without a master does: ask again after `idle_wait_s` and up to
    `idle_jitter_s` more, or end with that task code. `pass_env` names variables the worker gets
    although they look like secrets; `*` at the end of a name stands for anything.

    On EC2, unless `notices` is false, the metadata service is asked each `notice_poll_s` whether
    this machine is taken away, or, with `heed_rebalance`, may soon be. A build is ended
    `notice_margin_s` before that, so that post-flight can run.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    basedir: Path | None = None
    slavename: str | None = None
    allocator_url: str | None = None
    twistd_cmd: str | None = None
    instance_id: str | None = None
    ready_within_s: float = 300
    run_for_s: float = 1800
    builds: int = 0
    stop_within_s: float = 18000
    kill_builds: bool = False
    kill_grace_s: float = 20
    lost_for_s: float = 900
    fast_failures: int = 5
    fast_s: float = 60
    min_free_gib: float = 1
    when_disk_full: Literal["halt", "go-on"] = "halt"
    when_idle: Literal["wait", "go-on", "retry", "halt", "exit"] = "wait"
    idle_wait_s: float = 600
    idle_jitter_s: float = 120
    pass_env: tuple[str, ...] = ()
    notices: bool = True
    heed_rebalance: bool = True
    notice_poll_s: float = 5
    notice_margin_s: float = 30

    def find_problems(self) -> Iterator[Problem]:
        """Say which values make no sense."""
        from farmhand.validation import Problem

        for name in (*POSITIVE, *NOT_NEGATIVE):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0 or (value == 0 and name in POSITIVE):
                expected = "more than 0" if name in POSITIVE else "0 or more"
                yield Problem((name,), f"expected {expected}")
        if self.basedir is not None and not self.basedir.is_absolute():
            yield Problem(("basedir",), "expected an absolute path")
