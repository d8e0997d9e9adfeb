"""A machine that runs `runner worker` as a process, against a real slavealloc and real masters.

`python -m tests.worker_machine SETTINGS` is that process: the verb inside its boundary.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from farmhand.boundary import execute
from runner.metadata import find_metadata
from runner.worker.config import WorkerSettings
from runner.worker.life import run_worker
from tests.forks import BUILDBOT, RUNNER, Forked, forks_of

ROOT = Path(__file__).parent.parent
LIMIT_S = 30.0


@dataclass(kw_only=True, slots=True)
class Life:
    """One `runner worker` process and what it logs."""

    process: "Forked | subprocess.Popen[bytes]"
    log: Path

    def said(self) -> str:
        """Return its log until now."""
        return self.log.read_text(errors="replace")

    def wait_said(self, pattern: str) -> str:
        """Wait until its log has it; return that part."""
        wait_until(lambda: re.search(pattern, self.said()) is not None, self.said)
        found = re.search(pattern, self.said())
        assert found is not None
        return found[0]

    def wait(self) -> int:
        """Wait for its end, and return its exit code."""
        try:
            return self.process.wait(LIMIT_S)
        except subprocess.TimeoutExpired as err:
            raise AssertionError(f"it has not ended:\n{self.said()}") from err

    def ask(self) -> None:
        """Ask it to end."""
        self.process.send_signal(signal.SIGTERM)


@dataclass(kw_only=True, slots=True)
class WorkerMachine:
    """A machine with one worker; `settings` are those of `WorkerSettings`, as plain data.

    A cold one starts Python and twistd as any machine does.
    """

    name: str
    home: Path
    url: str
    settings: dict[str, Any] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    cold: bool = False
    lives: list[Life] = field(default_factory=list)

    @property
    def basedir(self) -> Path:
        """Where the worker lives."""
        return self.home / self.name

    def start(self, *, dry_run: bool = False, **settings: Any) -> Life:
        """Start `runner worker`."""
        given = {
            "basedir": str(self.basedir),
            "slavename": self.name,
            "allocator_url": f"{self.url}/gettac/SLAVE",
            "twistd_cmd": None if self.cold else str(forks_of(BUILDBOT).folder / "twistd"),
            **self.settings,
            **settings,
        }
        log = self.home / f"life-{len(self.lives)}.log"
        kept = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
        environ = {**kept, "FARMHAND_STATE": str(self.home / "state"), **self.environ}
        words = ["-m", "tests.worker_machine", json.dumps(given), *["--dry-run"][:dry_run]]
        process: Forked | subprocess.Popen[bytes]
        with log.open("wb") as output:
            if self.cold:
                files: Any = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
                process = subprocess.Popen([sys.executable, *words], cwd=ROOT, env=environ, **files)
            else:
                process = forks_of(RUNNER).start(
                    words, directory=ROOT, environ=environ, output=output
                )
        self.lives.append(Life(process=process, log=log))
        return self.lives[-1]

    def connected(self, **settings: Any) -> Life:
        """Start it, and wait until its worker is connected."""
        life = self.start(**settings)
        life.wait_said("is connected after")
        return life

    def pid(self) -> int:
        """Return the worker's process id, as it wrote it itself."""
        return int((self.basedir / "twistd.pid").read_text())

    def twistd_log(self) -> str:
        """Return the worker's log."""
        return (self.basedir / "twistd.log").read_text()

    def end(self) -> None:
        """End all that was started here, by the ids that we know."""
        for life in self.lives:
            if life.process.poll() is None:
                life.process.kill()
                life.process.wait()
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            pid = self.pid()
            if str(self.home).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def machine(name: str, home: Path, url: str, **settings: Any) -> Iterator[WorkerMachine]:
    """Make a machine, and end what it left running."""
    home.mkdir(parents=True, exist_ok=True)
    made = WorkerMachine(name=name, home=home, url=url, settings=settings)
    try:
        yield made
    finally:
        made.end()


def wait_until(is_so: Callable[[], object], describe: Callable[[], str] = str) -> None:
    """Wait until something is so, within a limit."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        asked = time.monotonic()
        if is_so():
            return
        assert asked < deadline, describe()
        time.sleep(max(0.05, 4 * (time.monotonic() - asked)))  # who is asked has more to do


def is_there(pid: int) -> bool:
    """Whether a process runs; one that is only to be waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def main() -> int:
    """Run the verb with the settings given."""
    given = json.loads(sys.argv[1])
    where = Path(given.pop("basedir")) if given.get("basedir") else None
    given["pass_env"] = tuple(given.get("pass_env", ()))
    settings = WorkerSettings(basedir=where, **given)
    common = {
        "config_path": None,
        "dry_run": "--dry-run" in sys.argv,
        "json": False,
        "verbose": 1,
        "quiet": False,
        "logfile": None,
        "syslog": None,
        "metrics_textfile": None,
        "deadline_s": float("inf"),
    }
    metadata = find_metadata("http://169.254.169.254", os.environ) if settings.notices else None
    return execute(lambda run: run_worker(run, settings, metadata), "runner", "worker", common, {})


if __name__ == "__main__":
    sys.exit(main())
