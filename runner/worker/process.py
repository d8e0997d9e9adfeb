"""The process behind a twistd.pid: whether it is this base directory's worker; signals to it."""

import os
import re
import select
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from farmhand.errors import BadInput
from farmhand.files import read_pid

PID_FILE = "twistd.pid"
TAC = "buildbot.tac"
PROGRAM = re.compile(r"(twistd\d?|buildbot(-worker)?|buildslave)(\.py|\.exe)?")
TAC_OPTIONS = ("--python", "-y")


class WorkerProcess:
    """A process that no other can replace unnoticed, even when its number is used again.

    Where the system has no pidfd (Linux before 5.3, macOS), only its number stands for it.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.fd: int | None = None
        if hasattr(os, "pidfd_open"):
            try:
                self.fd = os.pidfd_open(pid)
            except ProcessLookupError:
                raise
            except OSError:
                self.fd = None

    def is_alive(self) -> bool:
        """Whether it runs; one that nobody has waited for yet is gone all the same."""
        if self.fd is not None:
            return not select.select([self.fd], [], [], 0)[0]
        return is_running(self.pid)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it is still there."""
        try:
            if self.fd is not None:
                signal.pidfd_send_signal(self.fd, number)
            else:
                os.kill(self.pid, number)
        except ProcessLookupError:
            return

    def close(self) -> None:
        """Let it go."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None


def find_worker(basedir: Path) -> WorkerProcess | None:
    """Find the live worker that twistd.pid names; None where it is stale or another's number.

    Raises BadInput where the file can't be read.
    """
    pid = read_pid(basedir / PID_FILE)
    if pid is None or pid == os.getpid():
        return None
    try:
        process = WorkerProcess(pid)
    except ProcessLookupError:
        return None
    if process.is_alive() and is_worker_of(basedir, read_command(pid), read_directory(pid)):
        return process
    process.close()
    return None


def clear_pid_file(basedir: Path) -> bool:
    """Remove a twistd.pid that no worker is behind: twistd would not start beside it."""
    try:
        (basedir / PID_FILE).unlink()
    except FileNotFoundError:
        return False
    except OSError as err:
        raise BadInput(f"{basedir / PID_FILE}: {err.strerror}; remove it") from err
    return True


def is_worker_of(basedir: Path, words: Sequence[str] | None, directory: Path | None) -> bool:
    """Whether a command line, in a directory, is that of this base directory's worker.

    What is not known (None) speaks for it: rather adopt too much than start a second.

    >>> is_worker_of(Path("/b"), ["python", "twistd", "--python", "/c/buildbot.tac"], Path("/b"))
    False
    """
    if words is None:
        return True
    if tac := _find_tac(words):
        where = Path(tac).parent
        if where.is_absolute():
            return where.resolve() == basedir.resolve()
    elif not any(PROGRAM.fullmatch(Path(word).name) for word in words):
        return False
    return directory is None or directory == basedir.resolve()


def _find_tac(words: Sequence[str]) -> str | None:
    """Find the tac in a command line, if it names one."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        tac = following if word in TAC_OPTIONS else word.partition("--python=")[2]
        if Path(tac).name == TAC:
            return tac
    return None


def read_command(pid: int) -> list[str] | None:
    """Read a process's command line; None where this system shows none to us."""
    if not Path("/proc/self/cmdline").exists():
        return _ask_ps(pid, "args").split() or None
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    return text.decode("utf-8", "replace").split("\0")[:-1]


def read_directory(pid: int) -> Path | None:
    """Read a process's working directory; None where this system shows none to us."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return None


def is_running(pid: int) -> bool:
    """Whether a process with this number runs, by its number alone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _ask_ps(pid, "stat").startswith("Z")


def _ask_ps(pid: int, column: str) -> str:
    command = ["ps", "-o", f"{column}=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
