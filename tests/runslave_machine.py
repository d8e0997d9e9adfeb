"""A machine that runs `runslave` as a process, in a home of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.bad_allocator import make_page

ROOT = Path(__file__).parent.parent
PAGE = make_page("port = 9001\n")
OLD = b"the last good tac"
DOWN = "http://127.0.0.1:1/gettac/SLAVE"


@dataclass(kw_only=True, slots=True)
class Machine:
    """A machine called w1, without farmhand.yml; it starts /bin/echo for twistd.

    `prefix` is a command that runs `runslave`.
    """

    home: Path
    url: str
    environ: dict[str, str] = field(default_factory=dict)
    prefix: list[str] = field(default_factory=list)

    @property
    def basedir(self) -> Path:
        """What `-d` says."""
        return self.home / "slave"

    @property
    def tac(self) -> Path:
        """Where the tac belongs."""
        return self.basedir / "buildbot.tac"

    def run(
        self, *args: str, basedir: bool = True, twistd: str | None = "/bin/echo"
    ) -> "subprocess.CompletedProcess[str]":
        """Run it to its end."""
        process = self.popen(*args, basedir=basedir, twistd=twistd)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def popen(
        self, *args: str, basedir: bool = True, twistd: str | None = "/bin/echo"
    ) -> "subprocess.Popen[str]":
        """Start it; `-d` and `-c` are given unless they are turned off."""
        command = [
            *self.prefix,
            sys.executable,
            "-m",
            "slavealloc.runslave",
            "-n",
            "w1.example.com",
        ]
        command += ["-a", self.url, "--timeout", "2", "-v"]
        command += ["-d", str(self.basedir)] if basedir else []
        command += ["-c", twistd] if twistd else []
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.home),
            "FARMHAND_STATE": str(self.home / "state"),
            **self.environ,
        }
        return subprocess.Popen(
            [*command, *args],
            cwd=self.home,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def put(self, name: str, data: bytes = b"") -> Path:
        """Put a file into the base directory."""
        self.basedir.mkdir(exist_ok=True)
        path = self.basedir / name
        path.write_bytes(data)
        return path


def wait_until(true: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
