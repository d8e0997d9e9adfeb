"""Python programs as processes of their own, forked from one that has imported what they need.

As `processes`, for what must be told from our own commands: Twisted has one reactor in a process,
a runner adopts its grandchildren, a worker is known by its command line. Only what Python does
before the first line of the program is not there.
"""

import functools
import marshal
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

ROOT = Path(__file__).parent.parent
PADDING = "-" * 2000  # the room for each command line
BUILDBOT = ("tests.warm_buildbot",)
MERCURIAL = ("tests.warm_mercurial",)
RUNNER = ("tests.warm_runner",)
PROGRAMS = ("hg", "python", "twistd")
# Asks for what its own name and words say, and ends as that does.
LAUNCHER = """\
#!{python} -IS
import _signal, marshal, os, sys
from _socket import AF_UNIX, SCM_RIGHTS, SOCK_SEQPACKET, SOL_SOCKET, socket
name = os.path.basename(sys.argv[0])
words = sys.argv[1:] if name == "python" else ["{programs}/" + name, *sys.argv[1:]]
asked = {{
    "words": words, "directory": os.getcwd(), "environ": dict(os.environ), "new_session": False,
    "python": "{folder}/python",
}}
server = socket(AF_UNIX, SOCK_SEQPACKET)
server.connect("{folder}/socket")
files = b"".join(number.to_bytes(4, sys.byteorder) for number in range(3))
server.sendmsg([marshal.dumps(asked)], [(SOL_SOCKET, SCM_RIGHTS, files)])
pid = int(server.recv(100))
_signal.signal(_signal.SIGTERM, lambda number, _: os.kill(pid, number))
code = int(server.recv(100))
if code < 0:
    os.kill(os.getpid(), -code)
os._exit(code)
"""


class Forked:
    """A process, as subprocess has it; what it prints waits in memory.

    Whom nobody remembers is killed.
    """

    def __init__(self, words: Sequence[str], server: socket.socket, output: Sequence[int]) -> None:
        self.args = words
        self.pid = int(server.recv(100))
        self.returncode: int | None = None
        self._server = server
        self._output = output

    def poll(self) -> int | None:
        """Return how it ended; None before."""
        return self._hear(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raises TimeoutExpired."""
        code = self._hear(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Wait for its end, and return what it printed, on stdout and on stderr."""
        self.wait(timeout)
        out, err = (Path(f"/proc/self/fd/{file}").read_text("utf-8") for file in self._output)
        return out, err

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def _hear(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            self._server.settimeout(timeout)
            try:
                self.returncode = int(self._server.recv(100))
            except (BlockingIOError, TimeoutError):
                return None
            self._server.close()
        return self.returncode

    def __del__(self) -> None:
        self._server.close()
        for file in self._output:
            os.close(file)


@dataclass(frozen=True, kw_only=True, slots=True)
class Forks:
    """A server of forks; `folder` has programs that ask it: `python`, `twistd`, `hg`."""

    folder: Path
    process: "subprocess.Popen[bytes]"  # which ends with us, when its stdin is closed

    def start(
        self,
        words: Sequence[str],
        *,
        directory: Path,
        environ: Mapping[str, str],
        output: BinaryIO | None = None,
        new_session: bool = False,
    ) -> Forked:
        """Start what `python WORDS` would; all that it prints goes to `output`, if one is given."""
        asked = {
            "words": [*words],
            "directory": str(directory),
            "environ": dict(environ),
            "new_session": new_session,
            "python": str(self.folder / "python"),
        }
        own = [] if output else [os.memfd_create(name) for name in ("stdout", "stderr")]
        server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        server.connect(str(self.folder / "socket"))
        with Path(os.devnull).open("rb") as nothing:
            given = own if output is None else [output.fileno()] * 2
            socket.send_fds(server, [marshal.dumps(asked)], [nothing.fileno(), *given])
        return Forked(words, server, own)


@functools.cache
def forks_of(modules: tuple[str, ...]) -> Forks:
    """Start a server that has imported these, at their first use."""
    folder = Path(tempfile.mkdtemp(prefix="forks-", dir="/tmp"))
    places = {"python": sys.executable, "programs": Path(sys.executable).parent, "folder": folder}
    for name in PROGRAMS:
        (folder / name).write_text(LAUNCHER.format(**places))
        (folder / name).chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.forks_server", str(folder), *modules, PADDING],
        cwd=ROOT,
        env={name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us, who end what we have started
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return Forks(folder=folder, process=process)
