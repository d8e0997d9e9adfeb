"""The `scanner:` section of farmhand.yml as a frozen dataclass; pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import ConfigDict

from farmhand.validation import Count, PositiveInt, Problem, Seconds

LEAST_LEASE_S = 15


@dataclass(frozen=True, kw_only=True, slots=True)
class Scanner:
    """How daemons are polled, when they are given up, and where results go.

    The daemons themselves are in the database. `store` is for all hosts that scan the same farm.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    store: Path | None = None
    command: tuple[str, ...] = ()
    command_s: Seconds = 600
    # What a status, any other call, one file that a daemon or we fetch may take.
    status_s: Seconds = 10
    call_s: Seconds = 30
    fetch_s: Seconds = 600
    parallel_fetches: PositiveInt = 128
    parallel_collects: PositiveInt = 32
    lease_s: Seconds = 90
    wave_s: Seconds = 1
    # When something is given up.
    silent_s: Seconds = 300
    recount_s: Seconds = 60
    abort_s: Seconds = 180
    build_s: Seconds = 86400
    log_silent_s: Seconds = 14400
    daemon_failures: PositiveInt = 5
    job_failures: PositiveInt = 3
    equal_failures: PositiveInt = 3
    losses: PositiveInt = 10
    back_off_s: Seconds = 60
    # What is kept of a log, from its beginning and from its end; what a build may deliver.
    log_head_bytes: Count = 8 * 2**20
    log_tail_bytes: Count = 2**20
    log_most_bytes: Count = 2**30
    file_most_bytes: Count = 4 * 2**30
    build_most_bytes: Count = 8 * 2**30
    build_most_files: PositiveInt = 1000
    keep_free_bytes: Count = 2**30

    def find_problems(self) -> Iterator[Problem]:
        """Find what single values can't show."""
        if self.lease_s < LEAST_LEASE_S:
            yield Problem(("lease_s",), f"expected {LEAST_LEASE_S} or more")
