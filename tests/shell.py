"""A shell as a reader of the manual has it: bash, with our programs in its PATH.

Each of our programs is a file that hands its words, files and environment to this process, which
forks the real program from a warm one; so a line takes a tenth of the time.
"""

import marshal
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import reduction
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from tests import processes
from tests.processes import Finished

MODULES = {
    "farmhand": "farmhand.cli",
    "runner": "runner.cli",
    "runslave": "slavealloc.runslave",
    "scanner": "scanner.cli",
    "slavealloc": "slavealloc.cli",
    "watch-pending": "watch_pending.cli",
}
LINE_TIMEOUT_S = 120
END_TIMEOUT_S = 20
BEFORE = 128  # a signal's exit code in a shell
# Without what an interpreter else imports: that takes longer than all the rest of it.
PROGRAM = """#!{python} -IS
import marshal, posix, sys
from _socket import AF_UNIX, SCM_RIGHTS, SOL_SOCKET, socket
asked = marshal.dumps(({module!r}, sys.argv[1:], posix.getcwd(), posix.environ))
descriptors = b"".join(each.to_bytes(4, sys.byteorder) for each in (0, 1, 2))
line = socket(AF_UNIX)
line.connect({address!r})
line.sendmsg([len(asked).to_bytes(8)], [(SOL_SOCKET, SCM_RIGHTS, descriptors)])
line.sendall(asked)
sys.exit(int(line.recv(16)))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What shall run, and where."""

    module: str
    words: list[str]
    directory: Path
    environ: dict[str, str]


def _read_asked(line: socket.socket) -> tuple[Asked, list[int]]:
    """Read what is asked for, and the files that it gets."""
    size, descriptors, _, _ = socket.recv_fds(line, 8, 3)
    with line.makefile("rb") as file:
        module, words, directory, environ = marshal.loads(file.read(int.from_bytes(size)))
    decoded = {os.fsdecode(name): os.fsdecode(value) for name, value in environ.items()}
    asked = Asked(module=module, words=words, directory=Path(directory), environ=decoded)
    return asked, descriptors


class Descriptor:
    """A file descriptor that a process to be forked gets."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> tuple[Any, ...]:
        return _take_descriptor, (reduction.DupFd(self.number),)


def _take_descriptor(duplicate: Any) -> int:
    return int(duplicate.detach())


@dataclass(kw_only=True, slots=True)
class Programs:
    """Our programs, as files in a directory; `running` are those that run now."""

    folder: Path
    running: list[Any] = field(default_factory=list)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Run what is asked for, until the end of the block."""
        address = self.folder / "socket"
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(address))
            listening.listen(64)
            threading.Thread(target=self._serve, args=(listening,), daemon=True).start()
            try:
                yield
            finally:
                listening.shutdown(socket.SHUT_RDWR)
                self.end(signal.SIGTERM)

    def write(self, *folders: Path) -> None:
        """Put the programs into these directories."""
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            for program, module in MODULES.items():
                self.write_program(folder / program, module)

    def write_program(self, path: Path, module: str) -> None:
        """Write one: it runs what `python -m` would."""
        python = Path(sys.executable).resolve()
        address = str(self.folder / "socket")
        path.write_text(PROGRAM.format(python=python, module=module, address=address))
        path.chmod(0o755)

    def end(self, number: signal.Signals) -> None:
        """Send a signal to all that runs, and wait for it."""
        for process in list(self.running):
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)
        for process in list(self.running):
            process.join(END_TIMEOUT_S)
            process.kill()

    def _serve(self, listening: socket.socket) -> None:
        while True:
            try:
                line, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(line,), daemon=True).start()

    def _answer(self, line: socket.socket) -> None:
        with line:
            asked, descriptors = _read_asked(line)
            try:
                process = _fork(asked, descriptors)
            finally:
                for each in descriptors:
                    os.close(each)
            self.running.append(process)
            if line in wait([line, process.sentinel]) and process.is_alive():
                process.terminate()  # who asked has been ended
            process.join()
            self.running.remove(process)
            code = process.exitcode or 0
            with suppress(OSError):
                line.sendall(str(code if code >= 0 else BEFORE - code).encode())


def _fork(asked: Asked, descriptors: list[int]) -> Any:
    context = processes.warm_context()
    process = context.Process(
        target=_become, args=(asked, [Descriptor(each) for each in descriptors])
    )
    process.start()
    return process


def _become(asked: Asked, descriptors: list[int]) -> None:
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    # Those of whom it was forked from take a pipe for the file that they had.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - open to its end
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    processes.become(asked.module, asked.words, asked.environ, asked.directory)


class Shell:
    """One bash for all lines of a page: what a line sets, the next ones have."""

    def __init__(self, programs: Programs, directory: Path, environ: Mapping[str, str]) -> None:
        self._programs = programs
        self._folder = programs.folder
        self._lines = 0
        self._codes, codes = os.pipe()
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=directory,
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[codes],
            text=True,
        )
        self._to = codes
        os.close(codes)

    def run(self, command: str) -> Finished:
        """Run a line to its end."""
        self._lines += 1  # what runs in the background goes on writing to its own files
        out, err = (self._folder / f"{self._lines}.{name}" for name in ("out", "err"))
        self._tell(command, f">{out} 2>{err}")
        return Finished(
            code=self._wait(),
            out=out.read_text("utf-8", "replace"),
            err=err.read_text("utf-8", "replace"),
        )

    def run_until_it_speaks(self, command: str) -> Finished:
        """Run a line on a terminal until it says something, and end it as Ctrl-C does."""
        ours, its = os.openpty()
        try:
            self._tell(command, f">{os.ttyname(its)} 2>&1")
            assert select.select([ours], [], [], LINE_TIMEOUT_S)[0], "it says nothing"
            said = os.read(ours, 65536).decode("utf-8", "replace")
            self._programs.end(signal.SIGINT)
            return Finished(code=self._wait(), out=said, err="")
        finally:
            os.close(its)
            os.close(ours)

    def close(self) -> None:
        """End it, and what it has in the background."""
        self._programs.end(signal.SIGTERM)
        self._process.kill()
        self._process.communicate()
        os.close(self._codes)

    def _tell(self, command: str, where: str) -> None:
        script = self._folder / "line"
        script.write_text(command + "\n")
        assert self._process.stdin
        self._process.stdin.write(f". {script} {where} </dev/null; echo $? >&{self._to}\n")
        self._process.stdin.flush()

    def _wait(self) -> int:
        assert select.select([self._codes], [], [], LINE_TIMEOUT_S)[0], "it does not end"
        said = os.read(self._codes, 16)
        return int(said) if said else self._process.wait(LINE_TIMEOUT_S)
