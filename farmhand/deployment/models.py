"""What a deployment's files say, as frozen data; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from farmhand.findings import Finding
from farmhand.validation import Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """A command that cron or systemd starts: by whom, with which environment.

    `writable` are the only directories it may write, None where nothing confines it; `made` are
    those that systemd makes for it. `sourced` are files of variables that sh reads first.
    """

    place: Place
    words: tuple[str, ...]
    environ: Mapping[str, str]
    user: str | None = None
    writable: tuple[Path, ...] | None = None
    made: tuple[Path, ...] = ()
    sourced: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """What one file starts, and what is wrong with the file itself."""

    started: tuple[Started, ...] = ()
    findings: tuple[Finding, ...] = ()
