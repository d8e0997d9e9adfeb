"""A machine that runs `runner` as a process, with a directory of tasks that note what they do."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.forks import RUNNER, Forked, forks_of

ROOT = Path(__file__).parent.parent
QUICK = {"sleep_time": 0, "retry_jitter": 0, "grace": 1, "round_interval": 0, "halt_interval": 0}


@dataclass(kw_only=True, slots=True)
class RunnerMachine:
    """Tasks are shell scripts; each begins with a line of its own in `notes`.

    `settings` is the section `runner` of its farmhand.yml. A cold one starts Python for each run.
    """

    home: Path
    settings: dict[str, Any] = field(default_factory=lambda: dict(QUICK))
    environ: dict[str, str] = field(default_factory=dict)
    ini: str | None = None
    python: str = sys.executable
    cold: bool = False

    @property
    def tasks(self) -> Path:
        """The task directory."""
        return self.home / "tasks.d"

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.home / "state"

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.home / ("runner.cfg" if self.ini is not None else "farmhand.yml")

    def add(self, file: str, script: str = "exit 0") -> Path:
        """Add a task that notes its file's name, and then runs a script."""
        self.tasks.mkdir(exist_ok=True)
        path = self.tasks / file
        path.write_text(f'#!/bin/sh\necho "{file}" >> {self.home}/notes\n{script}\n')
        path.chmod(0o755)
        return path

    def add_all(self, *files: str) -> None:
        """Add tasks that do nothing else."""
        for file in files:
            self.add(file)

    def notes(self) -> list[str]:
        """The lines that tasks wrote so far."""
        path = self.home / "notes"
        return path.read_text().splitlines() if path.exists() else []

    def note(self, words: str) -> str:
        """A shell line that notes something."""
        return f'echo "{words}" >> {self.home}/notes'

    def write_config(self) -> None:
        """Write the configuration as it is now."""
        text = self.ini
        if text is None:
            text = yaml.safe_dump({"farm": "test", "runner": self.settings})
        self.config.write_text(text)

    @property
    def whole_environ(self) -> dict[str, str]:
        """The environment of its own that a `runner` has."""
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.home),
            "FARMHAND_STATE": str(self.state),
            "FARMHAND_CONFIG": str(self.config),
            **self.environ,
        }

    def popen(self, *args: str) -> Forked:
        """Start `runner` with these arguments."""
        self.write_config()
        return forks_of(RUNNER).start(
            ["-m", "runner.cli", *args], directory=self.home, environ=self.whole_environ
        )

    def run(self, *args: str) -> "subprocess.CompletedProcess[str]":
        """Run it to its end."""
        if self.cold:
            return self.run_cold(*args)
        process = self.popen(*args)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(args, process.wait(), out, err)

    def run_cold(
        self, *args: str, prefix: Sequence[str] = ()
    ) -> "subprocess.CompletedProcess[str]":
        """Run it as whoever starts Python, with `prefix` before that."""
        self.write_config()
        return subprocess.run(
            [*prefix, self.python, "-m", "runner.cli", *args],
            cwd=self.home,
            env=self.whole_environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def rounds(self, times: int = 1, *args: str) -> "subprocess.CompletedProcess[str]":
        """Run rounds to their end."""
        return self.run("-v", "-n", str(times), *args, str(self.tasks))

    def start(self, *args: str) -> Forked:
        """Start rounds that have no end."""
        return self.popen("-v", *args, str(self.tasks))

    def status(self) -> dict[str, Any]:
        """What `runner status --json` says."""
        document: dict[str, Any] = json.loads(self.run("status", "--json").stdout)
        return document

    def wait_for(self, note: str) -> None:
        """Wait until a task has noted this."""
        wait_until(lambda: note in self.notes())


def wait_until(reached: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something outside; fails where it does not come."""
    deadline = time.monotonic() + seconds
    while True:
        asked = time.monotonic()
        if reached():
            return
        assert asked < deadline, "it did not come"
        time.sleep(max(0.02, 4 * (time.monotonic() - asked)))  # who is asked has more to do


def is_alive(pid: int) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
