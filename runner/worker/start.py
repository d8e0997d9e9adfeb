"""Start a worker's twistd from its tac, with the environment a worker may have."""

import logging
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from farmhand.errors import BadInput
from runner.worker.config import WorkerSettings
from runner.worker.environ import scrub
from runner.worker.outcome import Outcome
from runner.worker.process import TAC, clear_pid_file
from runner.worker.tac import parse_master

log = logging.getLogger("runner.worker")

LOG_FILE = "twistd.log"
STAMP = "shutdown.stamp"
LAST_TWISTD = "/tools/buildbot/bin/twistd"
OUTPUT_BYTES = 4000
BACKGROUND_S = 120.0
PROBE_S = 5.0


def prepare(basedir: Path, instance_id: str | None) -> None:
    """Remove what an earlier worker left behind, and say in info/host which machine this is.

    A stamp that is there when the worker starts would have to be outdone when it shall stop.
    Raises BadInput where the base directory can't be written.
    """
    if clear_pid_file(basedir):
        log.info("removed %s/twistd.pid: no worker of this directory is behind it", basedir)
    try:
        (basedir / STAMP).unlink(missing_ok=True)
        if instance_id:
            (basedir / "info").mkdir(exist_ok=True)
            (basedir / "info/host").write_text(instance_id, "utf-8")
    except OSError as err:
        raise BadInput(f"{err.filename}: {err.strerror}") from err


def start_twistd(basedir: Path, settings: WorkerSettings, environ: Mapping[str, str]) -> str | None:
    """Run twistd until it is in the background; return why it did not get there, else None.

    In a session of its own, so that it outlives us and no signal to our group reaches it. What it
    prints until then goes to a file: a pipe would keep us waiting for who inherits it.
    """
    words = [*find_twistd(settings.twistd_cmd), "--no_save"]
    words += ["--logfile", str(basedir / LOG_FILE), "--python", str(basedir / TAC)]
    log.info("starting %s", shlex.join(words))
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                words,
                cwd=basedir,
                env=scrub(environ, settings.pass_env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except OSError as err:
            raise BadInput(f"{words[0]}: {err.strerror}") from err
        code = _wait(process, BACKGROUND_S)
        output.seek(0)
        said = output.read(OUTPUT_BYTES).decode("utf-8", "replace").strip()
    if said:
        log.info("twistd said: %s", said)
    return None if code == 0 else f"twistd exited with {code}: {said.rpartition(chr(10))[2]}"


def _wait(process: "subprocess.Popen[bytes]", limit_s: float) -> int:
    try:
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        process.kill()  # it builds nothing: it is not even in the background
        return process.wait()


def find_twistd(given: str | None) -> list[str]:
    """Find the command that starts twistd: the one given, else as `runslave` does.

    Raises BadInput where there is none.
    """
    if given is not None:
        try:
            words = shlex.split(given)
        except ValueError as err:
            raise BadInput(f"twistd_cmd {given!r}: {err}") from err
        if not words or not shutil.which(words[0]):
            raise BadInput(f"twistd_cmd {given!r}: there is no such program")
        return words
    for candidate in (str(Path(sys.executable).with_name("twistd")), "twistd", LAST_TWISTD):
        if found := shutil.which(candidate):
            return [found]
    raise BadInput("no twistd beside this Python, in PATH or in /tools/buildbot: set twistd_cmd")


def probe_master(basedir: Path) -> tuple[Outcome, str]:
    """Look why a worker is not connected, at the port its tac names: its log does not tell."""
    master = parse_master((basedir / TAC).read_text("utf-8", "replace"))
    if master is None:
        return Outcome.NOT_READY, "its tac names no master plainly"
    where = f"{master[0]}:{master[1]}"
    try:
        socket.create_connection(master, PROBE_S).close()
    except ConnectionRefusedError:
        return Outcome.REFUSED, where
    except OSError as err:
        return Outcome.MASTER_AWAY, f"{where}: {err}"
    return Outcome.NOT_READY, where
