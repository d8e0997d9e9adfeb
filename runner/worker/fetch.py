"""Fetch this machine's tac by `runslave --no-start`, as a process of its own."""

import json
import logging
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from farmhand.command import Run
from farmhand.errors import BadInput, ExitCode
from runner.stops import Stops
from runner.worker.config import WorkerSettings
from runner.worker.outcome import Ending, Outcome
from runner.worker.process import TAC
from runner.worker.tac import parse_idle

log = logging.getLogger("runner.worker")

RUNSLAVE = (sys.executable, "-m", "slavealloc.runslave")
LOOK_S = 0.02
YAML = {".yml", ".yaml"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """How runslave ended, and its report where it made one."""

    code: int
    report: Mapping[str, object]

    @property
    def basedir(self) -> Path | None:
        """Where the tac is, or where the last one was."""
        where = self.report.get("basedir")
        return Path(where) if isinstance(where, str) else None


def ask_basedir(run: Run, settings: WorkerSettings, asked: Stops) -> Path | None:
    """Ask where the worker lives, as far as it is known before its tac is fetched."""
    if settings.basedir is not None:
        return settings.basedir
    return call_runslave(run, settings, asked, "--dry-run").basedir


def fetch_tac(run: Run, settings: WorkerSettings, asked: Stops) -> Path | Ending:
    """Fetch a tac that has a master, and return its base directory; wait for one if that is set.

    Raises BadInput where runslave's options or configuration are wrong.
    """
    while not asked.asked:
        said = call_runslave(run, settings, asked)
        if asked.asked:
            break
        if said.code == ExitCode.BAD_INPUT:
            raise BadInput("runslave refused its options or configuration: see its lines above")
        basedir = said.basedir
        if said.code != 0 or basedir is None:
            return Ending(outcome=Outcome.NO_TAC, detail=f"runslave exited with {said.code}")
        idle = find_idle(said, basedir)
        if idle is None:
            return basedir
        if settings.when_idle != "wait":
            return Ending(outcome=Outcome.IDLE, detail=idle)
        wait_s = settings.idle_wait_s + random.random() * settings.idle_jitter_s  # noqa: S311
        log.info("%s; asking again in %.0f s", idle, wait_s)
        asked.wait(wait_s)
    return Ending(outcome=Outcome.ASKED_TO_END, detail="before a worker was started")


def find_idle(said: Said, basedir: Path) -> str | None:
    """Say why this machine has no work now; None where it has."""
    if said.report.get("stopped"):
        return f"there is a DO_NOT_START in {basedir}"
    return parse_idle((basedir / TAC).read_text("utf-8", "replace"))


def call_runslave(run: Run, settings: WorkerSettings, asked: Stops, *words: str) -> Said:
    """Run it to its end, or to ours; what it logs goes where our log goes.

    The original's INI files are ours alone: it is not told of one.
    """
    environ = dict(run.environ)
    if Path(environ.get("FARMHAND_CONFIG", "any.yml")).suffix not in YAML:
        del environ["FARMHAND_CONFIG"]
    command = [*RUNSLAVE, "--no-start", "--json", *words, *_options(run, settings)]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, env=environ)
        while process.poll() is None:
            asked.wait(LOOK_S)
            if asked.asked:
                process.terminate()
                process.wait()
        output.seek(0)
        said = output.read()
    try:
        report = json.loads(said)
    except ValueError:
        report = {}
    return Said(code=process.returncode, report=report if isinstance(report, dict) else {})


def _options(run: Run, settings: WorkerSettings) -> list[str]:
    path = run.config_path
    pairs = {
        "--config": path if path and path.suffix in YAML else None,
        "--slavename": settings.slavename,
        "--allocator-url": settings.allocator_url,
        "--basedir": settings.basedir,
    }
    options = [word for name, value in pairs.items() if value for word in (name, str(value))]
    return options + ["-v"] * max(0, run.verbosity)
