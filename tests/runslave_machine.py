"""A machine that runs `runslave`, in a home of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import TextIO

from slavealloc.runslave.cli import main
from tests.bad_allocator import make_page
from tests.processes import Finished
from tests.run_here import run_here

ROOT = Path(__file__).parent.parent
PAGE = make_page("port = 9001\n")
OLD = b"the last good tac"
STDERR = 2
DOWN = "http://127.0.0.1:1/gettac/SLAVE"


@dataclass(kw_only=True, slots=True)
class Machine:
    """A machine called w1, without farmhand.yml; it starts /bin/echo for twistd.

    `prefix` is a command that runs `runslave`, where it is a process.
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

    def run(self, *args: str, basedir: bool = True, twistd: str | None = "/bin/echo") -> Finished:
        """Run it to its end, in the process of the tests; what twistd says is the end of `err`."""
        with chdir(self.home), _caught_from_children() as caught:
            done = run_here(main, [*self._options(basedir, twistd), *args], self._environ())
            caught.seek(0)
            return replace(done, err=done.err + caught.read())

    def popen(
        self, *args: str, basedir: bool = True, twistd: str | None = "/bin/echo"
    ) -> "subprocess.Popen[str]":
        """Start it; `-d` and `-c` are given unless they are turned off."""
        command = [*self.prefix, sys.executable, "-m", "slavealloc.runslave"]
        return subprocess.Popen(
            [*command, *self._options(basedir, twistd), *args],
            cwd=self.home,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **self._environ()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _options(self, basedir: bool, twistd: str | None) -> list[str]:
        options = ["-n", "w1.example.com", "-a", self.url, "--timeout", "2", "-v"]
        options += ["-d", str(self.basedir)] if basedir else []
        return options + (["-c", twistd] if twistd else [])

    def _environ(self) -> dict[str, str]:
        state = str(self.home / "state")
        return {"HOME": str(self.home), "FARMHAND_STATE": state, **self.environ}

    def put(self, name: str, data: bytes = b"") -> Path:
        """Put a file into the base directory."""
        self.basedir.mkdir(exist_ok=True)
        path = self.basedir / name
        path.write_bytes(data)
        return path


@contextmanager
def _caught_from_children() -> Iterator[TextIO]:
    """Catch what other programs say on the stderr of this process."""
    with TemporaryFile("w+") as caught:
        kept = os.dup(STDERR)
        os.dup2(caught.fileno(), STDERR)
        try:
            yield caught
        finally:
            os.dup2(kept, STDERR)
            os.close(kept)


def wait_until(true: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
