"""`check`: mistakes that no single value shows, found before a run trips over them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from farmhand.command import Result, Run
from farmhand.errors import BadInput, ExitCode, FarmError, Unavailable
from farmhand.validation import unknown
from watch_pending import gather
from watch_pending.buildermap import compile_buildermap, find_shadowed
from watch_pending.config import FROM_INVENTORY, Market, WatchPending
from watch_pending.models import Cloud
from watch_pending.names import find_names
from watch_pending.report import print_json, print_lines
from watch_pending.settings import WatchPendingSettings, load_settings
from watch_pending.spot import choose_image
from watch_pending.userdata import read_template


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One mistake: a stable code, where it is, what is wrong and what to do."""

    code: str
    where: str
    message: str
    severe: bool = True


def check_settings(
    run: Run, secrets: Path | None, regions: tuple[str, ...], builders: Sequence[str]
) -> Result:
    """Check everything that can be reached, and print what was found.

    Exit code 2 for errors of the configuration, 4 where a database or EC2 did not answer.
    """
    try:
        settings = load_settings(run, secrets, regions)
    except BadInput as err:
        findings = [
            Finding(code="config", where=line.split(": ")[0], message=line)
            for line in str(err).splitlines()
        ]
        return _report(run, findings)
    findings = [*check_limits(settings.watch), *check_types(settings.watch)]
    findings += check_templates(settings)
    scheduler = _try("scheduler_db", findings, lambda: gather.read_scheduler(run, settings.watch, with_builders=True))
    known = (*(scheduler.builders if scheduler else ()), *builders)
    findings += check_shadowed(settings.watch, known)
    cloud = _try("aws", findings, lambda: _read_cloud(run, settings))
    if cloud is not None:
        findings += check_cloud(settings.watch, settings.regions, cloud)
    return _report(run, findings)
