"""Which file configures the runner, and what it says: farmhand.yml, or the original's INI."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from farmhand.config_file import find_config
from farmhand.errors import BadInput
from runner.chores.config import Chores, find_problems
from runner.chores.kinds import build, nest
from runner.originals import read_ini
from runner.settings import RunnerSettings, from_json
from runner.worker.config import WorkerSettings

YAML = {".yml", ".yaml"}
LONGEST_S = 60


def find_file(option: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Choose the file, as an absolute path: tasks that ask us may stand elsewhere."""
    path = find_config(option, environ)
    return path.absolute() if path is not None else None


def find_file_of_task(option: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Choose the file for what the runner has started: the runner's own, unless an option says."""
    _, named, ours = environ.get("RUNNER_CONFIG_CMD", "").partition(" -c ")
    return Path(ours) if named and option is None else find_file(option, environ)


def load_settings(path: Path | None, environ: Mapping[str, str]) -> RunnerSettings:
    """Load the runner's settings; without a file, the defaults.

    Raises BadInput with a line for each mistake.
    """
    if path is None:
        return RunnerSettings()
    if path.suffix in YAML:
        return from_json(_ask_another(path, environ))
    return read_ini(path).settings


def load_worker(
    path: Path | None, environ: Mapping[str, str]
) -> tuple[RunnerSettings, WorkerSettings]:
    """Load the runner's settings and those of `runner worker`; raises BadInput."""
    if path is None:
        return RunnerSettings(), WorkerSettings()
    if path.suffix not in YAML:
        original = read_ini(path)
        return original.settings, original.worker
    section = _ask_another(path, environ)
    return from_json(section), _read_worker(section)


def _read_worker(section: Mapping[str, Any]) -> WorkerSettings:
    data = section["worker"]
    basedir = data["basedir"]
    return WorkerSettings(
        **{
            **data,
            "basedir": Path(basedir) if basedir is not None else None,
            "pass_env": tuple(data["pass_env"]),
        }
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ChoreSettings:
    """What a chore is told, and what the runner and `runner worker` are."""

    chore: Any
    runner: RunnerSettings
    worker: WorkerSettings


def load_chore(path: Path | None, name: str, environ: Mapping[str, str]) -> ChoreSettings:
    """Load the settings of one chore and all others; raises BadInput."""
    kind = get_type_hints(Chores)[name]
    if path is None:
        return ChoreSettings(chore=kind(), runner=RunnerSettings(), worker=WorkerSettings())
    if path.suffix in YAML:
        data = _ask_another(path, environ)
        chore = build(kind, data["chores"][name], f"{path}: runner.chores.{name}")
        return ChoreSettings(chore=chore, runner=from_json(data), worker=_read_worker(data))
    original = read_ini(path)
    where = f"{path}: [{name}]"
    chore = build(kind, nest(original.settings.sections.get(name, {})), where)
    for _, message in find_problems(chore):
        raise BadInput(f"{where}: {message}")
    return ChoreSettings(chore=chore, runner=original.settings, worker=original.worker)


def _ask_another(path: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """Let a process of its own check the file; raises BadInput with what it says."""
    import subprocess

    command = [sys.executable, "-m", "runner.load_config", str(path)]
    try:
        done = subprocess.run(
            command, env=environ, capture_output=True, text=True, timeout=LONGEST_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as err:
        raise BadInput(f"{path}: could not be checked: {err}") from err
    if done.returncode != 0:
        raise BadInput(done.stderr.strip() or f"{path}: could not be checked")
    section: dict[str, Any] = json.loads(done.stdout)
    return section
