"""Run another program to its end or its deadline, and pass on what it says, line by line."""

import logging
import os
import select
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from runner.processes import prepare_to_die

log = logging.getLogger("runner.chore")

TAIL_LINES = 5
LONGEST_LINE = 2000
CHUNK_BYTES = 1 << 16
GRACE_S = 5.0
LONGEST_WAIT_S = 1e6  # poll counts milliseconds in 32 bits


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """How a program ended: `code` is None where it had to be ended, or could not start."""

    code: int | None
    tail: tuple[str, ...] = ()
    problem: str = ""

    def describe(self) -> str:
        """Say what was wrong, with the last line that it said."""
        what = self.problem or f"exit code {self.code}"
        return f"{what}: {self.tail[-1]}" if self.tail else what


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """What to run; without `environ`, in our own environment."""

    argv: tuple[str, ...]
    timeout_s: float
    cwd: Path | None = None
    environ: Mapping[str, str] | None = None
    label: str = ""


def run_program(program: Program, hear: Callable[[str], None] | None = None) -> Ran:
    """Run it in a session of its own, no longer than we live; its lines are heard, or logged."""
    said: deque[str] = deque(maxlen=TAIL_LINES)
    lines = Lines(program, said, hear)
    try:
        process = subprocess.Popen(
            program.argv,
            cwd=program.cwd,
            env=program.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=prepare_to_die(),
        )
    except (OSError, ValueError) as err:
        reason = err.strerror if isinstance(err, OSError) else str(err)
        return Ran(code=None, problem=f"{program.argv[0]} could not be started: {reason}")
    try:
        ended = follow(process, program.timeout_s, lines)
    finally:
        end_session(process)
        if process.stdout:
            process.stdout.close()
    problem = "" if ended else f"no end within {program.timeout_s:g} s"
    code = process.returncode if ended else None
    if code is not None and code < 0:
        problem = f"ended by signal {-code}"
    return Ran(code=code, tail=tuple(said), problem=problem)


class Lines:
    """Makes lines of what a program says, and passes them on."""

    def __init__(
        self, program: Program, said: deque[str], hear: Callable[[str], None] | None
    ) -> None:
        self._label = f"{program.label}: " if program.label else ""
        self._said = said
        self._hear = hear
        self._rest = b""

    def add(self, data: bytes) -> None:
        """Take the next piece; the end is an empty one."""
        *whole, rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        if not data and rest:
            whole, rest = [rest], b""
        for each in whole:
            self._pass_on(each)
        self._rest = rest[:LONGEST_LINE]

    def _pass_on(self, line: bytes) -> None:
        text = line[:LONGEST_LINE].decode("utf-8", "replace").rstrip()
        if not text:
            return
        self._said.append(text)
        if self._hear is not None:
            self._hear(text)
        else:
            log.info("%s%s", self._label, text)


def follow(process: "subprocess.Popen[bytes]", timeout_s: float, lines: Lines) -> bool:
    """Read what it says until it has ended; False where that is not in time."""
    assert process.stdout is not None  # noqa: S101 - we asked for it
    output = process.stdout.fileno()
    os.set_blocking(output, False)
    deadline = time.monotonic() + timeout_s
    pidfd = os.pidfd_open(process.pid)
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    poller.register(output, select.POLLIN)
    try:
        while (left := deadline - time.monotonic()) > 0:
            ready = {fd for fd, _ in poller.poll(min(left, LONGEST_WAIT_S) * 1000)}
            if output in ready and not read(output, lines):
                poller.unregister(output)
            if pidfd in ready:
                while read(output, lines):
                    pass
                lines.add(b"")
                return True
    finally:
        os.close(pidfd)
    lines.add(b"")
    return False


def read(output: int, lines: Lines) -> bool:
    """Read what is there; whether there may be more."""
    try:
        data = os.read(output, CHUNK_BYTES)
    except BlockingIOError:
        return False
    if data:
        lines.add(data)
    return bool(data)


def end_session(process: "subprocess.Popen[bytes]") -> None:
    """End it, and what it started in its session; until it is waited for, its id is its own."""
    pidfd = os.pidfd_open(process.pid)
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    poller.poll(GRACE_S * 1000)
    os.close(pidfd)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
